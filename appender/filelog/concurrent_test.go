package filelog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// TestConcurrentWritersKeepTheirOrder: each one's records are there, in its
// order, and no others; batches stay together, and the counters add up.
func TestConcurrentWritersKeepTheirOrder(t *testing.T) {
	t.Parallel()
	for _, policy := range policies() {
		fsys := dir(t)
		l := open(t, filelog.Options{FS: fsys, Sync: policy, SegmentBytes: filelog.MinSegmentBytes})
		const writers, batches = 4, 12
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for b := range batches {
					recs := make([]appender.Record, 5)
					for i := range recs {
						recs[i] = appender.Record{Seq: uint64(5*b + i + 1), Node: fmt.Sprint("n", w), Message: "concurrently"}
					}
					if n, err := l.AppendBatch(ctx, recs); err != nil || n != len(recs) {
						t.Errorf("%d stored: %v", n, err)
					}
				}
			})
		}
		wg.Go(func() {
			for range batches {
				got, damage := gather(t, l.Replay(ctx, appender.Cursor{}, false))
				eachInOrder(t, got)
				if len(damage) > 0 {
					t.Error(damage)
				}
				end, durable := l.Position()
				if durable > end || l.Stats().Accepted > writers*batches*5 {
					t.Errorf("%d durable of %d, %+v", durable, end, l.Stats())
				}
				if err := l.Flush(ctx); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Wait()
		require.Equal(t, appender.Stats{Accepted: writers * batches * 5, Delivered: writers * batches * 5}, l.Stats())
		require.NoError(t, l.Close())
		l = open(t, filelog.Options{FS: fsys})
		got, damage := gather(t, l.Replay(ctx, appender.Cursor{}, false))
		require.Empty(t, damage)
		require.Len(t, got, writers*batches*5)
		eachInOrder(t, got)
		for i := 0; i < len(got); i += 5 {
			require.Equal(t, got[i].Node, got[i+4].Node, "a batch is torn apart")
		}
		require.NoError(t, l.Close())
	}
}

// eachInOrder checks that the records of a node are numbered from 1 without gaps.
func eachInOrder(t *testing.T, recs []appender.Record) {
	last := map[string]uint64{}
	for _, r := range recs {
		if last[r.Node]++; r.Seq != last[r.Node] {
			t.Errorf("%s: %d where %d comes next", r.Node, r.Seq, last[r.Node])
			return
		}
	}
}

// TestWritersThatWaitShareASync: while one writer's sync is on its way, seven
// others write. One more sync serves them all.
func TestWritersThatWaitShareASync(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var writes, syncs int
	allWritten := make(chan struct{})
	fsys := &watched{FS: dir(t)}
	l := open(t, filelog.Options{FS: fsys})
	store(t, l, record(1)) // the zeros that are filled in ahead are written
	fsys.write = func(string, []byte, int64) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		if writes++; writes == 8 {
			close(allWritten)
		}
		return 0, nil
	}
	fsys.sync = func(string) error {
		mu.Lock()
		syncs++
		mu.Unlock()
		<-allWritten
		return nil
	}
	var wg sync.WaitGroup
	for w := range uint64(8) {
		wg.Go(func() {
			if err := l.Append(ctx, record(2+w)); err != nil {
				t.Error(err)
			}
			if end, durable := l.Position(); durable == 0 || durable > end {
				t.Errorf("%d durable of %d", durable, end)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 8, writes)
	require.LessOrEqual(t, syncs, 2)
	end, durable := l.Position()
	require.Equal(t, []uint64{9, 9}, []uint64{end, durable})
	fsys.write, fsys.sync = nil, nil
	require.NoError(t, l.Close())
}

// TestWhatIsAskedForWhileTheDiskHangsIsAnswered: a sync hangs, and the log says
// all the same what it holds.
func TestWhatIsAskedForWhileTheDiskHangsIsAnswered(t *testing.T) {
	t.Parallel()
	hung, release := make(chan struct{}), make(chan struct{})
	fsys := &watched{FS: dir(t)}
	l := open(t, filelog.Options{FS: fsys, MaxRecords: 2})
	store(t, l, records(1, 3)...)
	fsys.sync = func(string) error { close(hung); <-release; return nil }
	done := make(chan error)
	go func() { done <- l.Append(ctx, record(4)) }()
	<-hung
	_, durable := l.Position()
	require.Equal(t, uint64(3), durable)
	require.Equal(t, uint64(3), l.Stats().Accepted)
	require.LessOrEqual(t, l.Dropped(), uint64(2))
	r := l.Recovery()
	require.True(t, r.Clean())
	got, damage := gather(t, l.Replay(ctx, appender.Cursor{}, false))
	require.Empty(t, damage)
	require.NotEmpty(t, got)
	close(release)
	require.NoError(t, <-done)
	fsys.sync = nil
	require.NoError(t, l.Close())
}

// TestWritersAreToldTheTruthByAFailingDisk: writers, and a close in their midst,
// on a disk whose syncs and creations fail by chance, and whose process is killed
// in the end. What was acknowledged is there, what was refused is not, whatever
// the others met.
func TestWritersAreToldTheTruthByAFailingDisk(t *testing.T) {
	t.Parallel()
	acked, refused, unknown := 0, 0, 0
	for seed := range uint64(60) {
		d := disk.New(disk.Options{Seed: seed})
		o := filelog.Options{FS: d.Mount(nil), SegmentBytes: filelog.MinSegmentBytes}
		l := open(t, o)
		heal := d.Inject(disk.Rule{Op: disk.OpSync, Kind: disk.Fail, Prob: 0.4})
		repair := d.Inject(disk.Rule{Op: disk.OpCreate, Kind: disk.Fail, Prob: 0.4})
		var mu sync.Mutex
		told := map[string]error{}
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := range uint64(20) {
					rec := appender.Record{Seq: i + 1, Node: fmt.Sprint("n", w), Message: "truth"}
					err := l.Append(ctx, rec)
					mu.Lock()
					told[fmt.Sprint(rec.Node, rec.Seq)] = err
					enough := len(told) == 50
					mu.Unlock()
					if enough {
						_ = l.Close()
					}
				}
			})
		}
		wg.Wait()
		d.Kill()
		o.FS = d.Mount(nil)
		heal()
		repair()
		l = open(t, o)
		there := map[string]int{}
		got, damage := gather(t, l.Replay(ctx, appender.Cursor{}, false))
		for _, rec := range got {
			there[fmt.Sprint(rec.Node, rec.Seq)]++
		}
		lost := uint64(0) // in the midst of what stayed, when a sync failed
		for _, d := range damage {
			lost += d.Records
		}
		unseen := uint64(0)
		for id, err := range told {
			switch n := there[id]; {
			case err == nil:
				acked++
				require.Equal(t, 1, n, "seed %d: %s was acknowledged", seed, id)
			case errors.Is(err, appender.ErrUnknownOutcome):
				unknown++
				require.LessOrEqual(t, n, 1, "seed %d: %s", seed, id)
				if n == 0 {
					unseen++
				}
			default:
				refused++
				require.Zero(t, n, "seed %d: %s was refused: %v", seed, id, err)
			}
			delete(there, id)
		}
		require.Empty(t, there)
		require.LessOrEqual(t, lost, unseen, "seed %d", seed)
		require.NoError(t, l.Close())
	}
	require.Positive(t, acked)
	require.Positive(t, refused)
	require.Positive(t, unknown)
}

