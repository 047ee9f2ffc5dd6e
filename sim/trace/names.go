package trace

import "strconv"

var kindNames = [NumKinds]string{
	NodeStarted:       "node-started",
	NodeCrashed:       "node-crashed",
	NodeStopped:       "node-stopped",
	NodePaused:        "node-paused",
	NodeResumed:       "node-resumed",
	LoopInput:         "loop-input",
	TickArmed:         "tick-armed",
	TickDone:          "tick-done",
	LineIn:            "line-in",
	LineLogged:        "line-logged",
	LineDropped:       "line-dropped",
	InputLost:         "input-lost",
	ActionEmitted:     "action-emitted",
	ActionDone:        "action-done",
	RecordEmitted:     "record-emitted",
	RecordSettled:     "record-settled",
	AttemptStarted:    "attempt-started",
	AttemptEnded:      "attempt-ended",
	SinkStored:        "sink-stored",
	SinkTried:         "sink-tried",
	SinkRefused:       "sink-refused",
	SinkSynced:        "sink-synced",
	ReplayStarted:     "replay-started",
	SinkReplayed:      "sink-replayed",
	SinkDamaged:       "sink-damaged",
	ReplayEnded:       "replay-ended",
	WorkerStarted:     "worker-started",
	WorkerOpened:      "worker-opened",
	WorkerFailed:      "worker-failed",
	WorkerRestarted:   "worker-restarted",
	WorkerAbandoned:   "worker-abandoned",
	WorkerReturned:    "worker-returned",
	StaleAnswer:       "stale-answer",
	CircuitOpened:     "circuit-opened",
	CircuitProbed:     "circuit-probed",
	CircuitClosed:     "circuit-closed",
	ActorFailed:       "actor-failed",
	ActorRestarted:    "actor-restarted",
	ActorStopped:      "actor-stopped",
	Escalated:         "escalated",
	QueueDepth:        "queue-depth",
	MessageSent:       "message-sent",
	MessageDelivered:  "message-delivered",
	MessageLost:       "message-lost",
	MessageDuplicated: "message-duplicated",
	MessageReordered:  "message-reordered",
	MessageCut:        "message-cut",
	FaultStruck:       "fault-struck",
	FaultHealed:       "fault-healed",
	Mark:              "mark",
	HealStarted:       "heal-started",
	LivenessEnded:     "liveness-ended",
}

// String is the kind's name, as in "record-settled".
func (k Kind) String() string {
	if k > 0 && int(k) < NumKinds {
		return kindNames[k]
	}
	return "kind" + strconv.Itoa(int(k))
}

var kindsByName = func() map[string]Kind {
	m := make(map[string]Kind, NumKinds)
	for k := Kind(1); int(k) < NumKinds; k++ {
		m[kindNames[k]] = k
	}
	return m
}()

// ParseKind is the kind with a name.
func ParseKind(name string) (Kind, bool) {
	k, ok := kindsByName[name]
	return k, ok
}

var resultNames = [...]string{
	ResultOK:         "ok",
	ResultError:      "error",
	ResultUnknown:    "unknown",
	ResultDeadline:   "deadline",
	ResultPanic:      "panic",
	ResultHang:       "hang",
	ResultOpenFailed: "open-failed",
}

// NumResults is the number of results.
const NumResults = len(resultNames)

// String is the result's name, as in "open-failed".
func (r Result) String() string {
	if int(r) < len(resultNames) {
		return resultNames[r]
	}
	return "result" + strconv.Itoa(int(r))
}

// ParseResult is the result with a name.
func ParseResult(name string) (Result, bool) {
	for r, n := range resultNames {
		if n == name {
			return Result(r), true
		}
	}
	return 0, false
}

// String is the quantifier itself; a zero one is Always.
func (q Quantifier) String() string {
	if q == "" {
		return string(Always)
	}
	return string(q)
}
