package meshos_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/loop"
	"meshsim/loop/meshos"
)

// event is one thing that happens to a node. Action is a place in the list of
// actions in flight, not a number, so that a script needs no knowledge of them.
type event struct {
	dt      time.Duration
	in      loop.Input
	outcome bool
	pick    int
}

type life struct {
	opt    meshos.Options
	offset time.Duration // of all events
	events []event
}

var events = rapid.Custom(func(t *rapid.T) event {
	e := event{dt: time.Duration(rapid.Int64Range(0, 2500).Draw(t, "dt")) * ms}
	peer := rapid.Uint64Range(2, 5).Draw(t, "peer")
	daemon := rapid.Uint64Range(1, 4).Draw(t, "daemon")
	switch rapid.IntRange(0, 8).Draw(t, "what") {
	case 0, 1:
		e.in = loop.Input{From: peer, Msg: meshos.Heartbeat{Origin: peer}}
	case 2:
		e.in = loop.Input{From: peer, Msg: meshos.Heartbeat{Origin: 1, SentAt: -time.Duration(rapid.Int64Range(200, 300).Draw(t, "rtt")) * ms}}
	case 3:
		e.in.Msg = meshos.Crashed{Daemon: daemon, Reason: "boom"}
	case 4:
		e.in.Msg = meshos.Started{Daemon: daemon}
	case 5:
		e.in.Msg = rapid.SampledFrom([]any{meshos.ExitedCleanly{Daemon: daemon}, meshos.ForceRestart{Daemon: daemon}, "garbage"}).Draw(t, "msg")
	case 6:
		e.in.Msg = meshos.Intend{Daemon: daemon, Intent: meshos.Intent(rapid.IntRange(0, 1).Draw(t, "intent"))}
	default:
		e.outcome, e.pick = true, rapid.IntRange(0, 9).Draw(t, "pick")
		if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
			e.in.Err = errors.New("busy")
		}
	}
	return e
})

var lives = rapid.Custom(func(t *rapid.T) life {
	return life{
		offset: rapid.SampledFrom([]time.Duration{0, 1}).Draw(t, "offset"),
		opt: meshos.Options{
			Self:      1,
			Peers:     rapid.SliceOfN(rapid.Uint64Range(1, 6), 0, 5).Draw(t, "peers"),
			Heartbeat: rapid.SampledFrom([]time.Duration{-1, 0, 700 * ms, 5 * time.Second}).Draw(t, "heartbeat"),
			AvoidTTL:  10 * time.Second,
			Daemons: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) meshos.Daemon {
				return meshos.Daemon{ID: rapid.Uint64Range(1, 3).Draw(t, "id"), Intent: meshos.Intent(rapid.IntRange(0, 1).Draw(t, "intent"))}
			}), 0, 3).Draw(t, "daemons"),
		},
		events: rapid.SliceOfN(events, 0, 80).Draw(t, "events"),
	}
})

// told is what a node did: all that it emitted, each with its time, and what it
// showed and digested to after each event.
type told struct {
	emitted []string
	views   []any
	digests []uint64
	models  []uint64 // of the model alone, if it has one
	ticks   uint64
	twice   error // an action was emitted while the same was in flight
	past    error // a tick was asked for in the past
}

// live plays a life, with ticks exactly when the loop asks for them.
func live(s life, m loop.Model) (told told) {
	l := loop.New(m, loop.Options{Node: "n1", ID: 1})
	var flying []loop.Action
	var now time.Duration
	take := func() {
		r := l.Ready()
		for _, a := range r.Actions {
			for _, f := range flying {
				if f.Kind == a.Kind && f.Target == a.Target {
					told.twice = fmt.Errorf("at %v: %+v emitted while %+v is in flight", now, a, f)
				}
			}
			flying = append(flying, a)
			told.emitted = append(told.emitted, fmt.Sprintf("%v %+v", now, a))
		}
		for _, m := range r.Messages {
			told.emitted = append(told.emitted, fmt.Sprintf("%v %+v", now, m))
		}
		for _, rec := range r.Records {
			told.emitted = append(told.emitted, fmt.Sprintf("%v %v", now, rec))
		}
		l.Advance()
	}
	tickUntil := func(end time.Duration) {
		for at, ok := l.NextTick(); ok && at <= end; at, ok = l.NextTick() {
			now = at
			l.Tick(now, 0)
			take()
		}
		now = end
	}
	tickUntil(s.offset)
	for _, e := range s.events {
		tickUntil(now + e.dt)
		in := e.in
		in.Now = now
		if h, ok := in.Msg.(meshos.Heartbeat); ok && h.Origin == 1 {
			h.SentAt += now
			in.Msg = h
		}
		if e.outcome {
			if len(flying) == 0 {
				continue
			}
			i := e.pick % len(flying)
			in.Action = flying[i].ID
			flying = append(flying[:i:i], flying[i+1:]...)
		}
		_ = l.Step(in)
		take()
		if at, ok := l.NextTick(); ok && at < now {
			told.past = fmt.Errorf("at %v the next tick is at %v", now, at)
		}
		told.views = append(told.views, m.(loop.Viewer).View())
		told.digests = append(told.digests, l.Digest(0))
		if d, ok := m.(loop.Digester); ok {
			told.models = append(told.models, d.Digest(0))
		}
	}
	tickUntil(now + 20*time.Second)
	told.ticks = l.Stats().Ticks
	return told
}

