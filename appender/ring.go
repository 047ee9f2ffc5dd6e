package appender

import (
	"fmt"
	"iter"
	"reflect"
)

// ringMin is how many slots a ring starts with, capacity permitting.
const ringMin = 8

// Ring is a bounded first-in, first-out queue that makes room by dropping its
// oldest element. Push and Pop cost O(1), amortised over growth, and allocate
// nothing once the ring has grown to what it is used for: memory follows use
// (at most twice the largest length so far), not capacity, and is kept until
// the ring itself goes. A slot that was popped is zeroed, so the ring keeps
// nothing alive but what it holds.
//
// The zero Ring is empty and has capacity 1. A Ring must not be used by two
// goroutines at once, and must not be copied after its first Push.
type Ring[T any] struct {
	buf  []T // the slots there are; their number only grows, up to the capacity
	head int // the slot of the oldest element
	n    int // the number of elements
	// last is the capacity less one, which makes the zero Ring a valid one.
	last    int
	dropped uint64
}

// NewRing returns an empty ring that holds at most capacity elements. A
// capacity below 1 counts as 1. Nothing is allocated until the first Push.
func NewRing[T any](capacity int) *Ring[T] {
	r := new(Ring[T])
	r.init(capacity)
	return r
}

func (r *Ring[T]) init(capacity int) { r.last = max(capacity, 1) - 1 }

// Push adds v as the newest element. In a full ring it takes the place of the
// oldest, which is counted, and returned with dropped set.
func (r *Ring[T]) Push(v T) (evicted T, dropped bool) {
	full := r.n > r.last
	slot := r.claim()
	if full {
		evicted = *slot
	}
	*slot = v
	return evicted, full
}

// claim makes the newest element's slot and returns it for the caller to fill.
// Of a full ring it is the oldest element's, still holding that element. It is
// apart from Push for callers that have no use for the evicted element: not
// copying it out saves Buffering about a sixth of an append.
func (r *Ring[T]) claim() *T {
	if r.n > r.last {
		slot := &r.buf[r.head]
		if r.head++; r.head == len(r.buf) {
			r.head = 0
		}
		r.dropped++
		return slot
	}
	if r.n == len(r.buf) {
		r.grow()
	}
	r.n++
	return &r.buf[r.slot(r.n-1)]
}

// grow doubles the slots, up to the capacity, and unwinds the elements to the
// beginning of them.
func (r *Ring[T]) grow() {
	size := max(ringMin, 2*len(r.buf))
	buf := make([]T, min(size, r.last+1))
	r.copyTo(buf)
	r.buf, r.head = buf, 0
}

// slot is the index of the i-th oldest element in buf. A branch is as fast as
// a mask here and lets the capacity be any number.
func (r *Ring[T]) slot(i int) int {
	i += r.head
	if i >= len(r.buf) {
		i -= len(r.buf)
	}
	return i
}

// Pop removes the oldest element and returns it; ok is false when there is none.
func (r *Ring[T]) Pop() (v T, ok bool) {
	if r.n == 0 {
		return v, false
	}
	var zero T
	v, r.buf[r.head] = r.buf[r.head], zero
	if r.head++; r.head == len(r.buf) || r.n == 1 {
		r.head = 0
	}
	r.n--
	return v, true
}

// PopInto removes the min(len(dst), Len()) oldest elements, copies them to dst,
// oldest first, and returns how many they were.
func (r *Ring[T]) PopInto(dst []T) int {
	return r.Discard(r.copyTo(dst))
}

// Discard removes the min(n, Len()) oldest elements and returns how many they
// were. They do not count as dropped: the caller asked for it.
func (r *Ring[T]) Discard(n int) int {
	n = min(max(n, 0), r.n)
	first := min(n, len(r.buf)-r.head)
	clear(r.buf[r.head : r.head+first])
	clear(r.buf[:n-first])
	if r.n -= n; r.n == 0 {
		// An empty ring starts over: a queue that is drained often stays in
		// the few slots that are warm in the cache.
		r.head = 0
	} else {
		r.head = r.slot(n)
	}
	return n
}

// Clear removes all elements. They do not count as dropped, Dropped stays as it
// is, and the memory is kept.
func (r *Ring[T]) Clear() { r.Discard(r.n) }

// Front returns the oldest element; ok is false when there is none.
func (r *Ring[T]) Front() (v T, ok bool) {
	if r.n == 0 {
		return v, false
	}
	return r.buf[r.head], true
}

// At returns the i-th oldest element, 0 <= i < Len(). Any other i panics.
func (r *Ring[T]) At(i int) T { return *r.Ptr(i) }

// Ptr points at the i-th oldest element, 0 <= i < Len(), to be changed in
// place. Any other i panics. The pointer is valid until the next call that adds
// or removes elements.
func (r *Ring[T]) Ptr(i int) *T {
	if uint(i) >= uint(r.n) {
		panic(fmt.Sprintf("appender: ring index %d of %d", i, r.n))
	}
	return &r.buf[r.slot(i)]
}

// All ranges over the elements, oldest first, numbered from 0. The ring must
// not be changed meanwhile, except through Ptr.
func (r *Ring[T]) All() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i := range r.n {
			if !yield(i, r.buf[r.slot(i)]) {
				return
			}
		}
	}
}

// AppendTo appends the elements to dst, oldest first, and returns the result.
func (r *Ring[T]) AppendTo(dst []T) []T {
	first := min(r.n, len(r.buf)-r.head)
	dst = append(dst, r.buf[r.head:r.head+first]...)
	return append(dst, r.buf[:r.n-first]...)
}

// copyTo copies the oldest elements to dst, as many as fit.
func (r *Ring[T]) copyTo(dst []T) int {
	n := min(len(dst), r.n)
	first := copy(dst[:n], r.buf[r.head:])
	return first + copy(dst[first:n], r.buf)
}

// Len is the number of elements.
func (r *Ring[T]) Len() int { return r.n }

// Cap is the number of elements that the ring holds at most, at least 1.
func (r *Ring[T]) Cap() int { return r.last + 1 }

// Dropped counts the elements that Push evicted. It only ever grows.
func (r *Ring[T]) Dropped() uint64 { return r.dropped }

// valid checks what holds between any two calls:
//
//	(1) 0 <= Len <= slots <= Cap, and Cap >= 1.
//	(2) head is a slot, or 0 while there are no slots.
//	(3) An empty ring starts at slot 0.
//	(4) Something was dropped only if every slot that the capacity allows exists.
//	(5) Every slot outside of the elements is zero.
func (r *Ring[T]) valid() error {
	if r.n < 0 || r.n > len(r.buf) || len(r.buf) > r.Cap() || r.Cap() < 1 {
		return fmt.Errorf("appender: ring invariant 1: len %d, slots %d, cap %d", r.n, len(r.buf), r.Cap())
	}
	if r.head < 0 || r.head >= max(len(r.buf), 1) {
		return fmt.Errorf("appender: ring invariant 2: head %d of %d slots", r.head, len(r.buf))
	}
	if r.n == 0 && r.head != 0 {
		return fmt.Errorf("appender: ring invariant 3: empty at slot %d", r.head)
	}
	if r.dropped > 0 && len(r.buf) != r.Cap() {
		return fmt.Errorf("appender: ring invariant 4: dropped %d with %d slots of %d", r.dropped, len(r.buf), r.Cap())
	}
	for i := r.n; i < len(r.buf); i++ {
		if !reflect.ValueOf(&r.buf[r.slot(i)]).Elem().IsZero() {
			return fmt.Errorf("appender: ring invariant 5: free slot %d is not zero", r.slot(i))
		}
	}
	return nil
}
