package kernel_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/sim/kernel"
)

func TestWhatComesDueInAPauseIsDueAtItsEndInOrder(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	var log []string
	note := func(s string) { log = append(log, fmt.Sprint(int64(k.Now()), " ", s)) }
	a := k.NewActor(1, func() { note("handle") })
	var sleeper uint32
	sleeper = k.NewActor(1, func() { sleep(k, sleeper, 4); note("resume") })
	other := k.NewActor(2, func() { note("other") })
	k.Enable(sleeper, 1)
	k.At(2, 0, func() { k.PauseNode(1) })
	k.At(3, a, func() { note("timer 3") })
	k.At(3, 0, func() { k.Enable(a, 1); k.Enable(other, 1) })
	k.At(5, a, func() { note("timer 5") })
	k.Schedule(6, kernel.Arrival, 1, a, fireFunc(func(uint64) { note("arrival") }), 0)
	k.Schedule(7, kernel.Fault, 1, 0, fireFunc(func(uint64) { note("fault"); k.ResumeNode(1) }), 0)
	require.NoError(t, k.Run(10))
	require.Equal(t, []string{
		"3 other", "6 arrival", "7 fault", "7 timer 3", "7 handle", "7 timer 5", "7 resume",
	}, log)
}

func TestAPauseTakesBackWhatIsEnabled(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	var log []string
	a := k.NewActor(1, func() { log = append(log, fmt.Sprint("handle ", int64(k.Now()))) })
	k.At(1, 0, func() { // first in its instant, so that the rest is enabled and not taken
		k.PauseNode(1)
		k.PauseNode(1)
	})
	k.At(1, a, func() { log = append(log, fmt.Sprint("timer ", int64(k.Now()))) })
	k.At(1, 0, func() { k.Enable(a, 1) })
	k.At(4, 0, func() {
		k.ResumeNode(1)
		k.PauseNode(1) // again, before anything was taken
	})
	k.At(9, 0, func() { k.ResumeNode(1); k.ResumeNode(1) })
	require.NoError(t, k.Run(10))
	require.Equal(t, []string{"timer 9", "handle 9"}, log)
}

func TestCancelAndDisableReachWhatAPauseDefers(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	fail := func() { t.Error("taken") }
	a, b := k.NewActor(1, fail), k.NewActor(1, fail)
	k.PauseNode(1)
	timer := k.At(1, a, fail)
	k.At(1, b, fail)
	for range 10_000 { // voids do not pile up: see deferStep
		k.Enable(a, 1)
		k.Disable(a)
	}
	k.Enable(b, 1)
	k.At(2, 0, func() {
		require.True(t, k.Cancel(timer))
		require.False(t, k.Cancel(timer))
		k.FreeActor(b)
		k.ResumeNode(1)
	})
	require.NoError(t, k.Run(5))
	require.Zero(t, k.Pending())
}

func TestAPauseIsNotHeld(t *testing.T) {
	// Once due, a timer of a paused node is due at the resumption, not later.
	for seed := range uint64(50) {
		k := newKernel(t, kernel.Options{Strategy: kernel.NewRandomWalk(time.Millisecond), Seed: seed})
		a := k.NewActor(1, nil)
		k.PauseNode(1)
		k.Schedule(10*time.Millisecond, kernel.Fault, 1, 0, fireFunc(func(uint64) { k.ResumeNode(1) }), 0)
		k.At(1, a, func() { require.Equal(t, 10*time.Millisecond, k.Now()) })
		require.NoError(t, k.Run(time.Second))
		require.EqualValues(t, 2, k.Steps())
	}
}
