package kernel

import (
	"strconv"
	"time"
)

// StepKind says what a step is. The zero kind is no step.
type StepKind uint8

const (
	_ StepKind = iota
	// Handle: an actor takes its next message.
	Handle
	// Arrival: a message reaches its destination's mailbox.
	Arrival
	// Timer: a timer fires.
	Timer
	// Resume: a parked handler goes on.
	Resume
	// Fault: a fault strikes or heals.
	Fault

	// release ends an actor's service time. It is an event, never a step.
	release
)

var kindNames = [...]string{
	0: "none", Handle: "handle", Arrival: "arrival", Timer: "timer",
	Resume: "resume", Fault: "fault", release: "release",
}

// String is the kind's name in lower case.
func (k StepKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind" + strconv.Itoa(int(k))
}

// Step is an enabled step, as a [Strategy] sees it.
type Step struct {
	// Ref identifies the step among those enabled now. It is a small number,
	// reused once the step is gone, so a strategy may index tables by it.
	Ref   uint32
	Kind  StepKind
	Node  uint32
	Actor uint32 // 0 where the step concerns no actor
	// Cause is the causal id of the thing that the step is about: the message
	// taken, the arrival, the timer.
	Cause uint64
	// Time is the earliest time at which the step could have been enabled.
	Time time.Duration
	// Order counts steps becoming enabled, over the whole run: a smaller
	// Order became enabled earlier.
	Order uint64
}

// Taken is a step that was taken, as [Options.Trace] sees it.
type Taken struct {
	Number uint64 // from 1
	Time   time.Duration
	Kind   StepKind
	Node   uint32
	Actor  uint32
	Cause  uint64
	Digest uint64 // of the run so far, with this step
}

// Running is what a kernel is doing, as [Kernel.Running] reports it.
type Running struct {
	Step  uint64   // number of the last step begun, from 1; 0 before the first
	Kind  StepKind // 0 while no step runs
	Actor uint32   // whose step it is; 0 if nobody's
}
