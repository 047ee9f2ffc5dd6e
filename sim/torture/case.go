package torture

import (
	"context"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// log is what is tortured: a [filelog.Log], or one of the tests' that is broken.
type log interface {
	appender.BatchAppender
	appender.Appender
	appender.Flusher
	appender.Replayer
	appender.Positioner
	Close() error
	Dropped() uint64
	Recovery() filelog.Recovery
}

// openLog opens what is tortured.
type openLog func(ctx context.Context, o filelog.Options, env appender.Env) (log, error)

func filelogs(ctx context.Context, o filelog.Options, env appender.Env) (log, error) {
	l, err := filelog.Open(ctx, o, env)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func runCase(seed uint64, open openLog) (outcome, *Failure) {
	return outcome{kind: Kind(mix(seed) % uint64(NumKinds)), tally: Tally{Cases: 1}}, nil
}
