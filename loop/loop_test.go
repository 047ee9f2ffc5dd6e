package loop_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/loop"
)

// funcs is a model made of functions.
type funcs struct {
	step func(loop.Input, *loop.Ready) error
	tick func(time.Duration, *loop.Ready)
}

func (f funcs) Step(in loop.Input, out *loop.Ready) error {
	if f.step == nil {
		return nil
	}
	return f.step(in, out)
}

func (f funcs) Tick(now time.Duration, out *loop.Ready) {
	if f.tick != nil {
		f.tick(now, out)
	}
}

func TestDefaultsAreThoseOfTheDesign(t *testing.T) {
	l := loop.New(idle{}, loop.Options{Start: 3 * time.Second})
	at, ok := l.NextTick()
	require.True(t, ok)
	require.Equal(t, 3500*time.Millisecond, at, "one interval of 500 ms after the start")
	s := l.Snapshot()
	require.Equal(t, &loop.Snapshot{Incarnation: 1}, s, "before the first tick")
	for range 2100 {
		l.Log(0, 0, line)
	}
	c := l.Capture()
	require.Len(t, c.Log, 2048)
	require.Equal(t, uint64(2100-2048), c.Stats.RingDropped)
	require.Equal(t, uint64(2100-2048+1), c.Log[0].Record.Seq, "the oldest is dropped first")
	require.Equal(t, uint32(1), c.Log[0].Record.Incarnation)

	acting := loop.New(funcs{tick: func(_ time.Duration, out *loop.Ready) {
		for range 300 {
			out.Do("poke", 1, nil)
		}
	}}, loop.Options{})
	acting.Tick(0, 0)
	require.Len(t, acting.Capture().Emissions, 256)
}

func TestTickThatIsDueStaysDueWhateverComesIn(t *testing.T) {
	// A model that wants a tick "now" at every input would put it off for
	// ever, were the deadline not kept once it has been reached.
	m := &eager{}
	l := loop.New(m, loop.Options{Tick: 100 * time.Millisecond})
	for now := time.Duration(0); now < time.Second; now += 30 * time.Millisecond {
		require.NoError(t, l.Step(loop.Input{Now: now}))
		at, ok := l.NextTick()
		require.True(t, ok)
		require.Equal(t, 100*time.Millisecond, at)
	}
	l.Tick(990*time.Millisecond, 0)
	at, _ := l.NextTick()
	require.Equal(t, 1090*time.Millisecond, at, "late ticks are not made up for")
}

type eager struct{ idle }

func (*eager) Next(now time.Duration) (time.Duration, bool) { return now, true }

func TestIdlerThatWantsATickBeyondTimeGetsNone(t *testing.T) {
	l := loop.New(&distant{}, loop.Options{})
	_, ok := l.NextTick()
	require.False(t, ok)
}

type distant struct{ idle }

func (*distant) Next(time.Duration) (time.Duration, bool) { return 1<<63 - 1, true }

func TestSnapshotIsPublishedOnlyOnDemand(t *testing.T) {
	l := loop.New(idle{}, loop.Options{})
	tick := func() { l.Tick(0, 0) }
	tick()
	first := l.Snapshot()
	require.EqualValues(t, 1, first.Tick, "the first tick publishes")
	tick()
	require.EqualValues(t, 2, l.Snapshot().Tick, "the read before the tick asked for it")
	tick()
	tick()
	tick()
	require.EqualValues(t, 3, l.Snapshot().Tick, "nobody asked for those of ticks 4 and 5")
	tick()
	require.EqualValues(t, 6, l.Snapshot().Tick)
	require.EqualValues(t, 1, first.Tick, "a snapshot never changes")
}

func TestSnapshotCoversItsTick(t *testing.T) {
	l := loop.New(funcs{tick: func(_ time.Duration, out *loop.Ready) { out.Log(line) }}, loop.Options{})
	l.Log(0, 0, line)
	l.Tick(0, 0)
	require.Len(t, l.Snapshot().Log, 2)
}

