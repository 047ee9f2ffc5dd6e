package sim

import (
	"context"
	"fmt"
	"sync/atomic"

	"meshsim/actors"
	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// node is one node of the world, across its incarnations.
//
// What every message touches comes first, and fills one cache line.
type node struct {
	// actor is the incarnation that is up, nil while the node is down. Live,
	// the network's timers read it.
	actor       atomic.Pointer[actors.Node]
	w           *world
	clock       wallclock
	id          uint32
	incarnation uint32

	name     string
	key      uint64
	model    loop.Model
	durable  any // what the last crash left
	shadowed bool

	crashes int       // crashes in force: the node is up at 0
	pauses  int       // pauses in force
	slows   []float64 // factors of the slows in force

	control *appender.Control
	open    appender.Opener
	spoils  []spoilt
	hangs   int                 // faults in force that make calls hang
	store   *appender.Buffering // the built-in appender's, if it buffers
	disk    *nodeDisk           // what a filelog is on
	tenants []*tenancy          // of the user's appenders, those that may be open
	tried   atomic.Uint64       // records that no fault kept from the innermost appender
	opens   atomic.Uint64       // calls of open

	past Records // of the incarnations that are over

	_ [56]byte // keeps the nodes of a world on cache lines
}

// reset makes the node a new one, down, of world w.
func (n *node) reset(w *world, id uint32) {
	n.w, n.id, n.key = w, id, mix(mix(w.seed, rootNodes), uint64(id))
	n.name = NodeName(int(id))
	n.actor.Store(nil)
	n.incarnation, n.model, n.durable, n.shadowed = w.cfg.Incarnation-1, nil, nil, false
	n.crashes, n.pauses, n.slows = 0, 0, n.slows[:0]
	n.clock.reset(w.epoch)
	n.control = appender.NewControl(n.key)
	n.control.OnStrike(n.onStrike)
	n.open = n.counted(appender.FaultyOpener(n.opener(), n.control))
	n.opens.Store(0)
	n.spoils, n.hangs, n.store, n.disk = n.spoils[:0], 0, nil, nil
	if w.cfg.Open == nil && w.cfg.Appender.Kind == appenderBuffering {
		n.store = appender.NewBuffering(w.cfg.Appender.Capacity)
	}
	if w.cfg.simulatesDisks() {
		n.disk = newNodeDisk(&w.cfg.Disk, mix(mix(n.key, rootSinks), sinkDisk))
	}
	n.tried.Store(0)
	n.past = Records{}
}

// counted counts the openings of an appender.
func (n *node) counted(open appender.Opener) appender.Opener {
	return func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		n.opens.Add(1)
		return open(ctx, env)
	}
}

// release lets go of what the run was made of: a world that is kept for the
// next run keeps nothing of this one alive.
func (n *node) release() {
	n.actor.Store(nil)
	n.model, n.durable, n.store, n.disk, n.open, n.control = nil, nil, nil, nil, nil, nil
	n.tenants = nil
	clear(n.spoils[:cap(n.spoils)])
}

// start begins the next incarnation.
func (n *node) start() error {
	n.incarnation++
	w, h := n.w, &n.w.cfg.Host
	n.model = n.newModel(n.durable)
	exec := n.executor()
	opts := actors.NodeOptions{
		ID: uint64(n.id), Name: n.name, Incarnation: n.incarnation,
		Seed: mix(n.key, uint64(n.incarnation)),
		Loop: loop.Options{
			Node: n.name, ID: uint64(n.id), Incarnation: n.incarnation,
			Start: w.now(), Tick: w.cfg.Loop.Tick, Ring: w.cfg.Loop.Ring,
		},
		Host: actors.Host{
			Open: n.open, Inbox: h.Inbox, Batch: h.Batch,
			Attempts: h.Attempts, Abandoned: h.Abandoned, Deadline: h.Deadline, Grace: h.Grace,
			Backoff: h.Backoff, MaxBackoff: h.MaxBackoff, Probe: h.Probe,
		},
		Exec:    exec,
		Inbox:   w.cfg.Loop.Inbox,
		Send:    n.send,
		Wall:    n.clock.at,
		Observe: w.court.observe,
		Wants:   w.court.wants,
	}
	if n.shadowed {
		opts.Shadow = n.shadow(opts.Loop, n.durable)
	}
	a, err := w.rt.Spawn(opts, n.model)
	if err != nil {
		return fmt.Errorf("sim: starting %s: %w", n.name, err)
	}
	n.actor.Store(a)
	if d, ok := exec.(*daemons); ok {
		d.actor.Store(a)
	}
	if n.pauses > 0 {
		n.w.tell(trace.Event{Kind: trace.NodePaused, Node: n.id, Incarnation: n.incarnation})
	}
	return nil
}

// shadow makes, when called, a loop equal to the incarnation's at its start.
func (n *node) shadow(o loop.Options, durable any) func() *loop.Loop {
	return func() *loop.Loop { return loop.New(n.newModel(durable), o) }
}

