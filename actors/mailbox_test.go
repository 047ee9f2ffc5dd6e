package actors

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/sim/trace"
)

// handDriver is a driver that is stepped by hand, one actor's message at a time.
type handDriver struct {
	steps   []func()
	enabled []bool
	causes  []uint64
	child   uint64
	freed   []bool
}

func (d *handDriver) Now() time.Duration { return 0 }
func (d *handDriver) NewActor(_ uint32, step func()) uint32 {
	d.steps, d.enabled = append(d.steps, step), append(d.enabled, false)
	d.causes, d.freed = append(d.causes, 0), append(d.freed, false)
	return uint32(len(d.steps))
}
func (d *handDriver) FreeActor(id uint32) { d.freed[id-1], d.enabled[id-1] = true, false }
func (d *handDriver) Enable(id uint32, cause uint64) {
	if d.enabled[id-1] {
		panic("enabled twice")
	}
	d.enabled[id-1], d.causes[id-1] = true, cause
}
func (d *handDriver) Disable(id uint32)                       { d.enabled[id-1] = false }
func (d *handDriver) Cause() uint64                           { return 0 }
func (d *handDriver) Child() uint64                           { d.child++; return d.child }
func (d *handDriver) At(time.Duration, uint32, func()) uint64 { return 1 }
func (d *handDriver) Cancel(uint64) bool                      { return false }
func (d *handDriver) Park(uint32)                             { panic("parked") }
func (d *handDriver) Unpark(uint32)                           {}

// step takes the actor's next message, if it has one, and returns its cause.
func (d *handDriver) step(id uint32) (cause uint64, ok bool) {
	if !d.enabled[id-1] {
		return 0, false
	}
	d.enabled[id-1], cause = false, d.causes[id-1]
	d.steps[id-1]()
	return cause, true
}

// scribe is a behaviour that notes what it gets.
type scribe struct {
	got   []entry
	calls []string
	panic map[string]int // how often to panic at what
	ctx   actor.Context
}

func (s *scribe) at(what string) {
	s.calls = append(s.calls, what)
	if s.panic[what] > 0 {
		s.panic[what]--
		panic("panic at " + what)
	}
}
func (s *scribe) handle(e *entry) {
	s.got = append(s.got, *e)
	s.at(fmt.Sprintf("message %d", e.seq))
}
func (s *scribe) started(c actor.Context) { s.ctx = c; s.at("started") }
func (s *scribe) restarting()             { s.at("restarting") }
func (s *scribe) stopping()               { s.at("stopping") }
func (s *scribe) stopped()                { s.at("stopped") }

// restartAtOnce restarts whatever fails, so that tests of a mailbox need no clock.
type restartAtOnce struct{ failures int }

func (s *restartAtOnce) HandleFailure(_ *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, _, _ any) {
	s.failures++
	sup.RestartChildren(child)
}

// lone is an actor on its own.
func lone(t require.TestingT, d Driver, b behaviour, guardian actor.SupervisorStrategy, controls, droppables int) (*mailbox, *actor.ActorSystem, *actor.PID) {
	var rt *runtime
	if d != nil {
		rt = NewSimulated(d).(*runtime)
	} else {
		rt = NewLive().(*runtime)
	}
	n := &Node{rt: rt, o: NodeOptions{ID: 1, Name: "lone"}}
	mb := rt.newMailbox(n, trace.RoleLoop, 4, controls, droppables)
	sys := newSystem("lone")
	pid, err := sys.Root.SpawnNamed(props(mb, b, nil).Configure(actor.WithGuardian(guardian)), "lone")
	require.NoError(t, err)
	return mb, sys, pid
}

// The mailbox delivers in the order that its documentation says, one message a
// step, drops the oldest droppable message and no other, and enables itself
// with the cause of the message that comes next.
func TestMailboxDeliversInOrderAndDropsTheOldest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &handDriver{}
		s := &scribe{}
		size := rapid.IntRange(1, 6).Draw(t, "size")
		mb, _, _ := lone(t, d, s, &restartAtOnce{}, 200, size)
		var dropped []uint64
		mb.onDrop = func(e *entry) { dropped = append(dropped, e.seq) }
		_, ok := d.step(1)
		require.True(t, ok, "Started")
		type waiting struct {
			l          lane
			seq, cause uint64
		}
		var model []waiting // in the order of posting
		var lost []uint64
		suspended := false
		next := func() int {
			for i, w := range model {
				if w.l == urgent {
					return i
				}
			}
			return 0
		}
		for seq := uint64(1); seq <= 60; seq++ {
			switch op := rapid.IntRange(0, 6).Draw(t, "op"); {
			case op <= 3:
				l := rapid.SampledFrom([]lane{urgent, control, droppable, droppable}).Draw(t, "lane")
				n := 0
				for _, w := range model {
					if w.l == l {
						n++
					}
				}
				if l == urgent && n == 4 {
					continue
				}
				if l == droppable && n == size {
					for i, w := range model {
						if w.l == droppable {
							lost = append(lost, w.seq)
							model = append(model[:i:i], model[i+1:]...)
							break
						}
					}
				}
				require.True(t, mb.post(l, &entry{kind: kindPeer, seq: seq}))
				model = append(model, waiting{l, seq, d.child})
			case op == 4:
				suspended = !suspended
				if suspended {
					mb.PostSystemMessage(&actor.SuspendMailbox{})
				} else {
					mb.PostSystemMessage(&actor.ResumeMailbox{})
				}
				_, ok := d.step(1)
				require.True(t, ok, "a system message is delivered, suspended or not")
			default:
				before := len(s.got)
				cause, ok := d.step(1)
				if suspended || len(model) == 0 {
					require.False(t, ok, "nothing is to be delivered")
					continue
				}
				require.True(t, ok)
				require.Len(t, s.got, before+1, "one message a step")
				i := next()
				require.Equal(t, model[i].seq, s.got[before].seq)
				require.Equal(t, model[i].cause, cause)
				model = append(model[:i:i], model[i+1:]...)
			}
			require.Equal(t, lost, dropped)
			require.Equal(t, len(model), mb.UserMessageCount())
		}
	})
}

