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
