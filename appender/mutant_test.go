package appender

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// The properties of this package are functions of what they judge, and here
// they judge broken things: a property that no mutant trips proves nothing.
// A mutant is the real thing with one behaviour replaced, put in place by the
// constructor that the property is given, so the shipped code pays no branch
// for being testable.

type dropsNewest struct{ soundRing }

func (r dropsNewest) Push(v uint64) (uint64, bool) {
	if r.Len() == r.Cap() {
		r.dropped++
		return v, true
	}
	return r.Ring.Push(v)
}

type forgetsToCount struct{ soundRing }

func (r forgetsToCount) Push(v uint64) (uint64, bool) {
	evicted, dropped := r.Ring.Push(v)
	r.dropped = 0
	return evicted, dropped
}

type countsDiscards struct{ soundRing }

func (r countsDiscards) Discard(n int) int {
	n = r.Ring.Discard(n)
	r.dropped += uint64(n)
	return n
}

type returnsTheNewcomer struct{ soundRing }

func (r returnsTheNewcomer) Push(v uint64) (uint64, bool) {
	if _, dropped := r.Ring.Push(v); dropped {
		return v, true
	}
	return 0, false
}

type popsNewest struct{ soundRing }

func (r popsNewest) Pop() (uint64, bool) {
	if r.n == 0 {
		return 0, false
	}
	v := r.At(r.n - 1)
	*r.Ptr(r.n - 1) = 0
	if r.n--; r.n == 0 {
		r.head = 0
	}
	return v, true
}

type retainsPopped struct{ soundRing }

func (r retainsPopped) Pop() (uint64, bool) {
	at := r.head
	v, ok := r.Ring.Pop()
	if ok {
		r.buf[at] = v
	}
	return v, ok
}

type copiesUnwound struct{ soundRing }

func (r copiesUnwound) AppendTo(dst []uint64) []uint64 { return append(dst, r.buf[:r.n]...) }

type clearsTheCount struct{ soundRing }

func (r clearsTheCount) Clear() { r.Ring.Clear(); r.dropped = 0 }

func TestRingPropertyFailsForEveryBrokenRing(t *testing.T) {
	sound := func(capacity int) soundRing { return soundRing{NewRing[uint64](capacity)} }
	for name, mk := range map[string]func(int) ring{
		"drops the newest":           func(c int) ring { return dropsNewest{sound(c)} },
		"holds one too many":         func(c int) ring { return sound(max(c, 1) + 1) },
		"holds one too few":          func(c int) ring { return sound(c - 1) },
		"does not count":             func(c int) ring { return forgetsToCount{sound(c)} },
		"counts discards as dropped": func(c int) ring { return countsDiscards{sound(c)} },
		"evicts in name only":        func(c int) ring { return returnsTheNewcomer{sound(c)} },
		"pops the newest":            func(c int) ring { return popsNewest{sound(c)} },
		"retains what was popped":    func(c int) ring { return retainsPopped{sound(c)} },
		"copies in slot order":       func(c int) ring { return copiesUnwound{sound(c)} },
		"clears the drop count":      func(c int) ring { return clearsTheCount{sound(c)} },
		"allocates its capacity": func(c int) ring {
			r := sound(c)
			r.buf = make([]uint64, r.Cap())
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, tripped(func(seed int) error {
				return ringAgreesWithModel(ringScripts.Example(seed), mk)
			}))
		})
	}
}

// tripped is the first error that a property gives for the drawn inputs.
func tripped(property func(seed int) error) error {
	for seed := range 200 {
		if err := property(seed); err != nil {
			return err
		}
	}
	return nil
}

type bufferDropsNewest struct{ *Buffering }

func (b bufferDropsNewest) Append(ctx context.Context, rec Record) error {
	b.mu.Lock()
	if b.ring.Len() == b.ring.Cap() {
		b.ring.dropped++
		b.accepted++
		b.mu.Unlock()
		return nil
	}
	b.mu.Unlock()
	return b.Buffering.Append(ctx, rec)
}

