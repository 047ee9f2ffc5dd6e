package kernel_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/sim/kernel"
)

// Every kind of step, repeated, allocates nothing.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	for name, strategy := range map[string]kernel.Strategy{
		"default": kernel.NewDefaultOrder(), "random": kernel.NewRandomWalk(10 * time.Microsecond),
	} {
		k := newKernel(t, kernel.Options{Strategy: strategy})
		for _, node := range []uint32{0, 500} {
			k.Reset(kernel.Options{Strategy: strategy, Isolate: isolate, Service: func(n, _ uint32) time.Duration { return time.Duration(n) }})
			var a uint32
			wake := func() { k.Unpark(a) }
			a = k.NewActor(node, func() { // handles, arms a deadline, naps, cancels the deadline
				deadline := k.At(k.Now()+time.Millisecond, a, func() {})
				k.At(k.Now()+time.Microsecond, a, wake)
				k.Park(a)
				k.Cancel(deadline)
			})
			h := &hop{k: k, stream: kernel.NewStream(1, "alloc", 0, 0), kind: kernel.Arrival, horizon: 1e6, left: 1 << 40}
			for i := range uint64(100) {
				h.Fire(i)
			}
			p := &pacer{k: k, a: a}
			k.Schedule(0, kernel.Fault, 1, 0, p, 0)
			run := func() { _ = k.Run(k.Now() + time.Millisecond) }
			for range 30 {
				run() // memory grows to what is needed
			}
			require.Zero(t, testing.AllocsPerRun(10, run), "%s, node %d", name, node)
			require.Greater(t, k.Steps(), uint64(1000))
		}
	}
}

// pacer enables an actor, and pauses and resumes its node, again and again.
type pacer struct {
	k *kernel.Kernel
	a uint32
	n int
}

func (p *pacer) Fire(uint64) {
	switch p.n++; p.n % 4 {
	case 0:
		p.k.Enable(p.a, p.k.Child())
	case 1:
		p.k.PauseNode(500)
	case 2:
		p.k.ResumeNode(500)
	}
	p.k.Schedule(p.k.Now()+30*time.Microsecond, kernel.Fault, 500, 0, p, 0)
}

func TestResetKeepsMemory(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	h := &hop{k: k, stream: kernel.NewStream(1, "alloc", 0, 0), kind: kernel.Arrival, horizon: 1e6, left: 1 << 40}
	f := func() {}
	run := func() {
		k.Reset(kernel.Options{})
		for i := range uint64(1000) {
			h.Fire(i)
			k.NewActor(uint32(i), f)
		}
		_ = k.Run(2 * time.Millisecond)
	}
	for range 10 {
		run()
	}
	require.LessOrEqual(t, testing.AllocsPerRun(10, run), 1.0)
}
