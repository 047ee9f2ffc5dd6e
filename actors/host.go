package actors

import (
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// phase is what a host's worker does.
type phase uint8

const (
	// phaseNone: there is no worker, or none that may be asked for anything:
	// it waits out a backoff, or for the circuit's probe.
	phaseNone phase = iota
	phaseOpening
	phaseReady
	phaseAppending
	phaseFlushing
	phaseClosing
	phaseDone // nothing more is done, ever
)

// host is the actor that owns a node's queue of records. It never calls user
// code: its workers do. What it knows, and nobody else touches, is below; what
// the loop shares is in the ledger.
type host struct {
	n   *Node
	mb  *mailbox
	ctx actor.Context

	ledger

	w       *worker // the current one, nil if it was abandoned
	sup     actor.Supervisor
	workers int // made so far
	epoch   uint64
	fresh   bool // nothing was opened under it yet
	phase   phase
	batch   int  // the largest that the open appender takes
	down    bool // the worker has failed, and waits for its restart
	restart time.Duration
	// failures counts those of the worker since an attempt was answered.
	failures uint32
	unopened int // openings in a row that failed
	pausing  bool

	watch   alarm         // the call that is under way must be back by calledBy
	calls   time.Duration // by when; 0: none is under way
	retries alarm
	backoff alarm
	probes  alarm
	ends    alarm

	circuit   circuit
	abandoned []*worker
	alive     []*worker // the current one and the abandoned; under the ledger's lock
	retried   uint64    // draws of retries so far
	finishing bool
	flushed   bool
	call      attempt
}

// attempt is the one under way.
type attempt struct {
	first  appender.Record
	count  int
	number uint32
}

func (h *host) init(n *Node) {
	h.n = n
	h.ledger.init(n)
	// Two messages of each of five alarms; a wake-up, an order to finish, and
	// per worker an answer and a farewell.
	h.mb = n.rt.newMailbox(n, trace.RoleHost, 10, 4+3*(n.o.Host.Abandoned+2), 1)
	h.mb.name[control] = "host-control"
	h.watch = newAlarm(h.mb, kindWatch)
	h.retries = newAlarm(h.mb, kindRetry)
	h.backoff = newAlarm(h.mb, kindRestart)
	h.probes = newAlarm(h.mb, kindProbe)
	h.ends = newAlarm(h.mb, kindDeadline)
}

func (h *host) started(c actor.Context) {
	h.ctx = c
	switch {
	case h.phase == phaseDone:
	case h.circuit.state == halfOpen:
		h.openCircuit() // it was restarted, and its probe is lost
	default:
		h.replace()
	}
}

// restarting comes after a panic of the host itself, which takes its children
// down. A worker that is busy would keep it waiting.
func (h *host) restarting() { h.leave() }
func (h *host) stopping()   { h.leave() }

// stopped, without having finished, means that the supervisor gave the host up:
// records are settled at once from here on.
func (h *host) stopped() {
	h.lock()
	defer h.unlock()
	if h.phase == phaseDone || h.gate == gateGone {
		return
	}
	h.phase = phaseDone
	h.gate = gateShut
	h.stats.CircuitOpen = true
	h.workerEvent(trace.CircuitOpened, h.epoch)
	h.giveUp(appender.Failed)
}

// leave gives the current worker up without counting it as hung.
func (h *host) leave() {
	if h.phase == phaseAppending {
		h.endAttempt(trace.ResultHang, 0, ErrEnded)
	}
	if h.w != nil {
		h.detach(h.w)
		h.w.mb.close()
		h.w = nil
	}
	h.calls, h.down = 0, false
	h.backoff.stop()
	if h.phase != phaseDone {
		h.phase = phaseNone
	}
}

func (h *host) handle(e *entry) {
	switch e.kind {
	case kindRecords:
		h.lock()
		h.woken = false
		h.unlock()
	case kindOpened, kindAppended, kindFlushed:
		h.answered(e)
	case kindClosed:
		h.returned(e.from)
	case kindWatch:
		h.watched(e)
	case kindRetry:
		if h.retries.rang(e) {
			h.pausing = false
		}
	case kindRestart:
		if h.backoff.rang(e) {
			h.restartWorker()
		}
	case kindProbe:
		h.probeDue(e)
	case kindFinish:
		h.finish(e.at)
	case kindDeadline:
		if h.ends.rang(e) {
			h.finished(true)
		}
	}
	h.pump()
	h.wakeLoop()
}

// wakeLoop tells the loop that records were settled, unless it is on its way
// to be told.
func (h *host) wakeLoop() {
	h.lock()
	tell := h.settled.Len() > 0 && !h.told && h.gate != gateGone
	h.told = h.told || tell
	h.unlock()
	if tell {
		h.n.loop.mb.post(control, &entry{kind: kindSettled})
	}
}

// pump starts what can be started: an attempt, or the last words of a stop.
func (h *host) pump() {
	if h.phase != phaseReady && h.phase != phaseNone {
		return
	}
	h.lock()
	idle := len(h.retry) == 0 && h.queue.Len() == 0
	h.unlock()
	switch {
	case idle && h.finishing:
		h.lastWords()
	case !idle && h.phase == phaseReady && !h.pausing:
		h.attempt()
	}
}

// attempt takes a batch in hand and asks the worker to append it.
func (h *host) attempt() {
	w := h.w
	h.lock()
	hand := h.take(h.batch)
	if len(hand) == 0 {
		h.unlock() // the node has just crashed
		return
	}
	for i := range hand {
		hand[i].attempts++
	}
	h.call = attempt{first: hand[0].rec, count: len(hand), number: hand[0].attempts}
	if h.call.number > 1 {
		h.stats.Retries++
	}
	w.batch = w.batch[:0]
	for i := range hand {
		w.batch = append(w.batch, hand[i].rec)
	}
	if h.circuit.state == halfOpen {
		h.gate = gateShut // this batch is the probe
	}
	h.attemptEvent(trace.AttemptStarted, trace.ResultOK, 0, nil)
	h.unlock()
	h.phase = phaseAppending
	h.ask(&entry{kind: kindAppend, from: h.epoch, seq: uint64(len(hand))})
}

// attemptEvent tells of an attempt, under the ledger's lock.
func (h *host) attemptEvent(k trace.Kind, r trace.Result, acked int, err error) {
	if !h.n.wants.Has(k) {
		return
	}
	e := h.n.begin(k)
	c := &h.call
	e.Epoch, e.Attempt, e.Stream, e.Seq, e.Count = h.epoch, c.number, c.first.Stream, c.first.Seq, uint64(c.count)
	e.Result, e.Cap, e.Err, e.Ledger = r, uint64(acked), err, h.shown()
	h.n.end(e)
}

// ask posts a request to the worker, which must be back from it in time.
func (h *host) ask(e *entry) {
	o := &h.n.o.Host
	h.calls = h.n.rt.now() + o.Deadline + o.Grace
	if !h.watch.armed {
		h.watch.set(h.calls)
	}
	h.w.mb.post(control, e)
}

// watched is the watch's ringing. It is set again rather than at every call, so
// that calls which come back cost no timer.
func (h *host) watched(e *entry) {
	if !h.watch.rang(e) || h.calls == 0 {
		return
	}
	if now := h.n.rt.now(); now < h.calls {
		h.watch.set(h.calls)
		return
	}
	h.hung()
}

// answered takes a worker's answer; one of an epoch that is over is fenced.
func (h *host) answered(e *entry) {
	if h.stale(e) {
		return
	}
	was := h.phase
	h.calls = 0
	switch {
	case e.kind == kindOpened && was == phaseOpening:
		h.opened(e)
	case e.kind == kindAppended && was == phaseAppending:
		h.phase = phaseReady
		h.appended(e)
	case e.kind == kindFlushed && was == phaseFlushing:
		h.flushed = true
		h.phase = phaseReady
	}
}

// appended ends an attempt that was answered.
func (h *host) appended(e *entry) {
	result := trace.ResultOK
	switch {
	case e.err == nil:
	case e.late:
		result = trace.ResultDeadline
	case errors.Is(e.err, appender.ErrUnknownOutcome):
		result = trace.ResultUnknown
	default:
		result = trace.ResultError
	}
	h.endAttempt(result, int(e.seq), e.err)
	answered := result == trace.ResultOK || result == trace.ResultError
	if answered || e.seq > 0 {
		h.failures = 0
	}
	if h.circuit.state == halfOpen {
		if answered || result == trace.ResultUnknown || e.seq > 0 {
			h.closeCircuit()
		} else {
			h.openCircuit()
		}
	}
	if e.err != nil {
		h.pause(h.call.first.Seq + e.seq)
	}
}

// pause waits out the backoff of record seq, if it is to be tried again.
func (h *host) pause(seq uint64) {
	h.lock()
	again := len(h.retry) > 0 && h.retry[0].rec.Seq == seq
	var attempts uint32
	if again {
		attempts = h.retry[0].attempts
	}
	h.unlock()
	if !again || attempts == 0 {
		return
	}
	o := &h.n.o.Host
	h.retried++
	h.pausing = true
	h.retries.set(h.n.rt.now() + backoff(attempts, o.Backoff, o.MaxBackoff,
		mix(mix(h.n.o.Seed, seedRetries), h.retried)))
}

// endAttempt settles what the attempt in hand has settled, and puts the rest
// back to be tried again: in front of everything, so that order is kept.
func (h *host) endAttempt(result trace.Result, acked int, err error) {
	h.lock()
	defer h.unlock()
	if h.gate == gateGone {
		return // the node has crashed meanwhile, and settled what was in hand
	}
	switch result {
	case trace.ResultError, trace.ResultUnknown:
		h.stats.Errors++
	case trace.ResultDeadline:
		h.stats.Deadlines++
	case trace.ResultPanic:
		h.stats.Panics++
	case trace.ResultHang:
		h.stats.Hangs++
	}
	hand := h.hand
	for i := range hand[:acked] {
		h.InHand--
		h.settle(&hand[i].rec, appender.Appended, h.epoch, hand[i].attempts)
	}
	rest := hand[acked:]
	h.blame(rest, result)
	if broken == mutantInHandLostOnPanic && result == trace.ResultPanic {
		h.InHand -= uint64(len(rest))
		rest = nil
	}
	kept := rest[:0]
	for i := range rest {
		it := rest[i]
		h.InHand--
		if int(it.attempts) >= h.n.o.Host.Attempts {
			o := appender.Failed
			if it.possibly {
				o = appender.Unknown
			}
			h.settle(&it.rec, o, h.epoch, it.attempts)
			continue
		}
		h.Retrying++
		kept = append(kept, it)
	}
	h.putBack(kept)
	h.hand = emptied(h.hand)
	h.attemptEvent(trace.AttemptEnded, result, acked, err)
}

// blame notes what an attempt's end means for the records that it did not
// store. It counts as an attempt on the first of them alone: the answer concerns
// that one; and after a panic or a hang, of which any of them may be the cause,
// each is tried alone from here on, lest it take others with it again. Where the
// outcome is open, it is open for all of them: a batch may have been written as a
// whole.
func (h *host) blame(rest []item, result trace.Result) {
	for i := range rest {
		it := &rest[i]
		if i > 0 {
			it.attempts--
		}
		switch result {
		case trace.ResultPanic, trace.ResultHang:
			it.possibly, it.suspect = true, true
		case trace.ResultDeadline, trace.ResultUnknown:
			it.possibly = true
		}
	}
}

// putBack puts records in front of those that wait for a retry.
func (h *host) putBack(kept []item) {
	k := len(kept)
	if k == 0 {
		return
	}
	n := len(h.retry)
	h.retry = append(h.retry, kept...)
	copy(h.retry[k:], h.retry[:n])
	copy(h.retry, kept)
}
