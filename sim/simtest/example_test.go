package simtest_test

import (
	"testing"
	"time"

	"meshsim/sim"
	"meshsim/sim/simtest"
	"meshsim/sim/trace"
)

// calmly is a checker of one's own: no worker is ever abandoned.
type calmly struct{ opened uint64 }

func (c *calmly) Name() string { return "calmly" }
func (c *calmly) Observe(e *trace.Event) error {
	switch e.Kind {
	case trace.WorkerOpened:
		c.opened++
	case trace.WorkerAbandoned:
		return errAbandoned
	}
	return nil
}
func (c *calmly) Next() (time.Duration, bool) { return 0, false }
func (c *calmly) Expire(time.Duration) error  { return nil }
func (c *calmly) Finish(time.Duration) error  { return nil }
func (c *calmly) Checked() uint64             { return c.opened }

const errAbandoned = sentinel("a worker was abandoned")

type sentinel string

func (s sentinel) Error() string { return string(s) }

// A test judged by every invariant, and one judged by a checker of its own.
func ExampleRun() {
	_ = []testing.InternalTest{
		{Name: "TestTheMeshSurvivesAnything", F: func(t *testing.T) {
			simtest.Run(t, sim.Config{Nodes: 5, Swarm: true})
		}},
		{Name: "TestNoWorkerIsAbandonedInQuietTimes", F: func(t *testing.T) {
			simtest.Run(t, sim.Config{Nodes: 5}, func() trace.Checker { return new(calmly) })
		}},
	}
}