func TestEqualInputsGiveEqualOutputsAndDigests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := lives.Draw(t, "life")
		require.Equal(t, live(s, meshos.New(s.opt)), live(s, meshos.New(s.opt)))
	})
}

func TestNoActionIsEmittedWhileTheSameIsInFlight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := lives.Draw(t, "life")
		if err := live(s, meshos.New(s.opt)).twice; err != nil {
			t.Fatal(err)
		}
	})
}

func TestNoTickIsAskedForInThePast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := lives.Draw(t, "life")
		if err := live(s, meshos.New(s.opt)).past; err != nil {
			t.Fatal(err)
		}
	})
}

// restless is a model that never idles.
type restless struct{ m *meshos.Model }

func (r restless) Step(in loop.Input, out *loop.Ready) error { return r.m.Step(in, out) }
func (r restless) Tick(now time.Duration, out *loop.Ready)   { r.m.Tick(now, out) }
func (r restless) View() any                                 { return r.m.View() }

// withoutGates leaves out of views what only a tick updates: an elapsed gate
// that nothing waits for.
func withoutGates(views []any) []any {
	for _, v := range views {
		for i := range v.(*meshos.View).Daemons {
			d := &v.(*meshos.View).Daemons[i]
			d.Gate, d.GateUntil = meshos.Open, 0
		}
	}
	return views
}

func TestIdlingChangesNothingButTheTicks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := lives.Draw(t, "life")
		// Off the ticks: a node that idles answers an input that comes with a
		// regular tick at that very tick, where one that does not idle has
		// just taken it.
		s.offset = 1
		a, b := live(s, meshos.New(s.opt)), live(s, restless{meshos.New(s.opt)})
		require.Equal(t, b.emitted, a.emitted)
		require.Equal(t, withoutGates(b.views), withoutGates(a.views))
		require.LessOrEqual(t, a.ticks, b.ticks)
	})
}

func TestDigestChangesWithWhatTheViewShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := lives.Draw(t, "life")
		told := live(s, meshos.New(s.opt))
		for i := 1; i < len(told.views); i++ {
			if told.models[i] == told.models[i-1] {
				require.Equal(t, told.views[i-1], told.views[i])
			}
		}
	})
}

func TestNodeWithNothingDueDoesNotTick(t *testing.T) {
	for name, o := range map[string]meshos.Options{
		"no heartbeats, no daemons":    {Peers: []uint64{2, 3}, Heartbeat: -1},
		"no peers, no daemons":         {},
		"a daemon that is to be still": {Heartbeat: -1, Daemons: []meshos.Daemon{{ID: 1, Intent: meshos.Stop}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, ok := newNode(t, o).NextTick()
			require.False(t, ok)
		})
	}
}

func TestHeartbeatsAllocateNothingButOneMessageARound(t *testing.T) {
	l := mesh30()
	now := time.Duration(0)
	allocs := func(f func()) float64 { return testing.AllocsPerRun(1000, f) }
	require.EqualValues(t, 1, allocs(func() {
		now += 500 * ms
		l.Tick(now, 0)
		l.Advance()
	}), "one for the 29 that are sent")
	for id := range uint64(30) { // once heard, they are healthy, and logged
		_ = l.Step(loop.Input{Now: now, From: id + 1, Msg: meshos.Heartbeat{Origin: id + 1}})
	}
	l.Advance()
	var ping, pong any = meshos.Heartbeat{Origin: 7}, meshos.Heartbeat{Origin: 1, SentAt: now}
	for name, in := range map[string]loop.Input{
		"an answer": {Now: now, From: 7, Msg: ping},
		"a round":   {Now: now, From: 7, Msg: pong},
	} {
		require.Zero(t, allocs(func() {
			if l.Step(in) != nil {
				panic("refused")
			}
			l.Digest(0)
			l.Advance()
		}), name)
	}
}
