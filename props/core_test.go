package props_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/props"
	"meshsim/sim/trace"
)

// TestARingHoldsTheLastOfWhatWasPushed: whatever is pushed and taken, a ring is
// a queue that forgets its oldest, and counts what it forgot.
func TestARingHoldsTheLastOfWhatWasPushed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(-1, 40).Draw(t, "capacity")
		r := appender.NewRing[int](capacity)
		capacity = max(capacity, 1)
		var held []int
		var dropped uint64
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 50).Draw(t, "n") {
					evicted, full := r.Push(next)
					held = append(held, next)
					next++
					require.Equal(t, len(held) > capacity, full)
					if full {
						require.Equal(t, held[0], evicted)
						held = held[1:]
						dropped++
					}
				}
			},
			"pop": func(t *rapid.T) {
				v, ok := r.Pop()
				require.Equal(t, len(held) > 0, ok)
				if ok {
					require.Equal(t, held[0], v)
					held = held[1:]
				}
			},
			"discard": func(t *rapid.T) {
				n := rapid.IntRange(0, 50).Draw(t, "n")
				got := r.Discard(n)
				require.Equal(t, min(n, len(held)), got)
				held = held[got:]
			},
			"pop into": func(t *rapid.T) {
				dst := make([]int, rapid.IntRange(0, 50).Draw(t, "n"))
				n := r.PopInto(dst)
				require.Equal(t, min(len(dst), len(held)), n)
				require.Equal(t, append([]int{}, held[:n]...), append([]int{}, dst[:n]...))
				held = held[n:]
			},
			"": func(t *rapid.T) {
				require.Equal(t, append([]int{-7}, held...), r.AppendTo([]int{-7}))
				require.Equal(t, len(held), r.Len())
				require.LessOrEqual(t, r.Len(), capacity)
				require.Equal(t, dropped, r.Dropped())
			},
		})
	})
}

// TestBufferingKeepsTheLastAndCountsTheRest is fifo-drop for the final buffer:
// of k records a buffer of capacity c holds exactly the last min(k, c).
func TestBufferingKeepsTheLastAndCountsTheRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.IntRange(-1, 50).Draw(t, "capacity")
		b := appender.NewBuffering(c)
		c = max(c, 1)
		k := 0
		for _, n := range rapid.SliceOf(rapid.IntRange(0, 60)).Draw(t, "batches") {
			recs := make([]appender.Record, n)
			for i := range recs {
				recs[i].Seq = uint64(k + i + 1)
			}
			var err error
			if n == 1 {
				err = b.Append(context.Background(), recs[0])
			} else {
				_, err = b.AppendBatch(context.Background(), recs)
			}
			require.NoError(t, err)
			k += n
			held := b.Captured()
			require.Len(t, held, min(k, c))
			for i := range held {
				require.Equal(t, uint64(k-len(held)+i+1), held[i].Seq)
			}
			require.Equal(t, uint64(max(0, k-c)), b.Dropped())
		}
	})
}

// TestBufferingIsOneMomentWhoeverReads: while one goroutine appends, what others
// capture is contiguous, ends no earlier than what they saw before, and agrees
// with itself after the fact.
func TestBufferingIsOneMomentWhoeverReads(t *testing.T) {
	const capacity, total, readers = 64, 20_000, 3
	b := appender.NewBuffering(capacity)
	var wg sync.WaitGroup
	errs := make(chan error, readers)
	for range readers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs <- read(b, capacity, total)
		}()
	}
	for seq := range uint64(total) {
		require.NoError(t, b.Append(context.Background(), appender.Record{Seq: seq + 1}))
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

func read(b *appender.Buffering, capacity int, total uint64) error {
	var last, dropped uint64
	for last < total {
		before := b.Dropped()
		if before < dropped {
			return fmt.Errorf("dropped went from %d to %d", dropped, before)
		}
		dropped = before
		held := b.Captured()
		for i := 1; i < len(held); i++ {
			if held[i].Seq != held[i-1].Seq+1 {
				return fmt.Errorf("torn between %d and %d", held[i-1].Seq, held[i].Seq)
			}
		}
		if n := len(held); n > 0 {
			if held[n-1].Seq < last || n > capacity {
				return fmt.Errorf("%d records up to %d after %d", n, held[n-1].Seq, last)
			}
			last = held[n-1].Seq
		}
	}
	return nil
}

// script draws inputs of the counting model.
func script() *rapid.Generator[[]loop.Folded] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) loop.Folded {
		f := loop.Folded{Call: rapid.SampledFrom([]loop.Call{loop.CallStep, loop.CallLog, loop.CallTick}).Draw(t, "call")}
		f.In.WallMs = rapid.Uint64().Draw(t, "wall")
		f.In.Msg = rapid.SampledFrom([]any{ping{1}, "refuse", nil}).Draw(t, "message")
		f.Line.Message = rapid.StringN(0, 8, -1).Draw(t, "line")
		return f
	}), 1, 200)
}

