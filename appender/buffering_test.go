package appender

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// buffer is what the properties see of a Buffering, so that they can judge
// broken ones too.
type buffer interface {
	Appender
	BatchAppender
	Capturer
	Captured() []Record
	Dropped() uint64
	Statser
	Close() error
}

func newBuffer(capacity int) buffer { return NewBuffering(capacity) }

// bufferOp is one call; n records are its argument where it takes some.
type bufferOp struct {
	kind string
	n    int
}

type bufferScript struct {
	capacity int
	ops      []bufferOp
}

var bufferScripts = rapid.Custom(func(t *rapid.T) bufferScript {
	kinds := []string{"append", "append", "batch", "batch", "cancelled", "cancelled-batch", "scribble"}
	s := bufferScript{
		capacity: rapid.IntRange(-1, 24).Draw(t, "capacity"),
		ops: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) bufferOp {
			return bufferOp{rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.IntRange(0, 20).Draw(t, "n")}
		}), 1, 30).Draw(t, "ops"),
	}
	if rapid.Bool().Draw(t, "close") {
		s.ops = append(s.ops, bufferOp{"close", 0}, bufferOp{"append", 2}, bufferOp{"batch", 2}, bufferOp{"close", 0})
	}
	return s
})

// bufferAgreesWithModel runs the script on a buffer and on its specification: of
// n appended, the last min(n, max(capacity, 1)) are held, the rest dropped.
func bufferAgreesWithModel(s bufferScript, mk func(capacity int) buffer) error {
	b, all, closed := mk(s.capacity), []Record(nil), false
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for i, op := range s.ops {
		recs := make([]Record, op.n)
		for j := range recs {
			recs[j] = Record{Seq: uint64(len(all) + j + 1), Node: "n1"}
		}
		var err error
		switch op.kind {
		case "append":
			err = bufferAppend(b, recs, closed, context.Background())
		case "batch":
			n, e := b.AppendBatch(context.Background(), slices.Clone(recs))
			if err = refusal(e, closed && op.n > 0, ErrClosed); err == nil && !closed && n != op.n {
				err = fmt.Errorf("AppendBatch stored %d of %d without an error", n, op.n)
			}
		case "cancelled":
			err = refusal(b.Append(cancelled, Record{Seq: 1 << 40}), true, context.Canceled)
		case "cancelled-batch":
			_, e := b.AppendBatch(cancelled, recs)
			err = refusal(e, true, context.Canceled)
		case "scribble":
			// What was captured is the caller's: writing to it must not show.
			mine := b.Captured()
			for j := range mine {
				mine[j] = Record{Message: "scribbled"}
			}
		case "close":
			closed, err = true, b.Close()
		}
		if !closed && (op.kind == "append" || op.kind == "batch") {
			all = append(all, recs...)
		}
		if err == nil {
			err = bufferHolds(b, all, max(s.capacity, 1))
		}
		if err != nil {
			return fmt.Errorf("capacity %d, op %d, %v: %w", s.capacity, i, op, err)
		}
	}
	return nil
}

func bufferAppend(b buffer, recs []Record, closed bool, ctx context.Context) error {
	for _, r := range recs {
		if err := refusal(b.Append(ctx, r), closed, ErrClosed); err != nil {
			return err
		}
	}
	return nil
}

// refusal checks that a call failed with want if it had to, and only then.
func refusal(err error, must bool, want error) error {
	if must && !errors.Is(err, want) {
		return fmt.Errorf("got %w, want an error that is %w", err, want)
	}
	if !must && err != nil {
		return err
	}
	return nil
}

func bufferHolds(b buffer, all []Record, capacity int) error {
	want := all[max(len(all)-capacity, 0):]
	dropped := uint64(len(all) - len(want))
	held := b.Captured()
	if !slices.Equal(held, want) {
		return fmt.Errorf("holds %v, want %v", held, want)
	}
	prefix := []Record{{Seq: 99}}
	if got := b.CapturedInto(prefix); !slices.Equal(got, append(prefix, want...)) {
		return fmt.Errorf("CapturedInto = %v, want %v behind %v", got, want, prefix)
	}
	stats := Stats{Accepted: uint64(len(all)), Dropped: dropped, Depth: len(want)}
	if b.Dropped() != dropped || b.Stats() != stats {
		return fmt.Errorf("dropped %d, stats %+v; want %+v", b.Dropped(), b.Stats(), stats)
	}
	return nil
}

