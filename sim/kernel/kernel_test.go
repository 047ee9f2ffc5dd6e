package kernel_test

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"meshsim/sim/kernel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newKernel makes a kernel that is unwound when the test ends.
func newKernel(t testing.TB, o kernel.Options) *kernel.Kernel {
	if o.Isolate == nil {
		o.Isolate = isolate
	}
	k := kernel.New(o)
	t.Cleanup(func() { _ = k.Unwind() })
	return k
}

// fireFunc makes a function a Firer.
type fireFunc func(arg uint64)

func (f fireFunc) Fire(arg uint64) { f(arg) }

func TestTimeNeverGoesBackAndEndsAtUntil(t *testing.T) {
	s := kernel.NewStream(3, "test", 0, 0)
	k := kernel.New(kernel.Options{})
	defer k.Unwind()
	for range 200 {
		last := time.Duration(0)
		p := newProgram(streamOps(&s))
		seen := func(now time.Duration) {
			require.GreaterOrEqual(t, now, last)
			last = now
		}
		k.Reset(kernel.Options{
			Strategy: kernel.NewRandomWalk(2), Seed: uint64(s.Next()), Isolate: isolate,
			Trace: func(x kernel.Taken) { seen(x.Time); p.trace(x) },
			Advance: func(from, to time.Duration) {
				seen(from)
				require.Less(t, from, to)
				require.Equal(t, from, k.Now(), "Advance comes before time moves")
				seen(to)
			},
		})
		p.run(k)
		end := k.Now() + 5
		require.NoError(t, k.Run(end))
		require.Equal(t, end, k.Now())
		require.NoError(t, k.Run(end-5), "an earlier time does nothing")
		require.Equal(t, end, k.Now())
	}
}

func TestRunLeavesWhatIsLater(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	var fired []time.Duration
	note := func() { fired = append(fired, k.Now()) }
	for _, at := range []time.Duration{5, 10, 11, 10, 1 << 40} {
		k.At(at, 0, note)
	}
	require.NoError(t, k.Run(10))
	require.Equal(t, []time.Duration{5, 10, 10}, fired)
	require.Equal(t, 2, k.Pending())
	require.NoError(t, k.Run(1<<50))
	require.Equal(t, []time.Duration{5, 10, 10, 11, 1 << 40}, fired)
	require.Zero(t, k.Pending())
}

func TestAPastTimeMeansNow(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	require.NoError(t, k.Run(10))
	k.At(-5, 0, func() { require.EqualValues(t, 10, k.Now()) })
	k.At(3, 0, func() { require.EqualValues(t, 10, k.Now()) })
	require.NoError(t, k.Run(10))
	require.EqualValues(t, 2, k.Steps())
}

func TestIdleTimeCostsNothing(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	advances := 0
	k.Reset(kernel.Options{Advance: func(_, _ time.Duration) { advances++ }})
	k.At(24*time.Hour, 0, func() {})
	require.NoError(t, k.Run(48*time.Hour))
	require.Equal(t, 2, advances, "to the timer, and to the end")
	require.EqualValues(t, 1, k.Steps())
}

func TestStopEndsRunBeforeTheNextStep(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	boom := errors.New("boom")
	k.At(1, 0, func() { k.Stop(boom); k.Stop(errors.New("too late")) })
	k.At(1, 0, func() { t.Error("a step after Stop") })
	require.ErrorIs(t, k.Run(10), boom)
	require.EqualValues(t, 1, k.Now())
	require.ErrorIs(t, k.Run(10), boom, "until Reset")
	k.Reset(kernel.Options{})
	require.NoError(t, k.Run(10))
	k.Stop(nil)
	require.ErrorIs(t, k.Run(20), kernel.ErrStopped)
}

func TestStopInAdvanceComesBeforeTheStep(t *testing.T) {
	for _, due := range []bool{true, false} {
		k := newKernel(t, kernel.Options{})
		k.Reset(kernel.Options{Advance: func(_, _ time.Duration) { k.Stop(nil) }})
		if due {
			k.At(5, 0, func() { t.Error("a step after Stop") })
		}
		require.ErrorIs(t, k.Run(10), kernel.ErrStopped)
		require.Zero(t, k.Steps())
	}
}

