package trace

import "time"

// Kind says what happened. See each constant for the fields it fills.
type Kind uint8

const (
	_ Kind = iota

	// Nodes. Every event carries Node (its number, from 1) and, from here to
	// the network, Incarnation.

	NodeStarted // Attempt = which start of the node in its run it is, from 1; Data is a func() *loop.Loop that makes an equal fresh loop when the node is shadowed, else nil; Limits
	NodeCrashed // volatile state is gone, every pending record was settled just before; no further event of this incarnation but SinkStored
	NodeStopped // stopped in order: everything is settled
	NodePaused
	NodeResumed

	// The loop.

	LoopInput     // the loop folded something in; Data is a *loop.Folded; only of shadowed nodes
	TickArmed     // Deadline = when the next tick is due; Count 0: none is (the model idles)
	TickDone      // a due tick was handled; Lag = how late
	LineIn        // a log line was handed to the node; Seq = its number at the incarnation, from 1
	LineLogged    // line Seq was folded by the loop; Lag = how long it waited
	LineDropped   // line Seq was the oldest in a full loop inbox
	InputLost     // a peer's message was the oldest in a full loop inbox
	ActionEmitted // Seq = action id, Name = its kind, Count = its target
	ActionDone    // the same; Err

	// Records: Stream, Seq; Ledger is the host's, after the change. The order
	// of a record's events is Emitted, then Settled exactly once. A record that
	// was once possibly stored (deadline, hang, panic, unknown) never settles
	// as Failed or Lost, only as Appended or Unknown. At a crash, and at a
	// stop's deadline, queued records settle as Lost, those in hand as Unknown,
	// those waiting for a retry as Unknown if possibly stored, else as Lost.

	RecordEmitted // the loop handed it to the host (Outcome unused)
	RecordSettled // Outcome; Epoch and Attempt of the attempt that settled it, 0 if none did

	// Attempts: Epoch, Attempt (from 1 for its first record), Seq and Count =
	// the run of consecutive sequence numbers in hand; Ledger. Seq is always the
	// oldest unsettled record: retries keep the order. Settlements that an
	// attempt causes may come before or after its AttemptEnded, but at the same
	// instant and before the next AttemptStarted.

	AttemptStarted
	AttemptEnded // Result; Cap = how many of the Count were acknowledged; Err. Nothing is in hand any more: what was not settled is Retrying. Follows every AttemptStarted unless the node crashes.

	SinkStored // the innermost sink really stored Seq, called under Epoch (which may be an abandoned one); of a log, also Hash, and Count = where the log ends then: no further than before, if it had Seq already

	// Logs: what goes on between the innermost sink, opened under Epoch, and a
	// log, which is a sink that can replay what it stored. Hash is that of a
	// record's content. Positions count the records of the log from its very
	// first. An opening replays the log before anything is appended; Attempt
	// is its number at the node, from 1, in all events of the replay.

	SinkTried     // Seq is about to be handed to the log; Hash. SinkStored or SinkRefused follows, unless the call hangs, panics or its node crashes
	SinkRefused   // the log did not store Seq: Result = ResultError; or cannot tell: ResultUnknown; Err. Seq 0: flushing or closing failed
	SinkSynced    // what the log holds up to position Count survives a power failure
	ReplayStarted // the log is open; Count = its end position; Cap = how many of its last records it must retain, 0: all
	SinkReplayed  // the log holds Seq of Incarnation (the record's, not the opening's), in the order of these events; Hash
	SinkDamaged   // here the log misses something, and says so; Name = what it says it is, Count = records that it says are gone, 0 if it cannot tell; Err
	ReplayEnded   // Count = records replayed; Err if it was cut short

	// The appender host: Epoch.

	WorkerStarted   // a worker exists for Epoch
	WorkerOpened    // its appender is open
	WorkerFailed    // Result: ResultPanic, or ResultOpenFailed when it could not open in time or at all; Err
	WorkerRestarted // Epoch is the new one; Attempt = failures since the last success, from 1; Delay = the backoff that was waited: from half of min(Backoff*2^(Attempt-1), MaxBackoff) to the whole of it
	WorkerAbandoned // it hung past deadline and grace; Count = abandoned ones alive, Cap = their limit
	WorkerReturned  // an abandoned one came back; Count = abandoned ones alive
	StaleAnswer     // an answer of an old Epoch arrived and was ignored; Ledger
	CircuitOpened
	CircuitProbed // half-open: one batch (or one open) is let through
	CircuitClosed

	// Supervision: Actor is the actor's role (RoleLoop, ...).

	ActorFailed    // a panic reached its supervisor; Err
	ActorRestarted // Attempt = failures in the window; Delay = the backoff that was waited, within the bounds of WorkerRestarted's
	ActorStopped   // the supervisor gave it up: more failures than the policy allows; Attempt
	Escalated      // a failure left its supervisor; Err

	// QueueDepth reports a bounded queue's new high-water mark: Name (one of
	// loop-inbox, loop-control, host-inbox, host-control, actions), Count, Cap.
	QueueDepth

	// The network: Node = from, Peer = to.

	MessageSent
	MessageDelivered // handed to the peer's loop inbox
	MessageLost      // by loss, or because the peer is down
	MessageDuplicated
	MessageReordered
	MessageCut // refused or dropped by a partition or a clog

	// The run: Name.

	FaultStruck   // Name = kind; Node if it has one
	FaultHealed   // the same
	Mark          // a sometimes-mark that is not one of the kinds above
	HealStarted   // every fault is healed from here on; Count 1: calls that hang stay hanging; Deadline = by when the mesh must have recovered
	LivenessEnded // the liveness phase is over

	NumKinds = int(LivenessEnded) + 1
)

