package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshsim/sim/kernel"
	"meshsim/sim/trace"
)

// ErrDiverged says that two runs of one seed were not the same run: something
// in the mesh depends on more than its inputs. The error is a
// *[DivergedError].
var ErrDiverged = errors.New("sim: two runs of one seed differ")

// DivergedError names the first step in which two runs of one seed differ.
type DivergedError struct {
	Seed uint64
	// Step is the number of the first step that differs. Where only the
	// state at the end differs, it is one more than the last.
	Step uint64
	// First and Second are that step in the two runs; a Number of 0 means
	// that the run had ended.
	First, Second kernel.Taken
}

// Error is one line.
func (e *DivergedError) Error() string {
	return fmt.Sprintf("%v: seed %d, step %d: first %s, then %s", ErrDiverged, e.Seed, e.Step,
		describe(e.First), describe(e.Second))
}

func describe(t kernel.Taken) string {
	if t.Number == 0 {
		return "the end"
	}
	return fmt.Sprintf("%v at %v of node %d, actor %d, cause %016x", t.Kind, t.Time, t.Node, t.Actor, t.Cause)
}

// Unwrap makes errors.Is(err, ErrDiverged) true.
func (e *DivergedError) Unwrap() error { return ErrDiverged }

// DoubleCheck runs a scenario twice under one seed and compares the runs step
// by step. It returns the first run's result, or a *[DivergedError] that names
// the first step that differs. Its other errors are those of [Run].
//
// It keeps 40 bytes per step of the first run, for at most the first
// [DoubleCheckSteps]; of later ones, only the digest at the end is compared.
func DoubleCheck(ctx context.Context, cfg Config, seed uint64, checkers ...func() trace.Checker) (*Result, error) {
	r, err := cfg.settled(seed)
	if err != nil {
		return nil, err
	}
	var l runLog
	res, err := runSettled(ctx, r, seed, checkers, l.record)
	if err != nil {
		return nil, err
	}
	c := comparison{log: &l}
	again, err := runSettled(ctx, r, seed, checkers, c.compare)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return res, nil // interrupted: both runs are halves
	}
	if d := c.verdict(res, again); d != nil {
		d.Seed = seed
		return res, d
	}
	return res, nil
}

// DoubleCheckSteps bounds the steps of which a [DoubleCheck] keeps a record.
const DoubleCheckSteps = 8 << 20

// runLog keeps the steps of a run.
type runLog struct{ steps []loggedStep }

// loggedStep is a kernel.Taken without its number, which is its place.
type loggedStep struct {
	digest, cause uint64
	time          int64
	node, actor   uint32
	kind          kernel.StepKind
}

func (l *runLog) record(t kernel.Taken) {
	if len(l.steps) < DoubleCheckSteps {
		l.steps = append(l.steps, loggedStep{
			digest: t.Digest, cause: t.Cause, time: int64(t.Time), node: t.Node, actor: t.Actor, kind: t.Kind,
		})
	}
}

// comparison compares a second run with a log as it goes.
type comparison struct {
	log    *runLog
	steps  uint64
	differ *DivergedError
}

func (c *comparison) compare(t kernel.Taken) {
	c.steps++
	if c.differ != nil || c.steps > DoubleCheckSteps {
		return
	}
	first := c.log.taken(c.steps)
	if first.Digest != t.Digest {
		c.differ = &DivergedError{Step: c.steps, First: first, Second: t}
	}
}

// taken is step number n of the log; the zero Taken if there is none.
func (l *runLog) taken(n uint64) (t kernel.Taken) {
	if n == 0 || n > uint64(len(l.steps)) {
		return t
	}
	s := &l.steps[n-1]
	t.Number, t.Digest, t.Cause, t.Node, t.Actor, t.Kind = n, s.digest, s.cause, s.node, s.actor, s.kind
	t.Time = time.Duration(s.time)
	return t
}

// verdict is nil if the runs were the same.
func (c *comparison) verdict(first, second *Result) *DivergedError {
	switch {
	case c.differ != nil:
		return c.differ
	case first.Digest == second.Digest && first.Steps == second.Steps:
		return nil
	}
	d := &DivergedError{Step: min(first.Steps, second.Steps) + 1}
	d.First = c.log.taken(d.Step)
	return d
}
