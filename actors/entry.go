package actors

import (
	"time"

	"meshsim/appender"
)

// kind says what an entry of a mailbox is.
type kind uint8

const (
	_ kind = iota

	// For the loop; the first three are droppable.

	kindLine    // a log line: seq, daemon in from, level in code, text
	kindPeer    // a peer's message: from, msg
	kindInput   // a local input: msg
	kindTick    // a tick is due
	kindOutcome // of an action: seq, its kind in text, its target in from, msg, err
	kindRefused // actions seq .. seq+from-1 were refused
	kindSettled // records were settled: see host.settled
	kindCapture // msg is a chan *loop.Snapshot
	kindFinish  // no more input: stop; for the host: flush until at

	// For the host.

	kindRecords  // the inbox holds records
	kindOpened   // from = epoch; err
	kindAppended // from = epoch, seq = how many were stored, late, err
	kindFlushed  // from = epoch; err
	kindClosed   // from = epoch: the appender of a worker that was told to retire is closed
	kindWatch    // an alarm: see host.watch; seq is its generation, as of those below
	kindRetry
	kindRestart
	kindProbe
	kindDeadline

	// For a worker: from = epoch.

	kindOpen
	kindAppend // seq records of its batch
	kindFlush
	kindRetire // close the appender, for good

	// For the executor: msg is a loop.Action.

	kindAction

	// For the node's supervisor.

	kindStop // at = by when
	kindHostDone
	kindStopDue

	// For any: err is to be raised as a panic of the handler.

	kindRaise
)

// entry is one message in a mailbox: a value, so that posting it allocates
// nothing beyond what its sender made.
type entry struct {
	kind  kind
	code  appender.Level
	late  bool
	from  uint64
	seq   uint64
	at    time.Duration // when it was posted, or is due
	cause uint64        // causal id
	stamp uint64        // order of posting, over all lanes
	msg   any
	text  string
	err   error
}
