package simtest_test

import (
	"context"
	"fmt"
	"time"

	"meshsim/loop"
	"meshsim/sim"
	"meshsim/sim/trace"
)

// beat is what electors send each other at every tick.
type beat struct{}

// elector is a model of one's own: the lowest node that is alive leads. The
// interesting part is what else it takes to lead.
type elector struct {
	self, nodes uint64
	rules
	heard    []time.Duration // by node: when it was last heard from
	entitled time.Duration   // since when this node meets the rules; 0: it does not
	leads    bool
}

type rules struct {
	quorum   uint64        // nodes, itself included, that a leader has heard from within 2 s
	patience time.Duration // how long it must have been entitled before it leads
}

func (e *elector) Step(in loop.Input, _ *loop.Ready) error {
	if _, ok := in.Msg.(beat); ok {
		e.heard[in.From] = in.Now
	}
	return nil
}

func (e *elector) Tick(now time.Duration, out *loop.Ready) {
	alive, lowest := uint64(1), e.self
	for peer := uint64(1); peer <= e.nodes; peer++ {
		if peer == e.self {
			continue
		}
		out.Send(peer, beat{})
		if now-e.heard[peer] < 2*time.Second {
			alive++
			lowest = min(lowest, peer)
		}
	}
	if lowest != e.self || alive < e.quorum {
		e.entitled = 0
	} else if e.entitled == 0 {
		e.entitled = now
	}
	if leads := e.entitled > 0 && now-e.entitled >= e.patience; leads != e.leads {
		e.leads = leads
		verb := map[bool]string{true: "lead", false: "follow"}[leads]
		out.Do(verb, e.self, nil)
		out.Log(loop.LogLine{Message: "I " + verb})
	}
}

// oneLeader is a checker of one's own: there is never a second leader. A
// model's actions are events, so a checker needs no way into the model.
type oneLeader struct {
	leader  uint32
	changes uint64
}

func (c *oneLeader) Name() string         { return "one-leader" }
func (c *oneLeader) Kinds() trace.KindSet { return trace.Kinds(trace.ActionEmitted, trace.NodeCrashed) }
func (c *oneLeader) Checked() uint64      { return c.changes }

func (c *oneLeader) Observe(e *trace.Event) error {
	switch {
	case e.Kind == trace.ActionEmitted && e.Name == "lead":
		c.changes++
		if c.leader != 0 {
			return fmt.Errorf("n%d leads while n%d does", e.Node, c.leader)
		}
		c.leader = e.Node
	case e.Node == c.leader: // it follows, or crashed
		c.leader = 0
	}
	return nil
}

func (c *oneLeader) Next() (time.Duration, bool) { return 0, false } // owes nothing at any time
func (c *oneLeader) Expire(time.Duration) error  { return nil }
func (c *oneLeader) Finish(time.Duration) error  { return nil }

// election is a scenario in Go: five nodes, two of them cut off for a while.
func election(r rules) sim.Config {
	return sim.Config{
		Nodes: 5, Duration: 30 * time.Second,
		Faults: []sim.Fault{{
			Kind: "partition", At: 10 * time.Second, For: 10 * time.Second,
			Groups: [][]string{{"n1", "n2"}, {"n3", "n4", "n5"}},
		}},
		Model: func(node uint64, _ any) loop.Model {
			return &elector{self: node, nodes: 5, rules: r, heard: make([]time.Duration, 6)}
		},
	}
}

// An integration of one's own, prototyped in the simulator: a loop model, a
// property that it must have, and a scenario that tries it.
func Example_ownModel() {
	check := func() trace.Checker { return new(oneLeader) }
	for _, r := range []rules{{quorum: 1}, {quorum: 3}, {quorum: 3, patience: 3 * time.Second}} {
		res, err := sim.Run(context.Background(), election(r), 17, check)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("quorum %d, patience %v: %s %s\n", r.quorum, r.patience, res.Verdict, res.Invariants[0].Violation)
	}
	// Output:
	// quorum 1, patience 0s: violated n3 leads while n1 does
	// quorum 3, patience 0s: violated n1 leads while n3 does
	// quorum 3, patience 3s: held
}
