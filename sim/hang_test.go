package sim

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
)

// blocker is an appender that waits other than through its Clock.
type blocker struct{ release <-chan struct{} }

func (b blocker) Append(context.Context, appender.Record) error {
	<-b.release
	return nil
}

func TestTheWatchdogNamesAnAppenderThatReallyBlocks(t *testing.T) {
	was := watchdogLimit
	watchdogLimit = 200 * time.Millisecond
	defer func() { watchdogLimit = was }()
	release := make(chan struct{})
	defer close(release)
	cfg := Config{Nodes: 2, Duration: 10 * time.Second, Load: []Load{{Kind: LoadConstant, Rate: 10}}}
	cfg.Open = func(context.Context, appender.Env) (appender.Appender, error) { return blocker{release}, nil }
	r, err := Run(context.Background(), cfg, 1)
	require.Nil(t, r)
	require.ErrorIs(t, err, ErrWatchdog)
	var w *WatchdogError
	require.ErrorAs(t, err, &w)
	require.Equal(t, "handle", w.Kind)
	require.Contains(t, w.Actor, "worker")
	require.Contains(t, w.Actor, "n")
	require.NotZero(t, w.Step)
	require.Contains(t, w.Stack, "sim.blocker.Append")
	require.Contains(t, err.Error(), w.Actor)
	require.NotContains(t, err.Error(), "\n")
}