func (n *node) send(to uint64, msg any) {
	if to > uint64(len(n.w.nodes)) {
		to = 0
	}
	n.w.net.send(n.id, uint32(to), msg)
}

// Durable is an optional interface of models that survive a crash in part.
// Durable is called when the node crashes, on a model that is not used any
// more; what it returns is handed to Config.Model when the node restarts.
type Durable interface{ Durable() any }

// begin applies a node fault; false if there was nothing to strike.
func (n *node) begin(s *strike) bool {
	now, f := n.w.now(), &s.fault
	struck := true
	switch f.Kind {
	case kindCrash:
		struck = n.actor.Load() != nil
		n.crashes++
		if struck {
			n.crash()
		}
	case kindPause:
		if n.pauses++; n.pauses == 1 {
			n.w.stage.pause(n.id)
			n.tellUp(trace.NodePaused)
		}
	case kindSlow:
		n.slows = append(n.slows, f.Factor)
	case kindSkew:
		n.clock.skew(now, f.Factor)
	case kindJump:
		n.clock.jump(now, f.By)
	}
	if struck {
		s.promise.fired++
	}
	return struck
}

// end takes a node fault back; others of its kind stay in force.
func (n *node) end(s *strike) error {
	now, f := n.w.now(), &s.fault
	switch f.Kind {
	case kindCrash:
		if n.crashes--; n.crashes == 0 {
			return n.start()
		}
	case kindPause:
		if n.pauses--; n.pauses == 0 {
			n.w.stage.resume(n.id)
			n.tellUp(trace.NodeResumed)
		}
	case kindSlow:
		n.slows = without(n.slows, f.Factor)
	case kindSkew:
		n.clock.unskew(now, f.Factor)
	}
	return nil // a jump is not taken back
}

func (n *node) tellUp(k trace.Kind) {
	if n.actor.Load() != nil {
		n.w.tell(trace.Event{Kind: k, Node: n.id, Incarnation: n.incarnation})
	}
}

// crash ends the incarnation: volatile state is gone, the appender's store and
// what the model calls durable stay. To a disk it is a power failure: calls that
// are still in it change nothing any more.
func (n *node) crash() {
	a := n.actor.Load()
	n.actor.Store(nil)
	a.Crash()
	if n.disk != nil {
		n.disk.fail()
	}
	n.past.sum(recordsOf(a.Stats()))
	n.durable = nil
	if d, ok := n.model.(Durable); ok {
		n.durable = d.Durable()
	}
	n.model = nil
}

// slowness is the largest of the slows in force.
func (n *node) slowness() float64 {
	f := 1.0
	for _, x := range n.slows {
		f = max(f, x)
	}
	return f
}

// quiet reports whether nothing is pending and the circuit is closed.
func (n *node) quiet() bool {
	a := n.actor.Load()
	if a == nil {
		return false
	}
	s := a.Stats()
	return s.Ledger.Pending() == 0 && !s.CircuitOpen
}

// exposed counts the occasions that an appender fault of a kind had at this
// node: openings, or records that were let through to be stored, and what it
// struck itself. What another fault struck first was no occasion.
func (n *node) exposed(kind string) uint64 {
	switch {
	case classOf(kind) == classDisk:
		_, x := n.disk.struck(kind)
		return x
	case classOf(kind) == classOpen:
		x := n.opens.Load()
		for _, k := range appender.FaultKinds() {
			if k != kind && classOf(k) == classOpen {
				x -= n.control.Struck(k)
			}
		}
		return x
	case kind == kindAppliedError:
		return n.tried.Load() // it strikes what was let through
	}
	return n.tried.Load() + n.control.Struck(kind)
}

// onStrike counts a call that an appender fault struck, for every fault of the
// kind in force at the node.
func (n *node) onStrike(kind string) {
	n.w.spoilMu.Lock()
	defer n.w.spoilMu.Unlock()
	for i := range n.spoils {
		if p := n.spoils[i].strike.promise; p.kind == kind {
			p.fired++
		}
	}
}

// digest folds the state of the node's loop.
func (n *node) digest() uint64 {
	if a := n.actor.Load(); a != nil {
		return a.LoopDigest(uint64(n.id))
	}
	return 0
}

// audit compares the ledger of the node's host with where its records are.
func (n *node) audit() error {
	if a := n.actor.Load(); a != nil {
		if err := a.Audit(); err != nil {
			return fmt.Errorf("sim: seed %d: %s: %w", n.w.seed, n.name, err)
		}
	}
	return nil
}

// records is the node's accounting over all incarnations.
func (n *node) records() Records {
	r := n.past
	if a := n.actor.Load(); a != nil {
		r.sum(recordsOf(a.Stats()))
	}
	return r
}

func recordsOf(s actors.HostStats) Records {
	l := &s.Ledger
	return Records{
		Emitted: l.Emitted, Appended: l.Appended, Failed: l.Failed, Unknown: l.Unknown,
		Dropped: l.Dropped, Lost: l.Lost, Pending: l.Pending(),
	}
}
