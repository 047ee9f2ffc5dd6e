package sim_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/props"
	"meshsim/sim"
	"meshsim/sim/trace"
)

// Five nodes, of which the third's appender hangs for a while, ignoring its
// context: the loops go on, and nothing is lost without being counted.
func ExampleRun() {
	r, err := sim.Run(context.Background(), sim.Config{
		Nodes: 5, Duration: 10 * time.Second,
		Load:   []sim.Load{{Kind: "constant", Rate: 20}},
		Faults: []sim.Fault{{At: 2 * time.Second, For: 4 * time.Second, Kind: "append-deaf", Nodes: []string{"n3"}}},
	}, 1, props.All()...)
	if err != nil {
		fmt.Println(err)
		return
	}
	rec := r.Records
	fmt.Println(r.Verdict)
	fmt.Println("accounted for:", rec.Emitted == rec.Appended+rec.Failed+rec.Unknown+rec.Dropped+rec.Lost+rec.Pending)
	fmt.Println("hung calls:", r.Faults["append-deaf"] > 0)
	// Output:
	// held
	// accounted for: true
	// hung calls: true
}

// full is an appender of one's own that holds ten records and then refuses.
type full struct{ held int }

var errFull = errors.New("full")

func (f *full) Append(context.Context, appender.Record) error {
	if f.held == 10 {
		return errFull
	}
	f.held++
	return nil
}

// An appender of one's own runs inside every node.
func ExampleConfig_open() {
	r, err := sim.Run(context.Background(), sim.Config{
		Nodes: 2, Duration: 5 * time.Second,
		Mesh: sim.Mesh{Heartbeat: sim.None, Daemons: sim.None},
		Load: []sim.Load{{Kind: "constant", Rate: 4}},
		Open: func(context.Context, appender.Env) (appender.Appender, error) { return new(full), nil },
	}, 1, props.All()...)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Verdict, r.Records.Emitted, "emitted,", r.Records.Appended, "appended,", r.Records.Failed, "failed")
	// Output:
	// held 40 emitted, 20 appended, 20 failed
}

// counter is a model of one's own: the nodes pass a token around and count.
type counter struct {
	self, nodes uint64
	seen        uint64
}

type token struct{ Hops uint64 }

func (c *counter) Step(in loop.Input, out *loop.Ready) error {
	t, ok := in.Msg.(token)
	if !ok {
		return fmt.Errorf("not a token: %T", in.Msg)
	}
	c.seen++
	out.Log(loop.LogLine{Message: fmt.Sprintf("hop %d", t.Hops)})
	if t.Hops < 9 {
		out.Send(c.self%c.nodes+1, token{Hops: t.Hops + 1})
	}
	return nil
}

func (c *counter) Tick(_ time.Duration, out *loop.Ready) {
	if c.self == 1 && c.seen == 0 {
		c.seen++
		out.Send(2, token{Hops: 1})
	}
}

// A model of one's own is a fold and a reconcile step.
func ExampleConfig_model() {
	const nodes = 3
	r, err := sim.Run(context.Background(), sim.Config{
		Nodes: nodes, Duration: 2 * time.Second,
		Model: func(node uint64, _ any) loop.Model { return &counter{self: node, nodes: nodes} },
	}, 1, props.All()...)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Verdict, r.Delivered, "hops,", r.Records.Appended, "records")
	// Output:
	// held 9 hops, 9 records
}

// Observe shows what happens as it happens.
func ExampleConfig_observe() {
	cfg := sim.Config{
		Nodes: 2, Duration: 4 * time.Second, Recovery: time.Second,
		Faults: []sim.Fault{{At: time.Second, For: time.Second, Kind: "crash", Nodes: []string{"n2"}}},
	}
	cfg.ObserveKinds = trace.Kinds(trace.NodeStarted, trace.NodeCrashed, trace.HealStarted)
	cfg.Observe = func(e *trace.Event) { fmt.Println(e.Time, e.Kind, e.Node, e.Incarnation) }
	if _, err := sim.Run(context.Background(), cfg, 1); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0s node-started 1 1
	// 0s node-started 2 1
	// 1s node-crashed 2 1
	// 2s node-started 2 2
	// 4s heal-started 0 0
}

// A live run takes real time: here a fifth of a second for the scenario's ten.
func ExampleLive() {
	r, err := sim.Live(context.Background(), sim.Config{
		Nodes: 3, Duration: 10 * time.Second,
		Faults: []sim.Fault{{At: 5 * time.Second, Kind: "jump", By: time.Hour, Nodes: []string{"n1"}}},
	}, 1, sim.LiveOptions{For: 200 * time.Millisecond}, props.All()...)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Verdict)
	fmt.Println("skipped", r.Skipped[0])
	// Output:
	// held
	// skipped faults[0] (jump at 100ms): the machine's clock is shared and not ours to set
}