func TestSnapshotsAreReadWhileTheLoopRuns(t *testing.T) {
	l := loop.New(idle{}, loop.Options{Ring: 16})
	var stop atomic.Bool
	var seen [2]atomic.Int64 // snapshots that were newer than the one before
	var errs [2]error
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			defer stop.Store(true)
			for before := l.Snapshot(); !stop.Load(); runtime.Gosched() {
				s := l.Snapshot()
				if errs[i] = later(before, s); errs[i] != nil {
					return
				}
				if s.Tick > before.Tick {
					seen[i].Add(1)
				}
				before = s
			}
		})
	}
	// Until each reader has seen some, however the machine runs.
	for i := uint64(1); !stop.Load() && (seen[0].Load() < 50 || seen[1].Load() < 50); i++ {
		l.Log(0, 0, line)
		l.Advance()
		l.Settle(i, appender.Appended)
		l.Tick(time.Duration(i), 0)
		runtime.Gosched()
	}
	stop.Store(true)
	wg.Wait()
	require.NoError(t, errors.Join(errs[:]...))
}

// later reports in what a snapshot is not one contiguous moment after another.
func later(before, s *loop.Snapshot) error {
	if s.Tick < before.Tick || s.Stats.Records < before.Stats.Records {
		return fmt.Errorf("went back from tick %d to %d", before.Tick, s.Tick)
	}
	if got, want := uint64(len(s.Log)), s.Stats.Records-s.Stats.RingDropped; got != want {
		return fmt.Errorf("shows %d records of %d", got, want)
	}
	for i := range s.Log {
		if got, want := s.Log[i].Record.Seq, s.Stats.RingDropped+1+uint64(i); got != want {
			return fmt.Errorf("torn: record %d where %d belongs", got, want)
		}
	}
	return nil
}

func TestRefusedInputIsCountedAndLogged(t *testing.T) {
	errNo := errors.New("no such thing")
	l := loop.New(funcs{step: func(loop.Input, *loop.Ready) error { return errNo }}, loop.Options{Node: "n1"})
	require.ErrorIs(t, l.Step(loop.Input{WallMs: 7}), errNo)
	require.EqualValues(t, 1, l.Stats().Refused)
	require.Equal(t, []appender.Record{{Seq: 1, TimeMs: 7, Node: "n1", Incarnation: 1, Level: appender.Warn,
		Message: "input refused: no such thing"}}, l.Ready().Records)
}

func TestOutcomeOfNoActionNeverReachesTheModel(t *testing.T) {
	var got []uint64
	l := loop.New(funcs{
		step: func(in loop.Input, _ *loop.Ready) error { got = append(got, in.Action); return nil },
		tick: func(_ time.Duration, out *loop.Ready) { out.Do("poke", 1, nil) },
	}, loop.Options{})
	l.Tick(0, 0)
	require.ErrorIs(t, l.Step(loop.Input{Action: 2}), loop.ErrAction, "never emitted")
	require.NoError(t, l.Step(loop.Input{Action: 1}))
	require.ErrorIs(t, l.Step(loop.Input{Action: 1}), loop.ErrAction, "answered before")
	require.Equal(t, []uint64{1}, got)
}

