package kernel_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/sim/kernel"
)

// isolate runs f on a goroutine of its own.
func isolate(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// agrees runs one program on the kernel, reset for it, and on the model, and
// says where they differ.
func agrees(k *kernel.Kernel, ops []op, key uint64, hold time.Duration) error {
	a, b := newProgram(ops), newProgram(ops)
	k.Reset(kernel.Options{Strategy: &scramble{key: key, hold: hold}, Isolate: isolate, Trace: a.trace, Service: a.service})
	m := newModel(&scramble{key: key, hold: hold}, 0, b.service, b.trace)
	defer k.Unwind()
	defer m.Unwind()
	got, want := a.run(k), b.run(m)
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Errorf("line %d: the kernel stops, the model does %s", i, want[i])
		case i >= len(want):
			return fmt.Errorf("line %d: the kernel does %s, the model stops", i, got[i])
		case got[i] != want[i]:
			return fmt.Errorf("line %d: the kernel does %s, the model %s", i, got[i], want[i])
		}
	}
	return nil
}

func TestKernelAgreesWithThePlainModel(t *testing.T) {
	k := kernel.New(kernel.Options{})
	rapid.Check(t, func(t *rapid.T) {
		ops := drawOps(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "n") })
		key := rapid.Uint64Range(0, 3).Draw(t, "key")
		hold := time.Duration(rapid.IntRange(0, 5).Draw(t, "hold"))
		require.NoError(t, agrees(k, ops, key, hold))
	})
}

// programs runs up to n programs on a kernel that is mutant m, until one
// shows a difference to the model.
func programs(m kernel.Mutant, n int) error {
	k := kernel.New(kernel.Options{})
	k.Break(m)
	s := kernel.NewStream(7, "test", 0, 0)
	for range n {
		if err := agrees(k, streamOps(&s), s.Next().Below(3), 3); err != nil {
			return err
		}
	}
	return nil
}

func TestThePlainModelNoticesEveryMutant(t *testing.T) {
	const n = 1000
	require.NoError(t, programs(kernel.MutantNone, n), "the shipped kernel")
	for name, m := range map[string]kernel.Mutant{
		"a resumption loses its cause":       kernel.MutantLostCause,
		"a pause lets timers through":        kernel.MutantDeafPause,
		"a cancelled event fires":            kernel.MutantDeafCancel,
		"a resumption reverses what was due": kernel.MutantLateOrder,
		"an event is held twice":             kernel.MutantLongHold,
		"a freed actor's timer fires":        kernel.MutantUndead,
		"Reset keeps the count of children":  kernel.MutantDirtyReset,
		"the queue breaks ties in reverse":   kernel.MutantLIFO,
	} {
		require.Error(t, programs(m, n), name)
	}
}