func TestStopAndRunningAreSafeFromAnotherGoroutine(t *testing.T) {
	k := newKernel(t, kernel.Options{InstantBudget: 1 << 62})
	r := newRing(k, 10, 10)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		var last kernel.Running
		for last.Step < 1000 {
			now := k.Running()
			if now.Step < last.Step {
				t.Error("the step number went back")
				break
			}
			if last = now; now.Step > 0 && (now.Kind != kernel.Handle || now.Actor == 0) {
				t.Errorf("torn: %+v", now)
				break
			}
			runtime.Gosched()
		}
		k.Stop(nil)
	}()
	require.ErrorIs(t, k.Run(1), kernel.ErrStopped)
	wg.Wait()
	require.Equal(t, kernel.Running{Step: k.Steps()}, k.Running())
	require.NotZero(t, r.taken)
}

func TestRunningCountsBeyondItsWord(t *testing.T) {
	for _, n := range []uint64{0, 1<<29 - 3, 1<<29 - 1, 3<<29 - 2} {
		k := newKernel(t, kernel.Options{})
		for base := uint64(1) << 29; base <= n; base += 1 << 29 { // cross every word's end
			k.SkipSteps(base - 1)
			k.At(k.Now(), 0, func() {})
			require.NoError(t, k.Run(k.Now()))
		}
		k.SkipSteps(n)
		a := k.NewActor(1, nil)
		for i := range uint64(5) {
			k.Schedule(0, kernel.Fault, 1, a, fireFunc(func(uint64) {
				require.Equal(t, kernel.Running{Step: n + i + 1, Kind: kernel.Fault, Actor: a}, k.Running())
			}), 0)
		}
		require.NoError(t, k.Run(0))
		require.Equal(t, kernel.Running{Step: n + 5}, k.Running())
	}
}

func TestALivelockIsNamed(t *testing.T) {
	k := newKernel(t, kernel.Options{InstantBudget: 100})
	var a, b uint32
	a = k.NewActor(7, func() { k.Enable(b, k.Child()) })
	b = k.NewActor(8, func() { k.Enable(a, k.Child()) })
	k.At(5, 0, func() { k.Enable(a, k.Child()) })
	err := k.Run(10)
	require.ErrorIs(t, err, kernel.ErrLivelock)
	var l *kernel.LivelockError
	require.ErrorAs(t, err, &l)
	require.EqualValues(t, 5, l.Time)
	require.EqualValues(t, 100, l.Steps)
	require.Len(t, l.Last, 8)
	require.ElementsMatch(t, []uint32{a, b}, []uint32{l.Last[6].Actor, l.Last[7].Actor})
	require.EqualValues(t, 100, l.Last[7].Number)
	require.ErrorContains(t, err, "#100 handle of actor 1 at node 7")
	require.ErrorIs(t, k.Run(10), kernel.ErrLivelock)
}

func TestTheBudgetIsPerInstant(t *testing.T) {
	k := newKernel(t, kernel.Options{InstantBudget: 10})
	for i := range 100 {
		k.At(time.Duration(i/10), 0, func() {})
	}
	require.NoError(t, k.Run(100))
	require.EqualValues(t, 100, k.Steps())
}

func TestServiceTimeKeepsAnActorBusy(t *testing.T) {
	k := newKernel(t, kernel.Options{Service: func(node, _ uint32) time.Duration { return time.Duration(node) }})
	var at []time.Duration
	left := 3
	var a uint32
	a = k.NewActor(10, func() {
		at = append(at, k.Now())
		if left--; left > 0 {
			k.Enable(a, k.Child())
		}
	})
	k.Enable(a, k.Child())
	k.At(5, a, func() { require.EqualValues(t, 5, k.Now(), "timers do not wait for it") })
	require.NoError(t, k.Run(100))
	require.Equal(t, []time.Duration{0, 10, 20}, at)
}

