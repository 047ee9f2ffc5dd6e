package kernel_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/sim/kernel"
)

// outcome is what must be the same whenever a seed is run again.
type outcome struct {
	digest, steps uint64
	now           time.Duration
}

// runSeed runs the program that a seed draws, under a random walk with that
// seed, on k.
func runSeed(k *kernel.Kernel, program, schedule uint64) outcome {
	s := kernel.NewStream(program, "test.program", 0, 0)
	var ops []op
	for range 5 {
		ops = append(ops, streamOps(&s)...)
	}
	p := newProgram(ops)
	k.Reset(kernel.Options{
		Seed: schedule, Strategy: kernel.NewRandomWalk(2), Isolate: isolate, Trace: p.trace, Service: p.service,
	})
	p.run(k)
	defer k.Unwind()
	return outcome{k.Digest(), k.Steps(), k.Now()}
}

const seeds = 100

// alone runs each seed on a kernel of its own.
func alone() (all [seeds]outcome) {
	for i := range all {
		all[i] = runSeed(kernel.New(kernel.Options{}), uint64(i), uint64(i))
	}
	return all
}

func TestASeedGivesOneDigest(t *testing.T) {
	want := alone()
	t.Run("again", func(t *testing.T) { require.Equal(t, want, alone()) })
	t.Run("on one kernel, after any other seed", func(t *testing.T) {
		k := kernel.New(kernel.Options{})
		for i := range uint64(seeds) {
			i = i * 7 % seeds
			require.Equal(t, want[i], runSeed(k, i, i))
		}
	})
	t.Run("in parallel, on any number of processors", func(t *testing.T) {
		for _, procs := range []int{1, 2} {
			old := runtime.GOMAXPROCS(procs)
			var wg sync.WaitGroup
			var got [2][seeds]outcome
			for g := range got {
				wg.Add(1)
				go func() {
					defer wg.Done()
					got[g] = alone()
				}()
			}
			wg.Wait()
			runtime.GOMAXPROCS(old)
			for g := range got {
				require.Equal(t, want, got[g])
			}
		}
	})
}

// The digests of three seeds, as they were when this test was written: equal
// across processes, builds and platforms. A change to the kernel may change them,
// but must say so.
func TestDigestsAreTheSameInEveryProcess(t *testing.T) {
	k := kernel.New(kernel.Options{})
	for seed, want := range []uint64{0x9c0f8912b60c2a99, 0x13de69ef894ed7c3, 0x7b708b9a79134d4b} {
		require.Equal(t, want, runSeed(k, uint64(seed), uint64(seed)).digest, "seed %d", seed)
	}
}

func TestAnotherScheduleGivesAnotherDigest(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	digests := map[uint64]bool{}
	for seed := range uint64(200) {
		k.Reset(kernel.Options{Seed: seed, Strategy: kernel.NewRandomWalk(0)})
		newRing(k, 10, 10).until = 100
		require.ErrorIs(t, k.Run(1), kernel.ErrStopped)
		digests[k.Digest()] = true
	}
	require.Len(t, digests, 200)
}

func TestFoldCountsInTheDigest(t *testing.T) {
	k := kernel.New(kernel.Options{})
	k.Fold(1)
	a := k.Digest()
	k.Fold(2)
	require.NotEqual(t, a, k.Digest())
	k.Reset(kernel.Options{})
	k.Fold(2)
	b := k.Digest()
	k.Fold(1)
	require.NotEqual(t, a, b, "the value counts")
	k.Reset(kernel.Options{})
	require.Zero(t, k.Digest())
}

func TestResetForgetsEverything(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	a := k.NewActor(3, func() { k.Stop(nil) })
	k.Enable(a, k.Child())
	k.At(5, a, func() {})
	k.PauseNode(3)
	k.PauseNode(4)
	require.NoError(t, k.Run(7))
	k.ResumeNode(3)
	require.ErrorIs(t, k.Run(8), kernel.ErrStopped)
	k.Reset(kernel.Options{})
	require.Zero(t, k.Now())
	require.Zero(t, k.Steps())
	require.Zero(t, k.Digest())
	require.Zero(t, k.Pending())
	require.Zero(t, k.Running())
	require.Equal(t, kernel.Combine(0, 0), k.Child())
	b := k.NewActor(4, func() {})
	require.Equal(t, a, b, "ids begin again")
	k.Enable(b, 1)
	require.NoError(t, k.Run(1))
	require.EqualValues(t, 1, k.Steps(), "node 4 is not paused")
}
