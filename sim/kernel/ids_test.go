package kernel_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/sim/kernel"
)

func TestFreedActorsAreMute(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	fail := func() { t.Error("a freed actor acts") }
	a := k.NewActor(1, fail)
	k.Enable(a, 1)
	due, later := k.At(0, a, fail), k.At(5, a, fail)
	k.FreeActor(a)
	k.FreeActor(a)
	b := k.NewActor(1, func() {})
	require.NotEqual(t, a, b, "ids are not reused")
	k.Enable(a, 1)
	k.Enable(a, 1)
	k.Disable(a)
	k.Unpark(a)
	require.Zero(t, k.At(1, a, fail))
	require.False(t, k.Cancel(due))
	require.False(t, k.Cancel(later))
	require.NoError(t, k.Run(10))
	require.Zero(t, k.Steps())
}

func TestActorIDsAreNeverReused(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	seen := map[uint32]bool{}
	for range 10_000 { // more than a slot has generations
		id := k.NewActor(1, nil)
		require.NotZero(t, id)
		require.False(t, seen[id])
		seen[id] = true
		k.FreeActor(id)
	}
}

func TestCancelLaws(t *testing.T) {
	s := kernel.NewStream(4, "test", 0, 0)
	k := newKernel(t, kernel.Options{})
	fired := map[uint64]int{}
	var ids []uint64
	cancelled := map[uint64]bool{}
	f := fireFunc(func(arg uint64) {
		fired[arg]++
		require.False(t, k.Cancel(ids[arg]), "its step was taken")
		victim := s.Next().Below(uint64(len(ids)))
		want := fired[victim] == 0 && !cancelled[victim]
		require.Equal(t, want, k.Cancel(ids[victim]))
		if want {
			cancelled[victim] = true
		}
	})
	for i := range uint64(10_000) {
		ids = append(ids, k.Schedule(time.Duration(s.Next().Below(1000)), kernel.Fault, 1, 0, f, i))
	}
	require.NoError(t, k.Run(1000))
	for i := range uint64(10_000) {
		require.Equal(t, !cancelled[i], fired[i] == 1)
	}
	require.NotEmpty(t, cancelled)
	require.False(t, k.Cancel(0))
	require.False(t, k.Cancel(1<<63|5))
	require.False(t, k.Cancel(1<<40))
	require.Zero(t, k.Pending())
}

// A deadline that is nearly always cancelled, as those of appends are, must
// not fill the queue with its remains.
func TestCancelledTimersDoNotPileUp(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	for i := range 100_000 {
		id := k.At(time.Duration(i)+time.Second, 0, func() { t.Error("fired") })
		if !k.Cancel(id) || k.Queued() > 200 {
			t.Fatal("not cancelled, or piled up: ", k.Queued())
		}
	}
	fired := 0
	for i := range 1000 {
		k.At(time.Duration(1+i*i), 0, func() { fired++ })
		for j := range 10 {
			k.Cancel(k.At(time.Duration(1+i*j), 0, func() { t.Error("fired") }))
		}
	}
	require.Less(t, k.Queued(), 2200)
	require.NoError(t, k.Run(time.Second))
	require.Equal(t, 1000, fired)
}

func TestCausalIDs(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	var causes []uint64
	var a uint32
	a = k.NewActor(1, func() {
		causes = append(causes, k.Cause())
		k.At(1, a, func() { causes = append(causes, k.Cause()); k.Unpark(a) })
		k.Park(a)
		causes = append(causes, k.Cause(), k.Child())
	})
	require.Zero(t, k.Cause())
	root := k.Child()
	k.Enable(a, root)
	k.ScheduleCaused(2, kernel.Arrival, 1, a, 42, fireFunc(func(uint64) { causes = append(causes, k.Cause()) }), 0)
	require.NoError(t, k.Run(5))
	timer := kernel.Combine(root, 0)
	resumed := kernel.Combine(timer, 0)
	require.Equal(t, []uint64{root, timer, resumed, kernel.Combine(resumed, 0), 42}, causes)
	require.Zero(t, k.Cause())
	require.Equal(t, kernel.Combine(0, 0), root)
	require.Equal(t, kernel.Combine(0, 1), k.Child(), "children of no step are counted over the run")
}