func TestBufferingHoldsTheLastOfWhatWasAppended(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := bufferAgreesWithModel(bufferScripts.Draw(t, "script"), newBuffer); err != nil {
			t.Fatal(err)
		}
	})
}

// bufferIsConsistentUnderWriters has writers append their own numbered chains
// while a reader captures. Every snapshot must be one moment: per writer a run
// without gaps that reaches at least to what was acknowledged before, never
// more than the capacity, never going back. The totals must be exact.
func bufferIsConsistentUnderWriters(mk func(int) buffer, capacity, writers int) error {
	const snapshots, least = 50, 2000
	b := mk(capacity)
	acked := make([]atomic.Uint64, writers)
	errs := make([]error, writers)
	var enough atomic.Bool
	var wg sync.WaitGroup
	for w := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			node := strconv.Itoa(w)
			for seq := uint64(1); errs[w] == nil && (seq <= least || !enough.Load()); seq++ {
				errs[w] = b.Append(context.Background(), Record{Seq: seq, Node: node})
				acked[w].Store(seq)
			}
		}()
	}
	violation := observeWriters(b, capacity, acked, snapshots)
	enough.Store(true)
	wg.Wait()
	var total uint64
	for w := range acked {
		total += acked[w].Load()
	}
	held := b.Captured()
	if want := (Stats{Accepted: total, Dropped: total - uint64(capacity), Depth: capacity}); b.Stats() != want {
		violation = errors.Join(violation, fmt.Errorf("at rest %+v, want %+v", b.Stats(), want))
	}
	return errors.Join(violation, errors.Join(errs...), chainsHaveNoGaps(held, make([]uint64, writers)))
}

func observeWriters(b buffer, capacity int, acked []atomic.Uint64, snapshots int) error {
	var dropped uint64
	before := make([]uint64, len(acked))
	var dst []Record
	for range snapshots {
		for w := range acked {
			before[w] = acked[w].Load()
		}
		if dst = b.CapturedInto(dst[:0]); len(dst) > capacity {
			return fmt.Errorf("%d records held, capacity %d", len(dst), capacity)
		}
		if err := chainsHaveNoGaps(dst, before); err != nil {
			return err
		}
		d := b.Dropped()
		if d < dropped {
			return fmt.Errorf("dropped went from %d back to %d", dropped, d)
		}
		dropped = d
		if s := b.Stats(); s.Accepted != s.Dropped+uint64(s.Depth) {
			return fmt.Errorf("torn stats %+v", s)
		}
	}
	return nil
}

// chainsHaveNoGaps checks that each writer's records are consecutive and, if
// there are any, end no earlier than before[writer].
func chainsHaveNoGaps(recs []Record, before []uint64) error {
	last := make([]uint64, len(before))
	for _, r := range recs {
		w, err := strconv.Atoi(r.Node)
		if err != nil {
			return err
		}
		if last[w] != 0 && r.Seq != last[w]+1 {
			return fmt.Errorf("writer %d: record %d follows %d in one snapshot", w, r.Seq, last[w])
		}
		last[w] = r.Seq
	}
	for w, seq := range last {
		if seq != 0 && seq < before[w] {
			return fmt.Errorf("writer %d: snapshot ends at %d, %d was acknowledged before", w, seq, before[w])
		}
	}
	return nil
}

func TestBufferingIsConsistentUnderConcurrentWriters(t *testing.T) {
	for _, capacity := range []int{1, 64, 1000} {
		for _, writers := range []int{1, 4} {
			require.NoError(t, bufferIsConsistentUnderWriters(newBuffer, capacity, writers))
		}
	}
}

