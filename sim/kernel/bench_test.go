package kernel_test

import (
	"fmt"
	"testing"
	"time"

	"meshsim/sim/kernel"
)

// ring is a circle of actors that pass tokens on.
type ring struct {
	k      *kernel.Kernel
	id     []uint32
	tokens []int
	taken  uint64
	until  uint64
}

func newRing(k *kernel.Kernel, actors, tokens int) *ring {
	r := &ring{k: k, id: make([]uint32, actors), tokens: make([]int, actors)}
	for i := range r.id {
		r.id[i] = k.NewActor(uint32(i+1), func() { r.pass(i) })
	}
	for i := range tokens {
		r.give(i % actors)
	}
	return r
}

func (r *ring) pass(i int) {
	r.tokens[i]--
	if r.tokens[i] > 0 {
		r.k.Enable(r.id[i], r.k.Child())
	}
	if i++; i == len(r.id) {
		i = 0
	}
	r.give(i)
	if r.taken++; r.taken == r.until {
		r.k.Stop(nil)
	}
}

func (r *ring) give(i int) {
	if r.tokens[i]++; r.tokens[i] == 1 {
		r.k.Enable(r.id[i], r.k.Child())
	}
}

// BenchmarkRing measures a Handle step: 1,000 actors pass 1,000 tokens.
func BenchmarkRing(b *testing.B) {
	for _, c := range []struct {
		name     string
		strategy kernel.Strategy
	}{
		{"default", kernel.NewDefaultOrder()},
		{"random", kernel.NewRandomWalk(0)},
	} {
		b.Run(c.name, func(b *testing.B) {
			k := kernel.New(kernel.Options{Strategy: c.strategy, InstantBudget: 1 << 62})
			defer k.Unwind()
			r := newRing(k, 1000, 1000)
			r.until = uint64(b.N)
			b.ReportAllocs()
			b.ResetTimer()
			_ = k.Run(time.Second)
		})
	}
}

// hop reschedules itself after a pseudo-random delay.
type hop struct {
	k       *kernel.Kernel
	stream  kernel.Stream
	kind    kernel.StepKind
	horizon uint64
	left    int
}

func (h *hop) Fire(arg uint64) {
	if h.left--; h.left == 0 {
		h.k.Stop(nil)
	}
	d := time.Duration(h.stream.Next().Below(h.horizon)) + 1
	h.k.Schedule(h.k.Now()+d, h.kind, 1, 0, h, arg)
}

// BenchmarkArrival measures an Arrival step, scheduling included, at
// different numbers pending.
func BenchmarkArrival(b *testing.B) {
	for _, pending := range []int{10, 1000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(pending), func(b *testing.B) {
			k := kernel.New(kernel.Options{})
			defer k.Unwind()
			h := &hop{k: k, stream: kernel.NewStream(1, "bench", 0, 0), kind: kernel.Arrival, horizon: 10e6, left: b.N}
			for i := range pending {
				k.Schedule(time.Duration(h.stream.Next().Below(h.horizon)), kernel.Arrival, 1, 0, h, uint64(i))
			}
			b.ReportAllocs()
			b.ResetTimer()
			_ = k.Run(1 << 62)
		})
	}
}

// BenchmarkTimer measures a Timer step of an actor at 10,000 pending, and a
// deadline that is set and cancelled, as every append's is.
func BenchmarkTimer(b *testing.B) {
	b.Run("fires", func(b *testing.B) {
		k := kernel.New(kernel.Options{})
		defer k.Unwind()
		s := kernel.NewStream(1, "bench", 0, 0)
		a := k.NewActor(1, func() {})
		left := b.N
		var f func()
		f = func() {
			if left--; left == 0 {
				k.Stop(nil)
			}
			k.At(k.Now()+1+time.Duration(s.Next().Below(10e6)), a, f)
		}
		for range 10_000 {
			k.At(time.Duration(s.Next().Below(10e6)), a, f)
		}
		b.ReportAllocs()
		b.ResetTimer()
		_ = k.Run(1 << 62)
	})
	b.Run("cancelled", func(b *testing.B) {
		k := kernel.New(kernel.Options{})
		defer k.Unwind()
		s := kernel.NewStream(1, "bench", 0, 0)
		f := func() {}
		for range 10_000 {
			k.At(time.Duration(s.Next().Below(10e6)), 0, f)
		}
		b.ReportAllocs()
		for b.Loop() {
			k.Cancel(k.At(time.Duration(s.Next().Below(1e9)), 0, f))
		}
	})
}

// BenchmarkSleep measures a handler that sleeps: a Handle, a Timer and a
// Resume step, and two switches of coroutine; 1,000 handlers sleep at a time.
func BenchmarkSleep(b *testing.B) {
	k := kernel.New(kernel.Options{Isolate: isolate})
	defer k.Unwind()
	left := b.N
	for i := range 1000 {
		var a uint32
		wake := func() { k.Unpark(a) }
		a = k.NewActor(1, func() {
			k.At(k.Now()+time.Duration(i+1000), a, wake)
			k.Park(a)
			if left--; left == 0 {
				k.Stop(nil)
			}
			k.Enable(a, k.Child())
		})
		k.Enable(a, k.Child())
	}
	b.ReportAllocs()
	b.ResetTimer()
	_ = k.Run(1 << 62)
}
