package sim

import (
	"slices"

	"meshsim/appender"
	"meshsim/loop/meshos"
	"meshsim/sim/trace"
)

// MarkRule says what a sometimes-mark is: something worth seeing at least once
// in a run, so that invariants which held are known to have been put to the
// test. A scenario promises marks in [Config.Sometimes]; package props makes
// checkers of them.
type MarkRule struct {
	Name string
	// About completes "sometimes ...".
	About string
	// Kinds are the events at which Match may be true.
	Kinds trace.KindSet
	Match func(*trace.Event) bool
}

// markRules are the known marks, in the order of the alphabet.
var markRules = []MarkRule{
	onResult("append-deadline", "an append passes its deadline", trace.ResultDeadline),
	onResult("append-error", "an append fails", trace.ResultError),
	onResult("append-hang", "an append hangs past deadline and grace", trace.ResultHang),
	onResult("append-panic", "an append panics", trace.ResultPanic),
	onResult("append-unknown", "an append says that its outcome is unknown", trace.ResultUnknown),
	onKind("circuit-closed", "a circuit closes again", trace.CircuitClosed),
	onKind("circuit-opened", "a circuit opens", trace.CircuitOpened),
	onKind("circuit-probed", "an open circuit lets a probe through", trace.CircuitProbed),
	onAction("daemon-backoff", "a crashed daemon is made to wait before it starts again", meshos.KindApplyBackoff),
	onKind("input-lost", "a full inbox drops a peer's message", trace.InputLost),
	onKind("line-dropped", "a full inbox drops a log line", trace.LineDropped),
	onDamage("log-damaged", "a log reports that something in its midst is gone", damaged),
	{
		Name: "log-replayed", About: "a log that is opened holds records", Kinds: trace.Kinds(trace.ReplayEnded),
		Match: func(e *trace.Event) bool { return e.Kind == trace.ReplayEnded && e.Count > 0 },
	},
	onDamage("log-torn", "a log cuts off what a crash left half written at its end", tornTail),
	onKind("message-cut", "a partition takes a message", trace.MessageCut),
	onKind("message-duplicated", "a message is sent twice", trace.MessageDuplicated),
	onKind("message-lost", "a message is lost", trace.MessageLost),
	onKind("message-reordered", "a message strays from its place", trace.MessageReordered),
	onKind("node-crashed", "a node crashes", trace.NodeCrashed),
	onKind("node-paused", "a node pauses", trace.NodePaused),
	{
		Name: "node-restarted", About: "a crashed node comes back", Kinds: trace.Kinds(trace.NodeStarted),
		Match: func(e *trace.Event) bool { return e.Kind == trace.NodeStarted && e.Attempt > 1 },
	},
	{
		Name: "open-failed", About: "an appender cannot be opened", Kinds: trace.Kinds(trace.WorkerFailed),
		Match: func(e *trace.Event) bool { return e.Kind == trace.WorkerFailed && e.Result == trace.ResultOpenFailed },
	},
	onOutcome("record-dropped", "a full inbox drops a record", appender.Dropped),
	onOutcome("record-failed", "a record is settled as failed", appender.Failed),
	onOutcome("record-lost", "a record is lost with its node", appender.Lost),
	{
		Name: "record-retried", About: "a record is stored by a further attempt", Kinds: trace.Kinds(trace.RecordSettled),
		Match: func(e *trace.Event) bool {
			return e.Kind == trace.RecordSettled && appender.Outcome(e.Outcome) == appender.Appended && e.Attempt > 1
		},
	},
	onOutcome("record-unknown", "a record's fate stays unknown", appender.Unknown),
	onKind("stale-answer", "a late answer of an abandoned appender is fenced", trace.StaleAnswer),
	onKind("worker-abandoned", "a hung worker is abandoned", trace.WorkerAbandoned),
	onKind("worker-restarted", "a worker is restarted after a panic", trace.WorkerRestarted),
	onKind("worker-returned", "an abandoned worker comes back", trace.WorkerReturned),
}

// Marks are the names of the marks that a scenario may promise.
func Marks() []string {
	names := make([]string, len(markRules))
	for i := range markRules {
		names[i] = markRules[i].Name
	}
	return names
}

// FindMark is the rule of the mark with this name.
func FindMark(name string) (MarkRule, bool) {
	i := slices.IndexFunc(markRules, func(r MarkRule) bool { return r.Name == name })
	if i < 0 {
		return MarkRule{}, false
	}
	return markRules[i], true
}

func onKind(name, about string, kind trace.Kind) MarkRule {
	return MarkRule{Name: name, About: about, Kinds: trace.Kinds(kind),
		Match: func(e *trace.Event) bool { return e.Kind == kind }}
}

func onResult(name, about string, result trace.Result) MarkRule {
	return MarkRule{Name: name, About: about, Kinds: trace.Kinds(trace.AttemptEnded),
		Match: func(e *trace.Event) bool { return e.Kind == trace.AttemptEnded && e.Result == result }}
}

func onOutcome(name, about string, outcome appender.Outcome) MarkRule {
	return MarkRule{Name: name, About: about, Kinds: trace.Kinds(trace.RecordSettled),
		Match: func(e *trace.Event) bool {
			return e.Kind == trace.RecordSettled && appender.Outcome(e.Outcome) == outcome
		}}
}

func onDamage(name, about, what string) MarkRule {
	return MarkRule{Name: name, About: about, Kinds: trace.Kinds(trace.SinkDamaged),
		Match: func(e *trace.Event) bool { return e.Kind == trace.SinkDamaged && e.Name == what }}
}

func onAction(name, about, action string) MarkRule {
	return MarkRule{Name: name, About: about, Kinds: trace.Kinds(trace.ActionEmitted),
		Match: func(e *trace.Event) bool { return e.Kind == trace.ActionEmitted && e.Name == action }}
}