func TestConcurrentBatchesStayTogether(t *testing.T) {
	const writers, batches, size = 4, 50, 8
	b := NewBuffering(writers * batches * size)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range batches {
				batch := make([]Record, size)
				for j := range batch {
					batch[j] = Record{Seq: uint64(i*size + j + 1), Daemon: uint64(w)}
				}
				if n, err := b.AppendBatch(context.Background(), batch); n != size || err != nil {
					t.Errorf("stored %d: %v", n, err)
				}
			}
		}()
	}
	wg.Wait()
	held := b.Captured()
	require.Len(t, held, writers*batches*size)
	for batch := range slices.Chunk(held, size) {
		for j, r := range batch {
			require.Equal(t, batch[0].Daemon, r.Daemon)
			require.Equal(t, batch[0].Seq+uint64(j), r.Seq)
		}
	}
}

func TestLaterAppendsDoNotChangeASnapshot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBuffering(rapid.IntRange(1, 20).Draw(t, "capacity"))
		seq := uint64(0)
		fill := func(n int) {
			for range n {
				seq++
				require.NoError(t, b.Append(context.Background(), Record{Seq: seq}))
			}
		}
		fill(rapid.IntRange(0, 40).Draw(t, "before"))
		snapshot := b.Captured()
		was := slices.Clone(snapshot)
		fill(rapid.IntRange(1, 40).Draw(t, "after"))
		require.Equal(t, was, snapshot)
	})
}

func TestZeroBufferingHasTheDefaultCapacity(t *testing.T) {
	var b Buffering
	require.Empty(t, b.Captured())
	recs := make([]Record, BufferingCapacity+3)
	for i := range recs {
		recs[i].Seq = uint64(i + 1)
	}
	n, err := b.AppendBatch(context.Background(), recs)
	require.NoError(t, err)
	require.Equal(t, len(recs), n)
	require.Equal(t, uint64(3), b.Dropped())
	require.Equal(t, recs[3:], b.Captured())

	var closed Buffering
	require.NoError(t, closed.Close())
	require.ErrorIs(t, closed.Append(context.Background(), Record{}), ErrClosed)
}

func TestBufferingMemoryGrowsWithUseNotWithCapacity(t *testing.T) {
	b := NewBuffering(1 << 30)
	require.Zero(t, cap(b.ring.buf))
	for i := range 1000 {
		require.NoError(t, b.Append(context.Background(), Record{}))
		require.LessOrEqual(t, cap(b.ring.buf), max(ringMin, 2*(i+1)))
	}
}

func TestBufferingAppendAtCapacityDoesNotAllocate(t *testing.T) {
	ctx, rec := context.Background(), benchRecord()
	b := full(t, 100)
	a := seam(b)
	require.Zero(t, testing.AllocsPerRun(1000, func() { _ = a.Append(ctx, rec) }))
	batch := make([]Record, 32)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = AppendBatch(ctx, a, batch) }))
	dst := make([]Record, 0, 100)
	require.Zero(t, testing.AllocsPerRun(100, func() { dst = b.CapturedInto(dst[:0]) }))
	require.Len(t, dst, 100)
}

func TestRefusedRecordsAreNamed(t *testing.T) {
	b := NewBuffering(1)
	require.NoError(t, b.Close())
	err := b.Append(context.Background(), Record{Node: "n3", Seq: 7})
	var ae *AppendError
	require.ErrorAs(t, err, &ae)
	require.Equal(t, AppendError{Sink: "buffering", Node: "n3", Seq: 7, Err: ErrClosed}, *ae)
	require.EqualError(t, err, "buffering: append n3#7: appender: closed")
	require.NotErrorIs(t, err, ErrUnknownOutcome)
}

func TestNoOpAcceptsAllButTheCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	a := seam(NoOp{})
	require.NoError(t, a.Append(ctx, Record{}))
	n, err := AppendBatch(ctx, a, make([]Record, 5))
	require.NoError(t, err)
	require.Equal(t, 5, n)
	require.NoError(t, Flush(ctx, a))
	require.NoError(t, Close(a))
	cancel()
	require.ErrorIs(t, a.Append(ctx, Record{}), context.Canceled)
	n, err = AppendBatch(ctx, a, make([]Record, 5))
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, n)
}
