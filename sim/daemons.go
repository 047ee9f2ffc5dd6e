package sim

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"meshsim/actors"
	"meshsim/appender"
	"meshsim/loop"
	"meshsim/loop/meshos"
)

// newModel makes the node's model: the user's, or a MeshOS shaped by the
// configuration, whose peers are the next nodes in a circle.
func (n *node) newModel(durable any) loop.Model {
	c := &n.w.cfg
	if c.Model != nil {
		return c.Model(uint64(n.id), durable)
	}
	o := meshos.Options{Self: uint64(n.id), Heartbeat: c.Mesh.Heartbeat}
	if c.Mesh.Heartbeat != None {
		count := c.Mesh.Peers
		if count == 0 || count >= c.Nodes {
			count = c.Nodes - 1
		}
		o.Peers = make([]uint64, count)
		for i := range o.Peers {
			o.Peers[i] = uint64((int(n.id)+i)%c.Nodes) + 1
		}
	}
	if c.Mesh.Daemons != None {
		o.Daemons = make([]meshos.Daemon, c.Mesh.Daemons)
		for i := range o.Daemons {
			o.Daemons[i].ID = uint64(i + 1)
		}
	}
	return meshos.New(o)
}

// executor makes what carries out the actions of the node's model.
func (n *node) executor() actors.Executor {
	if n.w.cfg.Model == nil {
		return &daemons{node: n, incarnation: n.incarnation}
	}
	if n.w.cfg.Exec != nil {
		return n.w.cfg.Exec(uint64(n.id))
	}
	return nothing{}
}

// nothing carries out every action by doing nothing.
type nothing struct{}

// Do does nothing.
func (nothing) Do(context.Context, appender.Env, loop.Action) (any, error) { return nil, nil }

// daemonMove is how long a daemon takes to start or to stop.
var daemonMove = Uniform(5*time.Millisecond, 50*time.Millisecond)

// daemons carries out a MeshOS model's actions: it starts and stops simulated
// daemons, which crash by Mesh.Crash and tell the model. It starts no
// goroutine: a daemon that runs is a timer.
type daemons struct {
	node        *node
	incarnation uint32
	actor       atomic.Pointer[actors.Node] // to tell of crashes

	mu      sync.Mutex // live, timers fire beside the executor
	running map[uint64]daemon
	moves   uint64
}

// daemon is one that runs.
type daemon struct {
	start uint64      // which start it runs from
	stop  func() bool // of the timer of its crash
}

// The purposes of a daemon's draws, keyed by the number of the move.
const (
	purposeMove = iota + 1
	purposeCrash
)

// Do implements actors.Executor.
func (d *daemons) Do(ctx context.Context, env appender.Env, a loop.Action) (any, error) {
	switch a.Kind {
	case meshos.KindStartDaemon, meshos.KindStopDaemon:
	default:
		return nil, nil // the rest is bookkeeping of the model's own
	}
	d.moves++
	key := mix(mix(mix(d.node.key, rootDaemons), uint64(d.incarnation)), a.Target)
	if err := env.Clock.Sleep(ctx, draw(daemonMove, key, purposeMove, d.moves)); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if was, ok := d.running[a.Target]; ok {
		was.stop()
		delete(d.running, a.Target)
	}
	mean := d.node.w.cfg.Mesh.Crash
	if a.Kind == meshos.KindStopDaemon || mean == 0 {
		return nil, nil
	}
	if d.running == nil {
		d.running = make(map[uint64]daemon)
	}
	start := d.moves
	after := draw(Exponential(mean), key, purposeCrash, start)
	stop := env.Clock.AfterFunc(after, func() { d.crash(a.Target, start) })
	d.running[a.Target] = daemon{start: start, stop: stop}
	return nil, nil
}

// crash ends a daemon and tells the model.
func (d *daemons) crash(id, start uint64) {
	d.mu.Lock()
	was, ok := d.running[id]
	if ok && was.start == start {
		delete(d.running, id)
	}
	d.mu.Unlock()
	if a := d.actor.Load(); a != nil && ok && was.start == start {
		a.Input(meshos.Crashed{Daemon: id, Reason: "exit status 1"})
	}
}
