package filelog_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// stepper is a clock whose sleeps run a function.
type stepper struct {
	appender.ManualClock
	sleep func() error
}

func (s *stepper) Sleep(context.Context, time.Duration) error { return s.sleep() }

// TestAFollowerBesideARollThatFails: it saw the segment that could not be made, and
// that is not removed, or was not yet. The writer goes on in the one before.
func TestAFollowerBesideARollThatFails(t *testing.T) {
	t.Parallel()
	for _, stays := range []bool{true, false} {
		failing := false
		bad := func(name string) error {
			if failing && name == "00000000000000000002.seg" {
				return errBroken
			}
			return nil
		}
		inner := memory()
		fsys := &watched{FS: inner, sync: bad}
		if stays {
			fsys.remove = bad
		}
		l := open(t, filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes})
		long := func(seq uint64) appender.Record {
			rec := record(seq)
			rec.Message = strings.Repeat("x", 3000)
			return rec
		}
		store(t, l, long(1))
		var got []appender.Record
		var failures []error
		rounds, resume := make(chan struct{}), make(chan struct{})
		round := 0
		c := &stepper{sleep: func() error {
			rounds <- struct{}{}
			<-resume
			if round++; round > 5 {
				return context.Canceled
			}
			return nil
		}}
		go func() {
			defer close(rounds)
			for rec, err := range filelog.Read(ctx, inner, c, appender.Cursor{}, true) {
				if err != nil {
					failures = append(failures, err)
					continue
				}
				got = append(got, rec)
			}
		}()
		look := func() { resume <- struct{}{}; <-rounds }
		<-rounds
		if !stays { // the reader looks while the segment is there
			fsys.sync = func(name string) error {
				err := bad(name)
				if err != nil {
					look()
				}
				return err
			}
		}
		failing = true
		require.Error(t, l.Append(ctx, long(2)))
		if stays {
			look()
		}
		store(t, l, record(3)) // fits into the first
		look()
		failing = false
		store(t, l, long(4))
		for range 4 {
			if _, open := <-func() chan struct{} { resume <- struct{}{}; return rounds }(); !open {
				break
			}
		}
		require.Empty(t, failures)
		require.Equal(t, []appender.Record{long(1), record(3), long(4)}, got)
		require.NoError(t, l.Close())
	}
}

// stepped calls a function in front of every call that reads.
type stepped struct {
	filelog.FS
	call func()
}

func (s *stepped) List() ([]string, error) { s.call(); return s.FS.List() }

func (s *stepped) OpenRead(name string) (filelog.File, error) {
	s.call()
	f, err := s.FS.OpenRead(name)
	if err != nil {
		return nil, err
	}
	return &steppedFile{f, s}, nil
}

type steppedFile struct {
	filelog.File
	s *stepped
}

func (f *steppedFile) ReadAt(p []byte, off int64) (int, error) {
	f.s.call()
	return f.File.ReadAt(p, off)
}

// TestWhatIsWrittenWhileAReaderLooksIsNoDamage: between any two calls of a reader
// that follows, the log appends little or much, and retention may pass the reader.
// A reading of the log's own that does not follow ends where the log did.
func TestWhatIsWrittenWhileAReaderLooksIsNoDamage(t *testing.T) {
	t.Parallel()
	for _, o := range []filelog.Options{
		{SegmentBytes: 1 << 17}, // filled far ahead with zeros, which the reader looks through
		{SegmentBytes: filelog.MinSegmentBytes},
		{SegmentBytes: filelog.MinSegmentBytes, MaxRecords: 30},
		{SegmentBytes: filelog.MinSegmentBytes, MaxRecords: 30, Sync: filelog.SyncNever()},
	} {
		for _, many := range []uint64{40, 200} {
			for at := 1; at < 30; at++ {
				overtaken(t, o, "beside", many, at)
				if o.SegmentBytes == filelog.MinSegmentBytes { // else they take their time
					overtaken(t, o, "own", many, at)
					overtaken(t, o, "own, to the end", many, at)
				}
			}
		}
	}
}

// overtaken reads while many records are stored in front of the reader's call of
// that number, behind its first round if it follows.
func overtaken(t *testing.T, o filelog.Options, reader string, many uint64, at int) {
	what := fmt.Sprintf("%s: %s, retains %d, %d in front of call %d", reader, o.Sync, o.MaxRecords, many, at)
	disk := memory()
	calls, rounds, counting := 0, 0, false
	s := &stepped{FS: disk}
	o.FS = s
	e := env()
	n := uint64(0)
	var l *filelog.Log
	more := func(k uint64) {
		counting = false
		defer func() { counting = true }()
		for range k / 5 {
			store(t, l, records(n+1, n+5)...)
			n += 5
		}
	}
	s.call = func() {
		if !counting {
			return
		}
		if calls++; calls == at {
			more(many)
		}
	}
	c := &stepper{sleep: func() error {
		if rounds++; rounds == 1 {
			more(200)
		}
		if rounds > 8 {
			return context.Canceled
		}
		return nil
	}}
	e.Clock = c
	l, err := filelog.Open(ctx, o, e)
	require.NoError(t, err)
	more(20)
	counting = false
	newest := &n
	var seq func(func(appender.Record, error) bool)
	switch reader {
	case "beside":
		seq = filelog.Read(ctx, s, c, appender.Cursor{}, true)
	case "own":
		seq = l.Replay(ctx, appender.Cursor{}, true)
	default:
		more(200)
		end := n
		newest, seq = &end, l.Replay(ctx, appender.Cursor{}, false)
	}
	got, damage := gather(t, seq)
	counting = false
	require.Empty(t, damage, what)
	if reader != "own, to the end" || o.MaxRecords == 0 {
		require.NotEmpty(t, got, what)
		require.Equal(t, record(*newest), got[len(got)-1], what)
	}
	if len(got) > 0 {
		require.LessOrEqual(t, got[len(got)-1].Seq, *newest, what)
	}
	listen(t, got, nil)
	require.NoError(t, l.Close())
}
