package actors

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// behaviour is what an actor of this package does, free of protoactor: it gets
// its messages as entries, and time from its node's clock alone, so nothing in
// it can reach protoactor's timers, futures or receive timeouts, which run on
// the real clock.
type behaviour interface {
	handle(e *entry)
	// started follows the spawning and every restart; restarting and
	// stopping come before what they say, stopped after.
	started(c actor.Context)
	restarting()
	stopping()
	stopped()
}

// facade is the protoactor actor around a behaviour. Facade and behaviour outlive
// restarts, so the actor's state does.
type facade struct {
	b  behaviour
	mb *mailbox
}

// Receive implements [actor.Actor].
func (f *facade) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *entry:
		if m.kind == kindRaise {
			f.mb.raisedNow()
			panic(m.err)
		}
		f.b.handle(m)
	case *actor.Started:
		f.b.started(c)
	case *actor.Restarting:
		f.b.restarting()
	case *actor.Stopping:
		f.harmless("stopping", f.b.stopping)
	case *actor.Stopped:
		f.harmless("stopped", f.b.stopped)
		f.mb.close()
	}
}

// harmless runs the last words of an actor. A panic in them would make
// protoactor restart an actor that is to stop, or leave one that its parent
// waits for for ever; here it is told, and the stop goes on.
func (f *facade) harmless(when string, last func()) {
	defer func() {
		if v := recover(); v != nil {
			f.mb.n.lastWords(f.mb.role, fmt.Errorf("%s: %w", when, &appender.PanicError{Value: v}))
		}
	}()
	last()
}

// props makes the properties of an actor with the mailbox and supervisor of its
// children given; nil if it has none.
func props(mb *mailbox, b behaviour, children actor.SupervisorStrategy) *actor.Props {
	mb.facade = facade{b, mb}
	p := actor.PropsFromProducer(
		func() actor.Actor { return &mb.facade },
		actor.WithMailbox(func() actor.Mailbox { return mb }))
	if children != nil {
		p.Configure(actor.WithSupervisor(children))
	}
	return p
}

// lastWords tells of a panic while an actor stopped. It calls for no restart.
func (n *Node) lastWords(role uint32, err error) {
	if n.wants.Has(trace.Mark) {
		e := n.begin(trace.Mark)
		e.Actor, e.Name, e.Err = role, "panic-while-stopping", err
		n.end(e)
	}
}
