package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// queueOp is one operation on a queue.
type queueOp struct {
	what  uint8  // below
	delay uint64 // of a push, after the earliest time allowed; of a pass, the limit
	count int    // how many pushes, or pops
}

const (
	opPush  = iota // count entries, delay apart from the last one's
	opPass         // pop what is due within delay, at most count entries
	opSweep        // drop every entry whose ref is a multiple of count+2
	opCount
)

// queueAgrees carries out ops on a queue and on a stably sorted slice, and
// says where they differ.
func queueAgrees(q *queue, ops []queueOp) error {
	var model []entry
	now, ref := uint64(0), uint32(0)
	for n, op := range ops {
		switch op.what {
		case opPush:
			for i := range op.count {
				ref++
				e := entry{time: now + min(op.delay*uint64(i%3+1)/2, math.MaxInt64-now), ref: ref}
				q.push(e)
				at, _ := slices.BinarySearchFunc(model, e.time+1, func(e entry, t uint64) int {
					if e.time < t {
						return -1
					}
					return 1
				})
				model = slices.Insert(model, at, e)
			}
		case opPass:
			limit := now + min(op.delay, math.MaxInt64-now)
			for range op.count {
				e, ok := q.peek(limit)
				want := len(model) > 0 && model[0].time <= limit
				if ok != want {
					return fmt.Errorf("op %d: peek(%d) = %v, model has %v", n, limit, ok, want)
				}
				if !ok {
					now = limit // as Run does, so that base may have moved up to it
					break
				}
				if e != model[0] {
					return fmt.Errorf("op %d: popped %v, model has %v", n, e, model[0])
				}
				q.pop()
				model = model[1:]
				now = e.time
			}
		case opSweep:
			keep := func(e entry) bool { return e.ref%uint32(op.count+2) != 0 }
			q.sweep(keep)
			model = slices.DeleteFunc(model, func(e entry) bool { return !keep(e) })
		}
		if q.n != len(model) {
			return fmt.Errorf("op %d: %d entries, model has %d", n, q.n, len(model))
		}
	}
	for _, want := range model {
		e, ok := q.peek(math.MaxInt64)
		if !ok || e != want {
			return fmt.Errorf("at the end: popped %v (%v), model has %v", e, ok, want)
		}
		q.pop()
	}
	return nil
}

func drawQueueOps(t *rapid.T) []queueOp {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) queueOp {
		return queueOp{
			what:  rapid.Uint8Range(0, opCount-1).Draw(t, "op"),
			delay: rapid.Uint64Range(0, 1<<rapid.IntRange(0, 63).Draw(t, "magnitude")-1).Draw(t, "delay"),
			count: rapid.IntRange(0, 60).Draw(t, "count"),
		}
	}), 1, 60).Draw(t, "ops")
}

func TestQueueAgreesWithASortedSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		require.NoError(t, queueAgrees(&q, drawQueueOps(t)))
	})
}

func TestQueueResetIsLikeNew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		for _, op := range drawQueueOps(t) {
			for i := range op.count {
				q.push(entry{time: q.base + min(op.delay, math.MaxInt64-q.base), ref: uint32(i)})
			}
			if e, ok := q.peek(q.base + op.delay/2); ok && e.time >= q.base {
				q.pop()
			}
		}
		q.reset()
		require.Zero(t, q.n)
		require.NoError(t, queueAgrees(&q, drawQueueOps(t)))
	})
}

// streamOps draws operations from a stream, for tests that need a failure.
func streamOps(s *Stream) []queueOp {
	ops := make([]queueOp, 1+s.Next().Below(40))
	for i := range ops {
		ops[i] = queueOp{
			what:  uint8(s.Next().Below(opCount)),
			delay: s.Next().Below(1 << s.Next().Below(40)),
			count: int(s.Next().Below(20)),
		}
	}
	return ops
}

func TestQueuePropertyNoticesTiesInReverse(t *testing.T) {
	s := NewStream(1, "test", 0, 0)
	for range 1000 {
		if queueAgrees(&queue{lifo: true}, streamOps(&s)) != nil {
			return
		}
	}
	t.Fatal("1,000 runs of a queue that breaks ties in reverse went unnoticed")
}

// TestQueueOpensFewEntriesAtATime bounds the sorting behind an entry, and the
// memory, whatever is pending: that is why cost does not grow with their number.
func TestQueueOpensFewEntriesAtATime(t *testing.T) {
	for _, pending := range []int{10, 10_000, 300_000} {
		s := NewStream(2, "test", 0, 0)
		var q queue
		for i := range pending {
			q.push(entry{time: s.Next().Below(1e9), ref: uint32(i)})
		}
		for range pending {
			if _, ok := q.peek(1e9); !ok || len(q.front) > openMax {
				t.Fatalf("%d pending: %v, %d opened", pending, ok, len(q.front))
			}
			q.pop()
		}
		chunks := 0
		for c := q.free; c != nil; c = c.next {
			chunks++
		}
		require.LessOrEqual(t, chunks, pending/chunkSize+levels*slotCount)
	}
}
