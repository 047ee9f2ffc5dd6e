package report

import (
	"fmt"
	"strconv"
	"time"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// Node is the name of a node by its number, as scenarios write it.
func Node(n uint32) string { return "n" + strconv.FormatUint(uint64(n), 10) }

// Clock formats a run's time for a column: seconds, to the millisecond.
func Clock(t time.Duration) string {
	return strconv.FormatFloat(t.Seconds(), 'f', 3, 64) + "s"
}

// Line is an event as one line of a log: step, time, node, sentence.
func Line(e *trace.Event) string {
	who := "-"
	if e.Node != 0 {
		who = Node(e.Node)
	}
	return fmt.Sprintf("%8d %10s  %-5s %s", e.Step, Clock(e.Time), who, Sentence(e))
}

// chapters answer "" to the kinds of the other ones.
var chapters = [...]func(*trace.Event) string{ofNode, ofAction, ofRecord, ofLog, ofHost, ofSupervision, ofNetwork, ofRun}

// Sentence says what happened, without its time and its node.
func Sentence(e *trace.Event) string {
	for _, of := range chapters {
		if s := of(e); s != "" {
			return s
		}
	}
	// A kind added later must not vanish silently.
	return fmt.Sprintf("event of kind %d %s", e.Kind, e.Name)
}

func ofNode(e *trace.Event) string {
	switch e.Kind {
	case trace.NodeStarted:
		if e.Attempt > 1 {
			return fmt.Sprintf("node restarts, incarnation %d", e.Incarnation)
		}
		return "node starts"
	case trace.NodeCrashed:
		return "node crashes, its volatile state is gone"
	case trace.NodeStopped:
		return "node stops in order"
	case trace.NodePaused:
		return "node is paused"
	case trace.NodeResumed:
		return "node goes on"
	case trace.LoopInput:
		return "loop folds an input"
	case trace.TickArmed:
		if e.Count == 0 {
			return "loop idles, no tick is due"
		}
		return "next tick is due at " + Clock(e.Deadline)
	case trace.TickDone:
		return fmt.Sprintf("loop ticks, %v late", e.Lag)
	case trace.LineIn:
		return fmt.Sprintf("log line %d arrives", e.Seq)
	case trace.LineLogged:
		return fmt.Sprintf("loop logs line %d, which waited %v", e.Seq, e.Lag)
	case trace.LineDropped:
		return fmt.Sprintf("loop inbox full, its oldest line %d is dropped", e.Seq)
	case trace.InputLost:
		return "loop inbox full, its oldest peer message is dropped"
	case trace.QueueDepth:
		return fmt.Sprintf("queue %s reaches %d of %d", e.Name, e.Count, e.Cap)
	}
	return ""
}

func ofAction(e *trace.Event) string {
	switch e.Kind {
	case trace.ActionEmitted:
		return fmt.Sprintf("loop asks for action %d: %s %d", e.Seq, e.Name, e.Count)
	case trace.ActionDone:
		return fmt.Sprintf("action %d done: %s %d%s", e.Seq, e.Name, e.Count, because(e.Err))
	}
	return ""
}

func ofRecord(e *trace.Event) string {
	switch e.Kind {
	case trace.RecordEmitted:
		return "record " + record(e) + " is handed to the appender host"
	case trace.RecordSettled:
		return fmt.Sprintf("record %s is settled: %v%s", record(e), appender.Outcome(e.Outcome), attempt(e))
	case trace.AttemptStarted:
		return "append of " + batch(e) + " begins" + attempt(e)
	case trace.AttemptEnded:
		return fmt.Sprintf("append of %s ends: %s, %d acknowledged%s%s",
			batch(e), resultWords(e.Result), e.Cap, attempt(e), because(e.Err))
	case trace.SinkStored:
		return fmt.Sprintf("sink stores record %s%s", record(e), attempt(e))
	}
	return ""
}

func ofLog(e *trace.Event) string {
	switch e.Kind {
	case trace.SinkTried:
		return "log is handed record " + record(e) + attempt(e)
	case trace.SinkRefused:
		if e.Seq == 0 {
			return "log cannot tell what it saved" + because(e.Err)
		}
		if e.Result == trace.ResultUnknown {
			return "log cannot tell whether it stored record " + record(e) + because(e.Err)
		}
		return "log does not store record " + record(e) + because(e.Err)
	case trace.SinkSynced:
		return fmt.Sprintf("log is durable up to position %d", e.Count)
	case trace.ReplayStarted:
		return fmt.Sprintf("log is opened at position %d and replayed", e.Count)
	case trace.SinkReplayed:
		return fmt.Sprintf("log holds record %s of incarnation %d", record(e), e.Incarnation)
	case trace.SinkDamaged:
		if e.Count > 0 {
			return fmt.Sprintf("log reports %s, %d records are gone%s", e.Name, e.Count, because(e.Err))
		}
		return "log reports " + e.Name + because(e.Err)
	case trace.ReplayEnded:
		if e.Err != nil {
			return fmt.Sprintf("log's replay breaks off after %d records%s", e.Count, because(e.Err))
		}
		return fmt.Sprintf("log has replayed %d records", e.Count)
	}
	return ""
}

func ofHost(e *trace.Event) string {
	switch e.Kind {
	case trace.WorkerStarted:
		return fmt.Sprintf("worker of epoch %d starts", e.Epoch)
	case trace.WorkerOpened:
		return fmt.Sprintf("appender of epoch %d is open", e.Epoch)
	case trace.WorkerFailed:
		return fmt.Sprintf("worker of epoch %d panics%s", e.Epoch, because(e.Err))
	case trace.WorkerRestarted:
		return fmt.Sprintf("worker restarted after %v of backoff, failure %d in a row", e.Delay, e.Attempt)
	case trace.WorkerAbandoned:
		return fmt.Sprintf("worker of epoch %d hangs and is abandoned, %d of %d alive", e.Epoch, e.Count, e.Cap)
	case trace.WorkerReturned:
		return fmt.Sprintf("abandoned worker of epoch %d returns, %d still hang", e.Epoch, e.Count)
	case trace.StaleAnswer:
		return fmt.Sprintf("late answer of epoch %d is ignored", e.Epoch)
	case trace.CircuitOpened:
		return "circuit opens: records are settled as failed at once"
	case trace.CircuitProbed:
		return "circuit half open: one batch is let through"
	case trace.CircuitClosed:
		return "circuit closes"
	}
	return ""
}

func ofSupervision(e *trace.Event) string {
	who := role(e.Actor)
	switch e.Kind {
	case trace.ActorFailed:
		return who + " actor panics" + because(e.Err)
	case trace.ActorRestarted:
		return fmt.Sprintf("%s actor restarted after %v of backoff, failure %d in its window", who, e.Delay, e.Attempt)
	case trace.ActorStopped:
		return fmt.Sprintf("%s actor is given up after %d failures", who, e.Attempt)
	case trace.Escalated:
		return who + " actor's failure escalates" + because(e.Err)
	}
	return ""
}

func ofNetwork(e *trace.Event) string {
	to := "message to " + Node(e.Peer)
	switch e.Kind {
	case trace.MessageSent:
		return to + " is sent"
	case trace.MessageDelivered:
		return to + " is delivered"
	case trace.MessageLost:
		return to + " is lost"
	case trace.MessageDuplicated:
		return to + " is duplicated"
	case trace.MessageReordered:
		return to + " overtakes another"
	case trace.MessageCut:
		return to + " is cut off"
	}
	return ""
}

func ofRun(e *trace.Event) string {
	switch e.Kind {
	case trace.FaultStruck:
		return "fault " + e.Name + " strikes" + linkEnd(e)
	case trace.FaultHealed:
		return "fault " + e.Name + " heals" + linkEnd(e)
	case trace.Mark:
		return "mark " + e.Name
	case trace.HealStarted:
		if e.Count == 1 {
			return "every fault is healed, calls that hang stay hanging: the liveness phase begins"
		}
		return "every fault is healed: the liveness phase begins"
	case trace.LivenessEnded:
		return "the liveness phase ends"
	}
	return ""
}

func record(e *trace.Event) string {
	if e.Stream == 0 {
		return strconv.FormatUint(e.Seq, 10)
	}
	return fmt.Sprintf("%d of stream %d", e.Seq, e.Stream)
}

func batch(e *trace.Event) string {
	if e.Count <= 1 {
		return "record " + record(e)
	}
	return fmt.Sprintf("records %d to %d", e.Seq, e.Seq+e.Count-1)
}

func attempt(e *trace.Event) string {
	switch {
	case e.Epoch == 0:
		return ""
	case e.Attempt <= 1:
		return fmt.Sprintf(" (epoch %d)", e.Epoch)
	}
	return fmt.Sprintf(" (epoch %d, attempt %d)", e.Epoch, e.Attempt)
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func linkEnd(e *trace.Event) string {
	if e.Peer == 0 {
		return ""
	}
	return " towards " + Node(e.Peer)
}

func role(r uint32) string {
	switch r {
	case trace.RoleNode:
		return "node"
	case trace.RoleLoop:
		return "loop"
	case trace.RoleHost:
		return "appender host"
	case trace.RoleWorker:
		return "worker"
	case trace.RoleExecutor:
		return "executor"
	}
	return "some"
}

func resultWords(r trace.Result) string {
	switch r {
	case trace.ResultOK:
		return "stored"
	case trace.ResultError:
		return "error"
	case trace.ResultUnknown:
		return "outcome unknown"
	case trace.ResultDeadline:
		return "deadline passed"
	case trace.ResultPanic:
		return "panic"
	case trace.ResultHang:
		return "hang"
	case trace.ResultOpenFailed:
		return "could not be opened"
	}
	return "result?"
}
