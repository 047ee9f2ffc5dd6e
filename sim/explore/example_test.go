package explore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshsim/sim"
	"meshsim/sim/explore"
	"meshsim/sim/trace"
)

// noneAbandoned is a checker of one's own: no worker is ever abandoned.
type noneAbandoned struct{ opened uint64 }

func (c *noneAbandoned) Name() string { return "none-abandoned" }

func (c *noneAbandoned) Observe(e *trace.Event) error {
	switch e.Kind {
	case trace.WorkerOpened:
		c.opened++
	case trace.WorkerAbandoned:
		return errors.New("a worker was abandoned")
	}
	return nil
}

func (c *noneAbandoned) Next() (time.Duration, bool) { return 0, false }
func (c *noneAbandoned) Expire(time.Duration) error  { return nil }
func (c *noneAbandoned) Finish(time.Duration) error  { return nil }
func (c *noneAbandoned) Checked() uint64             { return c.opened }

func ExampleSweep() {
	cfg := sim.Config{
		Nodes: 2, Duration: 3 * time.Second, Load: []sim.Load{{Kind: "constant", Rate: 20}},
		Faults: []sim.Fault{{At: time.Second, For: time.Second, Kind: "append-deaf", Nodes: []string{"n1"}}},
		Host:   sim.Host{Deadline: 100 * time.Millisecond},
	}
	tally, err := explore.Sweep(context.Background(), cfg, explore.FirstSeeds(20), explore.Options{
		Checkers: []func() trace.Checker{func() trace.Checker { return new(noneAbandoned) }},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %d of %d seeds violated\n", tally.Verdict, tally.Violated, tally.Seeds)
	first := tally.Failures[0]
	fmt.Printf("seed %d: %s: %s\n", first.Seed, first.Invariants[0].Name, first.Invariants[0].Violation)
	// Output:
	// violated: 20 of 20 seeds violated
	// seed 1: none-abandoned: a worker was abandoned
}