// System messages come first, whatever waits.
func TestSystemMessagesComeFirst(t *testing.T) {
	d := &handDriver{}
	s := &scribe{}
	mb, sys, pid := lone(t, d, s, &restartAtOnce{}, 10, 10)
	d.step(1)
	mb.post(urgent, &entry{kind: kindPeer, seq: 1})
	sys.Root.Stop(pid)
	d.step(1)
	require.Equal(t, []string{"started", "stopping", "stopped"}, s.calls)
	require.True(t, d.freed[0], "a stopped actor is the driver's no more")
	require.False(t, mb.post(control, &entry{}), "a closed mailbox takes nothing")
}

// A control lane that its protocol does not bound is a bug, and panics.
func TestAControlLaneBeyondItsBoundPanics(t *testing.T) {
	mb, _, _ := lone(t, &handDriver{}, &scribe{}, &restartAtOnce{}, 2, 1)
	for range 2 {
		mb.post(control, &entry{})
	}
	require.Panics(t, func() { mb.post(control, &entry{}) })
}

// A message whose handler panics is consumed by that, and no other is.
func TestAPanicConsumesExactlyItsMessage(t *testing.T) {
	d := &handDriver{}
	s := &scribe{panic: map[string]int{"message 2": 1}}
	g := &restartAtOnce{}
	mb, _, _ := lone(t, d, s, g, 10, 10)
	for seq := range uint64(4) {
		mb.post(droppable, &entry{kind: kindPeer, seq: seq})
	}
	for range 20 {
		d.step(1)
	}
	require.Equal(t, []string{"started", "message 0", "message 1", "message 2", "restarting", "started", "message 3"}, s.calls)
	require.Equal(t, 1, g.failures)
}

// Panics in an actor's lifecycle lead nowhere but to its supervisor: in Started
// and Restarting to another restart; while it stops, to nothing at all.
func TestPanicsInTheLifecycle(t *testing.T) {
	for when, want := range map[string][]string{
		"started":    {"started", "restarting", "started", "message 1", "stopping", "stopped"},
		"message 1":  {"started", "message 1", "restarting", "started", "stopping", "stopped"},
		"restarting": {"started", "message 1", "restarting", "restarting", "started", "stopping", "stopped"},
		"stopping":   {"started", "message 1", "stopping", "stopped"},
		"stopped":    {"started", "message 1", "stopping", "stopped"},
	} {
		t.Run(when, func(t *testing.T) {
			d := &handDriver{}
			s := &scribe{panic: map[string]int{when: 1}}
			if when == "restarting" {
				s.panic["message 1"] = 1
			}
			mb, sys, pid := lone(t, d, s, &restartAtOnce{}, 10, 10)
			mb.post(control, &entry{kind: kindPeer, seq: 1})
			for range 10 {
				d.step(1)
			}
			sys.Root.Stop(pid)
			for range 10 {
				d.step(1)
			}
			require.Equal(t, want, s.calls)
			require.True(t, d.freed[0], "it has stopped for good")
			_, there := sys.ProcessRegistry.GetLocal("lone")
			require.False(t, there)
		})
	}
}

// Live, senders never block and lose nothing but by the rule, however many
// there are; and every message is delivered on one goroutine at a time.
func TestALiveMailboxTakesFromManySenders(t *testing.T) {
	const senders, each = 8, 2000
	s := &counting{last: map[uint64]uint64{}}
	mb, _, _ := lone(t, nil, s, &restartAtOnce{}, 1, 64)
	mb.onDrop = func(*entry) { s.dropped++ }
	var wg sync.WaitGroup
	for id := range uint64(senders) {
		wg.Go(func() {
			for seq := range uint64(each) {
				mb.post(droppable, &entry{kind: kindPeer, from: id, seq: seq + 1})
			}
		})
	}
	wg.Wait()
	require.Eventually(t, func() bool {
		mb.mu.Lock()
		defer mb.mu.Unlock()
		return !mb.busy && !mb.enabled
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, senders*each, s.handled+s.dropped)
	require.False(t, s.disorder, "a sender's messages overtook each other")
}

// counting is a behaviour that would race if two goroutines ran it.
type counting struct {
	scribe
	handled, dropped int
	last             map[uint64]uint64
	disorder         bool
}

func (c *counting) started(actor.Context) {}
func (c *counting) handle(e *entry) {
	c.handled++
	c.disorder = c.disorder || e.seq <= c.last[e.from]
	c.last[e.from] = e.seq
}
