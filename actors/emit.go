package actors

import (
	"time"

	"meshsim/sim/trace"
)

// begin starts an event of a kind that is wanted: fill it and end it. Live, the
// runtime's events are one sequence, and between the two nobody else has one.
func (n *Node) begin(k trace.Kind) *trace.Event {
	rt := n.rt
	if rt.drv == nil {
		rt.obs.Lock()
	}
	e := &rt.event
	*e = trace.Event{Kind: k, Node: uint32(n.o.ID), Incarnation: n.o.Incarnation, Time: rt.now()}
	return e
}

// end shows an event. Nothing is heard of a node after its end.
func (n *Node) end(e *trace.Event) {
	if n.rt.drv == nil {
		defer n.rt.obs.Unlock()
	}
	if n.silent {
		return
	}
	if e.Kind == trace.NodeCrashed || e.Kind == trace.NodeStopped {
		n.silent = true
	}
	n.o.Observe(e)
}

// hush ends the node's events where its end is of a kind that nobody wants.
func (n *Node) hush() {
	if n.rt.drv == nil {
		n.rt.obs.Lock()
		defer n.rt.obs.Unlock()
	}
	n.silent = true
}

// depth reports a new high-water mark of a queue.
func (n *Node) depth(name string, depth, capacity int) {
	if n.wants.Has(trace.QueueDepth) {
		e := n.begin(trace.QueueDepth)
		e.Name, e.Count, e.Cap = name, uint64(depth), uint64(capacity)
		n.end(e)
	}
}

// actorEvent tells of supervision.
func (n *Node) actorEvent(k trace.Kind, role uint32, attempt uint32, delay time.Duration, err error) {
	if n.wants.Has(k) {
		e := n.begin(k)
		e.Actor, e.Attempt, e.Delay, e.Err = role, attempt, delay, err
		n.end(e)
	}
}

// lineEvent tells of a log line; Lag is how long it has waited.
func (n *Node) lineEvent(k trace.Kind, line *entry) {
	if n.wants.Has(k) {
		e := n.begin(k)
		e.Seq = line.seq
		if k != trace.LineIn {
			e.Lag = e.Time - line.at
		}
		n.end(e)
	}
}