func TestAPanicLeavesRunWithTheKernelDead(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	var parked uint32
	deferred := false
	parked = k.NewActor(1, func() {
		defer func() { deferred = true }()
		k.Park(parked)
	})
	k.Enable(parked, 1)
	k.At(1, 0, func() { panic("boom") })
	require.PanicsWithValue(t, "boom", func() { _ = k.Run(10) })
	require.ErrorIs(t, k.Run(10), kernel.ErrDead)
	require.Zero(t, k.At(1, 0, func() {}))
	require.NoError(t, k.Unwind())
	require.True(t, deferred)
	k.Reset(kernel.Options{})
	require.NoError(t, k.Run(10))
}

func TestGoexitInAHandlerEndsTheGoroutineThatRuns(t *testing.T) {
	for _, park := range []bool{false, true} {
		k := newKernel(t, kernel.Options{})
		var a uint32
		a = k.NewActor(1, func() {
			if park {
				k.At(k.Now()+1, a, func() { k.Unpark(a) })
				k.Park(a)
			}
			runtime.Goexit() // as t.FailNow does
		})
		k.Enable(a, k.Child())
		returned, deferred := false, false
		isolate(func() {
			defer func() { deferred = true }()
			_ = k.Run(10)
			returned = true
		})
		require.True(t, deferred)
		require.False(t, returned, "the test that failed does not go on")
		require.ErrorIs(t, k.Run(10), kernel.ErrDead)
		require.NoError(t, k.Unwind())
	}
}

func TestMisuseIsABugAndPanics(t *testing.T) {
	k := newKernel(t, kernel.Options{})
	a := k.NewActor(1, func() {})
	k.Enable(a, 1)
	inside := func(f func()) func() {
		return func() {
			k := newKernel(t, kernel.Options{})
			k.At(0, 0, f)
			_ = k.Run(1)
		}
	}
	for name, f := range map[string]func(){
		"Enable of an enabled actor": func() { k.Enable(a, 1) },
		"Unpark of one not parked":   func() { k.Unpark(a) },
		"Park outside a step":        func() { k.Park(a) },
		"Park in a timer's step":     inside(func() { k.Park(1) }),
		"PauseNode(0)":               func() { k.PauseNode(0) },
		"Schedule of a Handle":       func() { k.Schedule(1, kernel.Handle, 1, 0, nil, 0) },
		"Below(0)":                   func() { kernel.Draw(1).Below(0) },
		"Pareto(0)":                  func() { kernel.Draw(1).Pareto(0) },
		"Run inside Run":             func() { k := newKernel(t, kernel.Options{}); k.At(0, 0, func() { _ = k.Run(1) }); _ = k.Run(1) },
		"Reset inside Run": func() {
			k := newKernel(t, kernel.Options{})
			k.At(0, 0, func() { k.Reset(kernel.Options{}) })
			_ = k.Run(1)
		},
		"Unwind inside Run":              func() { k := newKernel(t, kernel.Options{}); k.At(0, 0, func() { _ = k.Unwind() }); _ = k.Run(1) },
		"a strategy that holds too long": func() { k := newKernel(t, kernel.Options{Strategy: &tooLong{}}); k.At(1, 0, func() {}); _ = k.Run(9) },
		"Advance that schedules": func() {
			k := newKernel(t, kernel.Options{})
			k.Reset(kernel.Options{Advance: func(_, to time.Duration) { k.At(to, 0, func() {}) }})
			_ = k.Run(1)
		},
		"Park without Isolate": func() {
			k := kernel.New(kernel.Options{})
			k.Enable(k.NewActor(1, func() { k.Park(1) }), 1)
			_ = k.Run(1)
		},
	} {
		require.Panics(t, f, name)
	}
}

// tooLong breaks its own bound.
type tooLong struct{ kernel.DefaultOrder }

func (tooLong) Reset(uint64)                   {}
func (tooLong) Hold(kernel.Step) time.Duration { return 2 }
func (tooLong) HoldMax() time.Duration         { return 1 }
