package kernel

import (
	"fmt"
	"testing"
)

// heap4 is the baseline: a bare 4-ary heap of the same entries, ordered by
// time and scheduling number.
type heap4 struct{ e []heapEntry }

type heapEntry struct {
	time, number uint64
	ref          uint32
}

func (a heapEntry) before(b heapEntry) bool {
	return a.time < b.time || a.time == b.time && a.number < b.number
}

func (h *heap4) push(e heapEntry) {
	h.e = append(h.e, e)
	i := len(h.e) - 1
	for i > 0 {
		p := (i - 1) / 4
		if !e.before(h.e[p]) {
			break
		}
		h.e[i] = h.e[p]
		i = p
	}
	h.e[i] = e
}

func (h *heap4) pop() heapEntry {
	top := h.e[0]
	n := len(h.e) - 1
	e := h.e[n]
	h.e = h.e[:n]
	for i := 0; ; {
		c := 4*i + 1
		if c >= n {
			if n > 0 {
				h.e[i] = e
			}
			break
		}
		least := c
		for j := c + 1; j < min(c+4, n); j++ {
			if h.e[j].before(h.e[least]) {
				least = j
			}
		}
		if !h.e[least].before(e) {
			h.e[i] = e
			break
		}
		h.e[i] = h.e[least]
		i = least
	}
	return top
}

// BenchmarkQueue holds a number of entries pending while each one popped is
// pushed again after a random delay of up to 1 s (the "hold model"), in the
// wheel and beside it in a bare 4-ary heap.
func BenchmarkQueue(b *testing.B) {
	const horizon = 1e9
	for _, pending := range []int{10, 1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("wheel/%d", pending), func(b *testing.B) {
			s := NewStream(1, "bench", 0, 0)
			var q queue
			for i := range pending {
				q.push(entry{time: s.Next().Below(horizon), ref: uint32(i)})
			}
			b.ReportAllocs()
			for b.Loop() {
				e, _ := q.peek(1 << 62)
				q.pop()
				e.time += 1 + s.Next().Below(horizon)
				q.push(e)
			}
		})
		b.Run(fmt.Sprintf("heap/%d", pending), func(b *testing.B) {
			s := NewStream(1, "bench", 0, 0)
			var q heap4
			number := uint64(0)
			for i := range pending {
				number++
				q.push(heapEntry{s.Next().Below(horizon), number, uint32(i)})
			}
			b.ReportAllocs()
			for b.Loop() {
				e := q.pop()
				number++
				e.time += 1 + s.Next().Below(horizon)
				e.number = number
				q.push(e)
			}
		})
	}
}
