package trace_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"meshsim/sim/trace"
)

// promptly checks that every line is logged within 5 ms.
type promptly struct {
	owed map[uint64]time.Duration
}

func (*promptly) Name() string         { return "promptly" }
func (*promptly) Kinds() trace.KindSet { return trace.Kinds(trace.LineIn, trace.LineLogged) }

func (p *promptly) Observe(e *trace.Event) error {
	if e.Kind == trace.LineIn {
		p.owed[e.Seq] = e.Time + 5*time.Millisecond
	} else {
		delete(p.owed, e.Seq)
	}
	return nil
}

func (p *promptly) Next() (next time.Duration, ok bool) {
	for _, at := range p.owed {
		if !ok || at < next {
			next, ok = at, true
		}
	}
	return next, ok
}

func (p *promptly) Expire(now time.Duration) error {
	return fmt.Errorf("a line is not logged at %v", now)
}

func (*promptly) Finish(time.Duration) error { return nil }

// A checker is owed a wake-up: a line that is never logged raises no event.
func ExampleFanout() {
	f := trace.NewFanout(&promptly{owed: map[uint64]time.Duration{}})
	f.Observe(&trace.Event{Kind: trace.LineIn, Seq: 1, Step: 10})
	f.Observe(&trace.Event{Kind: trace.LineLogged, Seq: 1, Step: 11})
	f.Observe(&trace.Event{Kind: trace.LineIn, Seq: 2, Step: 12})
	f.Advance(0, time.Second)
	for _, j := range f.Judgements() {
		fmt.Println(j.Name, j.Violated, "after step", j.Step, "at", j.Time, "-", j.Err)
	}
	// Output: promptly true after step 12 at 5ms - a line is not logged at 5ms
}

func ExampleEncoder() {
	enc := trace.NewEncoder(os.Stdout)
	_ = enc.Encode(&trace.Event{
		Kind: trace.RecordSettled, Step: 7, Time: time.Millisecond, Node: 3, Seq: 12, Cause: 0xc0ffee,
		Ledger: &trace.Ledger{Emitted: 12, Appended: 12},
	})
	// Output: {"kind":"record-settled","step":7,"time":1000000,"node":3,"cause":"c0ffee","seq":12,"ledger":{"emitted":12,"appended":12}}
}

func ExampleDecoder() {
	dec := trace.NewDecoder(strings.NewReader(`{"kind":"line-in","node":1,"seq":5}
{"kind":"line-inn"}`))
	for {
		e, err := dec.Decode()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Kind, e.Node, e.Seq)
	}
	// Output:
	// line-in 1 5
	// line 2: trace: not an event: unknown kind "line-inn"
}

func ExampleLedger_Identity() {
	l := trace.Ledger{Emitted: 3, Appended: 1, Queued: 2}
	fmt.Println(l.Identity())
	// Output: <nil>
}
