package props

import (
	"time"

	"meshsim/sim/trace"
)

// defaults are the limits of a node whose scenario says nothing: those that
// package actors documents.
var defaults = trace.Limits{
	Inbox: 1024, LoopInbox: 4096, Ring: 2048, Batch: 128, Attempts: 3, Abandoned: 4,
	Backoff: 50 * time.Millisecond, MaxBackoff: 5 * time.Second,
	Deadline: time.Second, Grace: 250 * time.Millisecond, Probe: time.Second,
	Restarts: 10, RestartWindow: time.Minute,
	RestartBackoff: 50 * time.Millisecond, RestartMaxBackoff: 5 * time.Second,
}

// limits copies the limits of a node that starts.
func limits(e *trace.Event) *trace.Limits {
	if e.Limits == nil {
		return &defaults
	}
	l := *e.Limits
	return &l
}

// orDefault is for a node whose start was not seen.
func orDefault(l *trace.Limits) *trace.Limits {
	if l == nil {
		return &defaults
	}
	return l
}
