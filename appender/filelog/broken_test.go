package filelog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// broken is a log that breaks its word in one way: what is nil is as it should be.
type broken struct {
	fs    func(w *watched, d *disk.Disk)
	put   func(l *filelog.Log, recs []appender.Record) (int, error)
	flush func(l *filelog.Log) error
	lost  int // it says that so many less are dropped
}

var _ require.TestingT = (*verdict)(nil)

// verdict collects what a property has to say instead of failing the test.
type verdict struct{ said []string }

func (v *verdict) Errorf(format string, args ...any) {
	v.said = append(v.said, fmt.Sprintf(format, args...))
}

// FailNow leaves the property.
func (v *verdict) FailNow() { panic(v) }

// judged runs a property and returns what it says.
func judged(property func(t require.TestingT)) (said []string) {
	v := new(verdict)
	defer func() {
		if r := recover(); r != nil && r != any(v) {
			panic(r)
		}
		said = v.said
	}()
	property(v)
	return nil
}

// keepsItsWord is the property: a log of some policy holds what it acknowledged,
// over a kill, a power failure, and a sync that fails.
func keepsItsWord(t require.TestingT, policy filelog.SyncPolicy, b broken) {
	for seed := range uint64(12) {
		d := disk.New(disk.Options{Seed: seed})
		mount := func() filelog.FS {
			w := &watched{FS: d.Mount(nil)}
			if b.fs != nil {
				b.fs(w, d)
			}
			return w
		}
		o := filelog.Options{FS: mount(), SegmentBytes: filelog.MinSegmentBytes, MaxRecords: 60, Sync: policy}
		l := open(t, o)
		heal := func() {}
		if seed%3 == 2 {
			heal = d.Inject(disk.Rule{Op: disk.OpSync, Kind: disk.Fail, After: seed, Times: 1})
		}
		var acked []appender.Record
		put := func(recs []appender.Record) {
			store := l.AppendBatch
			if b.put != nil {
				store = func(_ context.Context, recs []appender.Record) (int, error) { return b.put(l, recs) }
			}
			n, err := store(ctx, recs)
			if err != nil {
				require.ErrorIs(t, err, filelog.ErrSync)
			}
			acked = slices.Concat(acked, recs[:n])
		}
		for at := uint64(0); at < 100; at += 5 {
			put(records(at+1, at+5))
		}
		flush := l.Flush
		if b.flush != nil {
			flush = func(context.Context) error { return b.flush(l) }
		}
		if err := flush(ctx); err != nil {
			require.NoError(t, flush(ctx))
		}
		heal()
		if seed%2 == 0 {
			d.Kill()
		} else {
			d.Crash(disk.LoseAll)
		}
		o.FS = mount()
		l = open(t, o)
		require.Equal(t, uint64(len(acked)-60), l.Dropped()-uint64(b.lost))
		got, _ := gather(t, l.Replay(ctx, appender.Cursor{}, false))
		require.Equal(t, acked[len(acked)-60:], got)
		_, err := filelog.Open(ctx, o, env())
		require.ErrorIs(t, err, filelog.ErrLocked)
		require.NoError(t, l.Close())
	}
}

// TestEveryBrokenLogFailsItsProperty: the property holds for the log as it is,
// and for none that is broken.
func TestEveryBrokenLogFailsItsProperty(t *testing.T) {
	t.Parallel()
	lies := errors.New("this call is left out")
	mutants := map[string]broken{
		"acknowledges without writing": {put: func(_ *filelog.Log, recs []appender.Record) (int, error) { return len(recs), nil }},
		"loses the last of a batch": {put: func(l *filelog.Log, recs []appender.Record) (int, error) {
			n, err := l.AppendBatch(ctx, recs[:len(recs)-1])
			return n + 1, err
		}},
		"stores a batch twice": {put: func(l *filelog.Log, recs []appender.Record) (int, error) {
			_, _ = l.AppendBatch(ctx, recs)
			return l.AppendBatch(ctx, recs)
		}},
		"stores a batch the other way round": {put: func(l *filelog.Log, recs []appender.Record) (int, error) {
			recs = slices.Clone(recs)
			slices.Reverse(recs)
			return l.AppendBatch(ctx, recs)
		}},
		"stores another text": {put: func(l *filelog.Log, recs []appender.Record) (int, error) {
			recs = slices.Clone(recs)
			recs[0].Message += "\x00"
			return l.AppendBatch(ctx, recs)
		}},
		"counts a drop too many": {lost: 1},
		"does not sync files":    {fs: func(w *watched, _ *disk.Disk) { w.lie = lies; w.sync = func(string) error { return lies } }},
		"does not sync names":    {fs: func(w *watched, _ *disk.Disk) { w.lie = lies; w.syncDir = func() error { return lies } }},
		"keeps no other out":     {fs: func(w *watched, _ *disk.Disk) { w.noLock = true }},
		"writes but half": {fs: func(w *watched, _ *disk.Disk) {
			w.lie = lies
			w.write = func(_ string, p []byte, _ int64) (int, error) { return len(p) / 2, lies }
		}},
		"forgets that a sync failed": {fs: func(w *watched, _ *disk.Disk) { w.lie = disk.ErrInjected }},
	}
	for _, policy := range []filelog.SyncPolicy{filelog.SyncAlways(), filelog.SyncEvery(30)} {
		require.Empty(t, judged(func(v require.TestingT) { keepsItsWord(v, policy, broken{}) }), policy.String())
		for name, b := range mutants {
			require.NotEmpty(t, judged(func(v require.TestingT) { keepsItsWord(v, policy, b) }), "%s, %s", policy, name)
		}
	}
}