// TestALoopDoesNotDependOnItsAppender: whatever is settled, in whatever order
// and with whatever outcome, the shadow agrees, the ring is the last of what was
// logged, and snapshots are whole.
func TestALoopDoesNotDependOnItsAppender(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShadowed(nil, props.NonInterference, props.FIFODrop, props.Snapshot)
		for _, f := range script().Draw(t, "script") {
			s.fold(f, nil)
			for n := rapid.IntRange(0, 2).Draw(t, "settlements"); n > 0 && s.loop.Stats().Records > 0; n-- {
				seq := rapid.Uint64Range(1, s.loop.Stats().Records).Draw(t, "record")
				o := rapid.SampledFrom([]appender.Outcome{appender.Appended, appender.Failed, appender.Unknown, appender.Lost}).Draw(t, "outcome")
				s.settleAs(seq, o)
			}
			require.NoError(t, s.err)
		}
	})
}

// TestChainPendingIsTrueUntilAcknowledged is the ring's flag by a model of one
// set: pending is what was never acknowledged.
func TestChainPendingIsTrueUntilAcknowledged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := loop.New(&counting{}, loop.Options{Ring: rapid.IntRange(1, 20).Draw(t, "ring")})
		acked := map[uint64]bool{}
		for _, o := range rapid.SliceOf(rapid.IntRange(0, appender.NumOutcomes-1)).Draw(t, "outcomes") {
			l.Log(time.Second, 1, loop.LogLine{})
			l.Advance()
			if o := appender.Outcome(o); o != appender.Pending {
				seq := rapid.Uint64Range(1, l.Stats().Records).Draw(t, "record")
				l.Settle(seq, o)
				acked[seq] = acked[seq] || o == appender.Appended
			}
			for _, e := range l.Capture().Log {
				require.Equal(t, !acked[e.Record.Seq], e.ChainPending)
			}
		}
	})
}

// TestCheckersTakeAnyStream: no stream of events, however senseless, makes a
// checker panic, loop for ever, or grow without bound.
func TestCheckersTakeAnyStream(t *testing.T) {
	event := rapid.Custom(func(t *rapid.T) trace.Event {
		number := rapid.OneOf(rapid.Uint64Range(0, 6), rapid.Uint64())
		return trace.Event{
			Kind:        trace.Kind(rapid.IntRange(1, trace.NumKinds-1).Draw(t, "kind")),
			Outcome:     uint8(rapid.IntRange(0, 7).Draw(t, "outcome")),
			Result:      trace.Result(rapid.IntRange(0, 7).Draw(t, "result")),
			Node:        uint32(rapid.IntRange(0, 3).Draw(t, "node")),
			Incarnation: uint32(rapid.IntRange(0, 3).Draw(t, "incarnation")),
			Attempt:     uint32(rapid.IntRange(0, 4).Draw(t, "attempt")),
			Actor:       uint32(rapid.IntRange(0, 7).Draw(t, "actor")),
			Epoch:       number.Draw(t, "epoch"), Seq: number.Draw(t, "seq"),
			Count: number.Draw(t, "count"), Cap: number.Draw(t, "cap"),
			Deadline: time.Duration(rapid.IntRange(0, 1e9).Draw(t, "deadline")),
			Delay:    time.Duration(rapid.IntRange(0, 1e9).Draw(t, "delay")),
			Ledger:   &trace.Ledger{},
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(event, 1, 100).Draw(t, "events")
		for i := range events {
			events[i].Time = time.Duration(i) * 10 * time.Millisecond
		}
		for _, mk := range append(props.All(), props.Sometimes("any", nil)) {
			_ = judgeBy(mk(), events, time.Hour)
		}
	})
}
