// Package failing fails on purpose: simtest's own tests run it and read what
// it prints.
package failing

import (
	"errors"
	"testing"
	"time"

	"meshsim/sim"
	"meshsim/sim/simtest"
	"meshsim/sim/trace"
)

// planted objects to the hundredth record that n2 settles.
type planted struct{ settled int }

func (p *planted) Name() string { return "planted" }

func (p *planted) Observe(e *trace.Event) error {
	if e.Kind != trace.RecordSettled || e.Node != 2 {
		return nil
	}
	if p.settled++; p.settled == 100 {
		return errors.New("n2 settled a hundredth record")
	}
	return nil
}

func (p *planted) Next() (time.Duration, bool) { return 0, false }
func (p *planted) Expire(time.Duration) error  { return nil }
func (p *planted) Finish(time.Duration) error  { return nil }
func (p *planted) Checked() uint64             { return uint64(p.settled) }

func busy() sim.Config {
	return sim.Config{Name: "busy", Nodes: 3, Duration: 2 * time.Second, Load: []sim.Load{{Kind: "constant", Rate: 200}}}
}

func TestPlanted(t *testing.T) {
	simtest.Run(t, busy(), func() trace.Checker { return new(planted) })
}

// unstruck scripts a fault for a record that is never reached.
func unstruck() sim.Config {
	cfg := busy()
	cfg.Faults = []sim.Fault{{Kind: "append-panic", Nodes: []string{"n1"}, Record: 1_000_000}}
	return cfg
}

func TestUnstruck(t *testing.T) { simtest.Options{Seeds: 2}.Run(t, unstruck()) }

func TestUnstruckAllowed(t *testing.T) {
	simtest.Options{Seeds: 2, AllowInconclusive: true}.Run(t, unstruck())
}

func TestImpossible(t *testing.T) {
	simtest.Options{Seeds: 1}.Run(t, sim.Config{Nodes: -1})
}

func TestPanic(t *testing.T) {
	simtest.Options{Seeds: 2}.Run(t, busy(), func() trace.Checker { panic("no checker today") })
}