type bufferForgetsDrops struct{ *Buffering }

func (b bufferForgetsDrops) Dropped() uint64 { return min(b.Buffering.Dropped(), 1) }

type bufferStoresCancelled struct{ *Buffering }

func (b bufferStoresCancelled) Append(ctx context.Context, rec Record) error {
	if err := b.Buffering.Append(context.WithoutCancel(ctx), rec); err != nil {
		return err
	}
	return ctx.Err()
}

type bufferStoresAfterClose struct{ *Buffering }

func (b bufferStoresAfterClose) Close() error { return nil }

type bufferReversesBatches struct{ *Buffering }

func (b bufferReversesBatches) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	for i := range recs {
		if err := b.Append(ctx, recs[len(recs)-1-i]); err != nil {
			return i, err
		}
	}
	return len(recs), nil
}

type bufferAliases struct{ *Buffering }

func (b bufferAliases) Captured() []Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ring.head == 0 {
		return b.ring.buf[:b.ring.n]
	}
	return b.ring.AppendTo(nil)
}

func TestBufferingPropertyFailsForEveryBrokenBuffer(t *testing.T) {
	for name, mk := range map[string]func(int) buffer{
		"drops the newest":     func(c int) buffer { return bufferDropsNewest{NewBuffering(c)} },
		"holds one too many":   func(c int) buffer { return NewBuffering(max(c, 1) + 1) },
		"holds one too few":    func(c int) buffer { return NewBuffering(c - 1) },
		"forgets drops":        func(c int) buffer { return bufferForgetsDrops{NewBuffering(c)} },
		"stores the cancelled": func(c int) buffer { return bufferStoresCancelled{NewBuffering(c)} },
		"stores after close":   func(c int) buffer { return bufferStoresAfterClose{NewBuffering(c)} },
		"reverses batches":     func(c int) buffer { return bufferReversesBatches{NewBuffering(c)} },
		"shares its memory":    func(c int) buffer { return bufferAliases{NewBuffering(c)} },
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, tripped(func(seed int) error {
				return bufferAgreesWithModel(bufferScripts.Example(seed), mk)
			}))
		})
	}
}

// tornBuffer copies its halves at two moments, between which a writer gets in.
type tornBuffer struct{ *Buffering }

func (b tornBuffer) CapturedInto(dst []Record) []Record {
	b.mu.Lock()
	half := b.ring.Len() / 2
	for i := range half {
		dst = append(dst, b.ring.At(i))
	}
	before := b.accepted
	b.mu.Unlock()
	// Writers go on until they saw enough snapshots, so one more record comes.
	for b.Stats().Accepted < before+2 {
		runtime.Gosched()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := half; i < b.ring.Len(); i++ {
		dst = append(dst, b.ring.At(i))
	}
	return dst
}

// lossyBuffer loses every hundredth record.
type lossyBuffer struct{ *Buffering }

func (b lossyBuffer) Append(ctx context.Context, rec Record) error {
	if rec.Seq%100 == 0 {
		return nil
	}
	return b.Buffering.Append(ctx, rec)
}

// swappingBuffer lets a writer's records overtake each other.
type swappingBuffer struct{ *Buffering }

func (b swappingBuffer) Append(ctx context.Context, rec Record) error {
	if rec.Seq%2 == 1 {
		rec.Seq++
	} else {
		rec.Seq--
	}
	return b.Buffering.Append(ctx, rec)
}

func TestConcurrencyPropertyFailsForEveryBrokenBuffer(t *testing.T) {
	for name, mk := range map[string]func(int) buffer{
		"torn snapshot":         func(c int) buffer { return tornBuffer{NewBuffering(c)} },
		"loses records":         func(c int) buffer { return lossyBuffer{NewBuffering(c)} },
		"reorders one's writes": func(c int) buffer { return swappingBuffer{NewBuffering(c)} },
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, bufferIsConsistentUnderWriters(mk, 64, 2))
		})
	}
}
