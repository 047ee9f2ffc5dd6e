package actors

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// holder is an appender that stores what it holds when it is flushed.
type holder struct {
	flush func(ctx context.Context) error
	told  []string
}

func (a *holder) Append(context.Context, appender.Record) error {
	a.told = append(a.told, "append")
	return nil
}

func (a *holder) Flush(ctx context.Context) error {
	a.told = append(a.told, "flush")
	return a.flush(ctx)
}

func (a *holder) Close() error {
	a.told = append(a.told, "close")
	return nil
}

// A stop flushes the appender once, after the last record and before it is
// closed; and whatever the flush does, the node ends by the stop's deadline.
func TestAStopFlushesAndIsNotHeldUpByIt(t *testing.T) {
	const limit = 5 * time.Second
	for name, c := range map[string]struct {
		flush func(appender.Clock) func(context.Context) error
		told  []string
	}{
		"flushes": {
			func(appender.Clock) func(context.Context) error {
				return func(context.Context) error { return nil }
			},
			[]string{"append", "append", "flush", "close"},
		},
		"takes its time": {
			func(c appender.Clock) func(context.Context) error {
				return func(ctx context.Context) error { return c.Sleep(ctx, 300*time.Millisecond) }
			},
			[]string{"append", "append", "flush", "close"},
		},
		"fails": {
			func(appender.Clock) func(context.Context) error {
				return func(context.Context) error { return errors.New("disk full") }
			},
			[]string{"append", "append", "flush", "close"},
		},
		"panics": {
			func(appender.Clock) func(context.Context) error {
				return func(context.Context) error { panic("flush") }
			},
			nil,
		},
		"hangs": {
			func(c appender.Clock) func(context.Context) error {
				return func(context.Context) error { return c.Sleep(context.Background(), -1) }
			},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			defer w.close()
			a := &holder{}
			n := w.spawn(NodeOptions{Loop: loop.Options{Node: "n1"}, Host: Host{
				Deadline: 500 * time.Millisecond, Grace: 100 * time.Millisecond,
				Open: func(_ context.Context, env appender.Env) (appender.Appender, error) {
					a.flush = c.flush(env.Clock)
					return a, nil
				},
			}}, modelFunc{})
			w.lines(2)
			n.Stop(limit)
			w.run(10 * time.Second)
			require.Equal(t, []string{"append", "append", "flush"}, a.told[:3])
			if c.told != nil {
				require.Equal(t, c.told, a.told)
			}
			stopped := w.all(trace.NodeStopped)
			require.Len(t, stopped, 1)
			require.LessOrEqual(t, stopped[0].Time, limit)
			s := n.Stats()
			require.EqualValues(t, 2, s.Ledger.Appended)
			require.NoError(t, n.Audit())
		})
	}
}