// The roles of a node's actors, in Event.Actor.
const (
	RoleNode uint32 = iota + 1 // the node's supervisor
	RoleLoop
	RoleHost
	RoleWorker
	RoleExecutor
)

// Result is how an attempt to append a batch ended.
type Result uint8

const (
	ResultOK Result = iota
	ResultError
	ResultUnknown // an error that says that the outcome is unknown
	ResultDeadline
	ResultPanic
	ResultHang // abandoned
	ResultOpenFailed
)

// Ledger is one host's accounting at the instant of an event. The parts of
// pending are counted on their own, never as a remainder.
type Ledger struct {
	Emitted, Appended, Failed, Unknown, Dropped, Lost uint64
	Queued, InHand, Retrying                          uint64
}

// Pending is what is neither settled nor gone.
func (l *Ledger) Pending() uint64 { return l.Queued + l.InHand + l.Retrying }

// Limits are a node's policies and caps as its scenario configured them: what
// checkers hold the node to, whatever the node says itself.
type Limits struct {
	Inbox      int           // records queued at the host
	LoopInbox  int           // droppable messages waiting for the loop
	Ring       int           // entries of the loop's log ring
	Batch      int           // records in hand
	Attempts   int           // per record
	Abandoned  int           // abandoned workers alive
	Backoff    time.Duration // of workers: the first delay; doubles, jittered
	MaxBackoff time.Duration
	Deadline   time.Duration // per append call and per open
	Grace      time.Duration
	Probe      time.Duration // an open circuit's interval between probes

	Restarts          int // of an actor within RestartWindow before it is stopped
	RestartWindow     time.Duration
	RestartBackoff    time.Duration
	RestartMaxBackoff time.Duration
}

// Event is one thing that happened. It is valid only during Observe: a checker
// copies what it keeps. Strings are shared.
type Event struct {
	Kind        Kind
	Outcome     uint8 // an appender.Outcome
	Result      Result
	Stream      uint8
	Node        uint32
	Peer        uint32
	Incarnation uint32
	Attempt     uint32
	Step        uint64
	Time        time.Duration
	Actor       uint32
	Cause       uint64 // causal id
	Epoch       uint64
	Seq         uint64 // also First of a batch
	Count       uint64
	Cap         uint64
	Hash        uint64 // of a record's content; 0 where nobody took it
	Deadline    time.Duration
	Lag         time.Duration
	Delay       time.Duration
	Name        string
	Err         error
	Ledger      *Ledger // set on record and attempt events
	Limits      *Limits // set on NodeStarted
	Data        any
}