func TestMisusePanicsAndSaysWhy(t *testing.T) {
	var kept *loop.Ready
	l := loop.New(funcs{step: func(_ loop.Input, out *loop.Ready) error { kept = out; return nil }}, loop.Options{})
	require.NoError(t, l.Step(loop.Input{}))
	l.Log(0, 0, line)
	const outside = "loop: Ready used outside of a step; a model must not keep it"
	require.PanicsWithValue(t, outside, func() { kept.Log(line) })
	require.PanicsWithValue(t, outside, func() { kept.Send(1, nil) })
	require.PanicsWithValue(t, outside, func() { kept.Do("poke", 1, nil) })
	require.PanicsWithValue(t, outside, func() { new(loop.Ready).Log(line) })

	var again *loop.Loop
	nested := map[string]func(){
		"loop: Step, Log or Tick during a step": func() { _ = again.Step(loop.Input{}) },
		"loop: Advance during a step":           func() { again.Advance() },
	}
	for want, misuse := range nested {
		again = loop.New(funcs{tick: func(time.Duration, *loop.Ready) { misuse() }}, loop.Options{})
		require.PanicsWithValue(t, want, func() { again.Tick(0, 0) })
	}

	require.PanicsWithValue(t, "loop: record 1 settled as pending", func() { l.Settle(1, appender.Pending) })
	require.PanicsWithValue(t, "loop: record 1 settled as outcome?", func() { l.Settle(1, appender.Outcome(appender.NumOutcomes)) })
	require.PanicsWithValue(t, "loop: record 0 settled of 1 emitted", func() { l.Settle(0, appender.Appended) })
	require.PanicsWithValue(t, "loop: record 2 settled of 1 emitted", func() { l.Settle(2, appender.Appended) })
	require.PanicsWithValue(t, "loop: negative tick interval", func() { loop.New(idle{}, loop.Options{Tick: -1}) })
}

func TestModelThatPanicsLeavesALoopToGoOnWith(t *testing.T) {
	panics := true
	boom := func() {
		if panics {
			panic("boom")
		}
	}
	l := loop.New(funcs{
		step: func(loop.Input, *loop.Ready) error { boom(); return nil },
		tick: func(time.Duration, *loop.Ready) { boom() },
	}, loop.Options{})
	require.PanicsWithValue(t, "boom", func() { _ = l.Step(loop.Input{}) })
	require.PanicsWithValue(t, "boom", func() { l.Tick(time.Second, 0) })
	at, ok := l.NextTick()
	require.True(t, ok)
	require.Equal(t, 1500*time.Millisecond, at, "the tick that panicked is over")
	panics = false
	require.NoError(t, l.Step(loop.Input{Now: time.Second}))
	l.Log(time.Second, 0, line)
	l.Tick(at, 0)
	require.EqualValues(t, 2, l.Stats().Ticks)
}

func TestReadyKeepsNothingAliveAndNoBurstsMemory(t *testing.T) {
	l := loop.New(funcs{tick: func(_ time.Duration, out *loop.Ready) {
		out.Do("poke", 1, new(int))
		out.Send(2, new(int))
		out.Log(line)
	}}, loop.Options{})
	l.Tick(0, 0)
	r := l.Ready()
	actions, messages, records := r.Actions[:1], r.Messages[:1], r.Records[:1]
	l.Advance()
	require.Zero(t, actions[0])
	require.Zero(t, messages[0])
	require.Zero(t, records[0])
	require.Equal(t, []int{0, 0, 0}, []int{len(r.Actions), len(r.Messages), len(r.Records)})
	require.NotZero(t, cap(r.Records), "the room is reused")

	for range 10_000 {
		l.Log(0, 0, line)
	}
	l.Advance()
	require.Zero(t, cap(r.Records), "a burst's room is given back")
}

func TestLogLineAllocatesNothingInTheSteadyState(t *testing.T) {
	for name, run := range map[string]func() func(){
		"log": func() func() {
			l := full(idle{})
			return func() {
				l.Log(1, 1, line)
				l.Settle(l.Stats().Records, appender.Appended)
				l.Advance()
			}
		},
		"step": func() func() {
			l := full(logger{line})
			return func() {
				if l.Step(loop.Input{Now: 1}) != nil {
					panic("refused")
				}
				l.Advance()
			}
		},
		"tick without readers": func() func() {
			l := full(logger{line})
			l.Tick(1, 1)
			return func() {
				l.Tick(1, 1)
				l.Advance()
			}
		},
		"digest": func() func() {
			l := full(logger{line})
			return func() { l.Digest(0) }
		},
		"snapshot": func() func() {
			l := full(logger{line})
			return func() { l.Snapshot() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Zero(t, testing.AllocsPerRun(1000, run()))
		})
	}
}
