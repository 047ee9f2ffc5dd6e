package torture

import (
	"context"
	"errors"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

func hideShort(f filelog.File, p []byte, off int64) (int, error) {
	n, err := f.WriteAt(p, off)
	if n > 0 && n < len(p) {
		return len(p), nil
	}
	return n, err
}

func hideFailure(f filelog.File, p []byte, off int64) (int, error) {
	n, err := f.WriteAt(p, off)
	if errors.Is(err, disk.ErrInjected) {
		return len(p), nil
	}
	return n, err
}

// first is err, or what again returns if there is one.
func first(err error, again func() error) error {
	if err != nil {
		return again()
	}
	return nil
}

// beginsAnew removes every file of a log whose tail is torn.
func beginsAnew(ctx context.Context, o filelog.Options, env appender.Env) (log, error) {
	l, err := filelogs(ctx, o, env)
	if err != nil || l.Recovery().Torn == 0 {
		return l, err
	}
	if err := l.Close(); err != nil {
		return nil, err
	}
	names, err := o.FS.List()
	for _, name := range names {
		err = errors.Join(err, o.FS.Remove(name))
	}
	if err != nil {
		return nil, err
	}
	return filelogs(ctx, o, env)
}

// losesNewest removes the newest file of several before it opens the log.
func losesNewest(ctx context.Context, o filelog.Options, env appender.Env) (log, error) {
	if names, err := o.FS.List(); err == nil && len(names) > 1 {
		if err := o.FS.Remove(names[len(names)-1]); err != nil {
			return nil, err
		}
	}
	return filelogs(ctx, o, env)
}
