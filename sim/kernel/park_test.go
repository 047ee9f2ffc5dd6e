package kernel_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"meshsim/sim/kernel"
)

// sleep parks the running handler of actor a for d.
func sleep(k *kernel.Kernel, a uint32, d time.Duration) {
	k.At(k.Now()+d, a, func() { k.Unpark(a) })
	k.Park(a)
}

func TestAParkedHandlerBlocksItsActorAlone(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	var log []string
	note := func(s string) { log = append(log, fmt.Sprint(int64(k.Now()), " ", s)) }
	var slow uint32
	slow = k.NewActor(1, func() {
		note("slow begins")
		sleep(k, slow, 10)
		note("slow ends")
	})
	quick := k.NewActor(1, func() { note("quick") })
	k.Enable(slow, 1)
	k.At(1, 0, func() { k.Enable(slow, 2); k.Enable(quick, 3) })
	require.NoError(t, k.Run(15))
	require.Equal(t, []string{"0 slow begins", "1 quick", "10 slow ends", "10 slow begins"}, log)
	require.Equal(t, 1, k.Parked())
	require.NoError(t, k.Run(50))
	require.Zero(t, k.Parked())
}

func TestManyHandlersParkAndResumeInAnyOrder(t *testing.T) {
	k := newKernel(t, kernel.Options{Strategy: kernel.NewRandomWalk(0), Seed: 5})
	s := kernel.NewStream(5, "test", 0, 0)
	const actors = 300
	done := make([]int, actors)
	for i := range actors {
		var a uint32
		a = k.NewActor(1, func() {
			local := i // lives on the parked stack
			for range 5 {
				before := k.Now()
				d := time.Duration(s.Next().Below(50))
				sleep(k, a, d)
				require.Equal(t, before+d, k.Now())
				require.Equal(t, i, local)
			}
			done[i]++
		})
		k.Enable(a, k.Child())
	}
	require.NoError(t, k.Run(time.Second))
	for i := range done {
		require.Equal(t, 1, done[i])
	}
}

func TestUnparkTwiceResumesOnce(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	resumed := 0
	var a uint32
	a = k.NewActor(1, func() { k.Park(a); resumed++; k.Park(a); resumed++ })
	k.Enable(a, 1)
	k.At(1, 0, func() { k.Unpark(a); k.Unpark(a) })
	require.NoError(t, k.Run(5))
	require.Equal(t, 1, resumed)
	require.Equal(t, 1, k.Parked())
}

func TestAFreedActorsHandlerIsNeverResumed(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	var parked, enabled, self uint32
	fail := func(a *uint32) func() { return func() { k.Park(*a); t.Error("resumed") } }
	parked = k.NewActor(1, fail(&parked))
	enabled = k.NewActor(1, fail(&enabled))
	self = k.NewActor(1, func() { k.FreeActor(self); k.Park(self); t.Error("resumed") })
	for _, a := range []uint32{parked, enabled, self} {
		k.Enable(a, 1)
	}
	k.At(1, 0, func() {
		k.FreeActor(parked)
		k.Unpark(parked)
		k.Unpark(enabled)
		k.FreeActor(enabled) // its Resume step was enabled
		k.Unpark(self)
	})
	require.NoError(t, k.Run(5))
	require.Equal(t, 3, k.Parked())
	require.NoError(t, k.Unwind())
	require.Zero(t, k.Parked())
}

func TestUnwindRunsDeferredCallsAndLeaksNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	k := kernel.New(kernel.Options{Isolate: isolate})
	deferred := 0
	for i := range 100 {
		var a uint32
		a = k.NewActor(1, func() {
			defer func() { deferred++ }()
			defer func() { require.Nil(t, recover(), "an unwinding is no panic") }()
			defer func() { // whatever they ask of the dead kernel does nothing
				require.Zero(t, k.NewActor(1, nil))
				require.Zero(t, k.At(k.Now(), a, func() {}))
				require.Zero(t, k.Schedule(0, kernel.Fault, 1, 0, nil, 0))
				require.False(t, k.Cancel(1<<32|1))
				k.Enable(a, 1)
				k.Enable(a, 1)
				k.Disable(a)
				k.Unpark(a)
				k.FreeActor(a)
				k.PauseNode(1)
				k.ResumeNode(1)
				d := k.Digest()
				k.Fold(1)
				require.Equal(t, d, k.Digest())
			}()
			if i%2 == 0 {
				defer k.Park(a) // a deferred call that would wait
			}
			for { // a handler that swallows panics and tries again
				func() {
					defer func() { _ = recover() }()
					sleep(k, a, time.Second)
				}()
			}
		})
		k.Enable(a, k.Child())
	}
	require.NoError(t, k.Run(3500*time.Millisecond))
	require.Equal(t, 100, k.Parked())
	require.NoError(t, k.Unwind())
	require.Equal(t, 100, deferred)
	require.NoError(t, k.Unwind(), "twice is fine")
	require.ErrorIs(t, k.Run(0), kernel.ErrDead)
	goleak.VerifyNone(t, before)
}

func TestUnwindTellsOfDeferredPanics(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	others := 0
	for i := range 5 {
		var a uint32
		a = k.NewActor(1, func() {
			defer func() {
				others++
				if i == 2 {
					panic("boom")
				}
			}()
			k.Park(a)
		})
		k.Enable(a, k.Child())
	}
	require.NoError(t, k.Run(1))
	require.ErrorContains(t, k.Unwind(), "boom")
	require.Equal(t, 5, others, "the others are unwound all the same")
}

func TestResetUnwindsWhatIsParked(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	deferred := false
	var a uint32
	a = k.NewActor(1, func() {
		defer func() { deferred = true }()
		k.Park(a)
	})
	k.Enable(a, 1)
	require.NoError(t, k.Run(1))
	k.Reset(kernel.Options{Isolate: isolate})
	require.True(t, deferred)
	require.Zero(t, k.Parked())
	require.NoError(t, k.Run(1))
}

func TestARunThatNeverParksUsesOneCoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	k := kernel.New(kernel.Options{InstantBudget: 1 << 20})
	r := newRing(k, 100, 100)
	r.until = 10_000
	_ = k.Run(1)
	require.LessOrEqual(t, runtime.NumGoroutine(), before+1)
	require.NoError(t, k.Unwind())
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}