// TestAReaderThatFollowsSeesEveryRecordOnce: in the process of the log and
// beside it, while segments come and go, and until its context ends.
func TestAReaderThatFollowsSeesEveryRecordOnce(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{true, false} {
		clock := new(appender.ManualClock)
		fsys := dir(t)
		e := env()
		e.Clock = clock
		l, err := filelog.Open(ctx, filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes, Sync: filelog.SyncEvery(64)}, e)
		require.NoError(t, err)
		store(t, l, records(1, 9)...)
		from := appender.Cursor{Incarnation: 1, Seq: 5}
		following, stop := context.WithCancel(ctx)
		seq := l.Replay(following, from, true)
		if !own {
			seq = filelog.Read(following, fsys, clock, from, true)
		}
		var mu sync.Mutex
		var got []appender.Record
		done := make(chan struct{})
		go func() {
			defer close(done)
			for rec, err := range seq {
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				got = append(got, rec)
				mu.Unlock()
			}
		}()
		// seen waits until the reader has caught up and sleeps.
		seen := func(n int) []appender.Record {
			for range 100 {
				clock.AwaitSleepers(1)
				mu.Lock()
				g := slices.Clone(got)
				mu.Unlock()
				if len(g) >= n {
					return g
				}
				clock.Advance(1 << 30)
			}
			return nil
		}
		require.Equal(t, records(5, 9), seen(5))
		for i := range uint64(30) {
			store(t, l, records(10+10*i, 19+10*i)...)
			if i%3 == 0 {
				require.Equal(t, records(5, 19+10*i), seen(int(15+10*i)))
			}
		}
		require.Equal(t, records(5, 309), seen(305))
		stop()
		<-done
		require.NoError(t, l.Close())
	}
}

// TestASecondOpenerIsRefused: in the same process, until the first has closed.
func TestASecondOpenerIsRefused(t *testing.T) {
	t.Parallel()
	fsys := dir(t)
	l := open(t, filelog.Options{FS: fsys})
	store(t, l, records(1, 3)...)
	for range 3 {
		_, err := filelog.Open(ctx, filelog.Options{FS: fsys}, env())
		require.ErrorIs(t, err, filelog.ErrLocked)
	}
	store(t, l, records(4, 6)...)
	require.NoError(t, l.Close())
	l = open(t, filelog.Options{FS: fsys})
	holds(t, l, records(1, 6))
	require.NoError(t, l.Close())
}
