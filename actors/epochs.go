package actors

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// Epochs: every opening of an appender has a number of its own, and a worker
// serves one at a time. An answer under any but the current one is stale.

// replace brings a worker up that is to open the appender, under a new epoch,
// unless as many as allowed are abandoned.
func (h *host) replace() {
	if h.circuit.state == closed && len(h.abandoned) >= h.n.o.Host.Abandoned-1 {
		h.circuit.hangs = true
		h.openCircuit()
		return
	}
	if h.circuit.state == closed {
		h.openFresh()
	}
}

// openFresh opens the appender under an epoch under which nothing was opened.
func (h *host) openFresh() {
	if h.w == nil || !h.fresh {
		h.nextEpoch()
	}
	h.open()
}

// nextEpoch begins an epoch, with the current worker or with a new one.
func (h *host) nextEpoch() {
	if h.w == nil {
		h.w = h.newWorker()
	}
	h.epoch++
	h.w.epoch, h.fresh = h.epoch, true
	h.lock()
	h.stats.Epoch = h.epoch
	h.unlock()
	h.workerEvent(trace.WorkerStarted, h.epoch)
}

// open asks the worker to open the appender.
func (h *host) open() {
	h.phase, h.fresh = phaseOpening, false
	h.ask(&entry{kind: kindOpen, from: h.epoch})
}

func (h *host) opened(e *entry) {
	if e.err != nil {
		h.phase = phaseNone
		h.openFailed(trace.ResultOpenFailed, e.err)
		return
	}
	h.phase = phaseReady
	h.batch = min(max(int(e.seq), 1), h.n.o.Host.Batch)
	h.unopened = 0
	h.workerEvent(trace.WorkerOpened, h.epoch)
	h.circuitOpened()
}

// openFailed answers an opening that came back with an error or a panic: the
// next one is tried after a backoff. When as many as a record has attempts have
// failed in a row, the circuit opens.
func (h *host) openFailed(r trace.Result, err error) {
	h.failed(r, err)
	h.lock()
	h.stats.OpenFailures++
	h.unlock()
	h.unopened++
	if h.unopened >= h.n.o.Host.Attempts || h.circuit.state == halfOpen {
		h.openCircuit()
	}
}

// failed tells of a worker's failure and sets the time of its restart.
func (h *host) failed(r trace.Result, err error) {
	if h.n.wants.Has(trace.WorkerFailed) {
		e := h.n.begin(trace.WorkerFailed)
		e.Epoch, e.Result, e.Err = h.epoch, r, err
		h.n.end(e)
	}
	h.failures++
	o := &h.n.o.Host
	h.restart = backoff(h.failures, o.Backoff, o.MaxBackoff, mix(mix(h.n.o.Seed, seedRestarts), h.epoch))
	if broken == mutantRestartAtOnce {
		h.restart = 0
	}
	h.phase = phaseNone
	h.backoff.set(h.n.rt.now() + h.restart)
}

// workerFailed is the supervision of workers: sup is the host itself.
func (h *host) workerFailed(sup actor.Supervisor, child *actor.PID, err error) {
	if h.w == nil || child.Id != h.w.pid.Id {
		h.lateFailure(sup, child)
		return
	}
	h.sup, h.down = sup, true
	if broken == mutantEscalates {
		h.n.actorEvent(trace.Escalated, trace.RoleWorker, 0, 0, err)
	}
	h.calls = 0
	switch h.phase {
	case phaseAppending:
		h.endAttempt(trace.ResultPanic, 0, err)
		h.failed(trace.ResultPanic, err)
		if h.circuit.state == halfOpen {
			h.openCircuit()
		}
	case phaseOpening:
		h.openFailed(trace.ResultPanic, err)
	case phaseFlushing, phaseClosing:
		h.flushed = true
		h.failed(trace.ResultPanic, err)
	default:
		// A function that it had left with the clock.
		h.failed(trace.ResultPanic, err)
	}
	h.pump()
	h.wakeLoop()
}

// lateFailure is the panic of a worker that was abandoned: it is the end of the
// call that hung.
func (h *host) lateFailure(sup actor.Supervisor, child *actor.PID) {
	for _, w := range h.abandoned {
		if w.pid.Id == child.Id {
			sup.ResumeChildren(child)
			h.retire(w)
			return
		}
	}
	sup.StopChildren(child)
}

// restartWorker ends a backoff: protoactor restarts the worker's actor if it
// has panicked, and a new epoch begins. With an open circuit the opening waits
// for the probe.
func (h *host) restartWorker() {
	if h.phase != phaseNone || h.w == nil {
		return
	}
	if h.down {
		h.down = false
		h.sup.RestartChildren(h.w.pid)
	}
	h.lock()
	h.stats.WorkerRestarts++
	h.unlock()
	if h.n.wants.Has(trace.WorkerRestarted) {
		e := h.n.begin(trace.WorkerRestarted)
		e.Epoch, e.Attempt, e.Delay = h.epoch+1, h.failures, h.restart
		h.n.end(e)
	}
	h.nextEpoch()
	switch {
	case h.finishing && h.flushed:
		h.phase = phaseReady // what had to be flushed cannot be any more
	case h.circuit.state != opened:
		h.open()
	}
}

// hung abandons the worker: it has not come back by deadline and grace. What it
// had in hand may have been stored. It is none of the host's children any more,
// as protoactor sees it, so that nobody ever waits for it; and what it may
// still say is fenced by its epoch.
func (h *host) hung() {
	h.calls = 0
	was := h.phase
	h.phase = phaseNone
	if was == phaseAppending {
		h.endAttempt(trace.ResultHang, 0, ErrHung)
	}
	if was == phaseOpening {
		h.lock()
		h.stats.OpenFailures++
		h.unlock()
		h.unopened++
	}
	w := h.w
	h.detach(w)
	h.abandoned = append(h.abandoned, w)
	h.lock()
	h.stats.AbandonedNow = len(h.abandoned)
	h.unlock()
	h.workerEvent(trace.WorkerAbandoned, h.epoch)
	if broken == mutantBatchReused {
		h.w = h.newWorker()
		h.w.batch = w.batch
	} else {
		h.w = nil
	}
	switch {
	case was == phaseFlushing || was == phaseClosing:
		h.flushed = true // as far as can be told
	case h.circuit.state == halfOpen:
		h.openCircuit()
	case was == phaseOpening && h.unopened >= h.n.o.Host.Attempts:
		h.openCircuit()
	default:
		h.replace()
	}
}

// detach takes a worker from the host's children, by the message that protoactor
// sends when one has terminated.
func (h *host) detach(w *worker) {
	h.mb.PostSystemMessage(&actor.Terminated{Who: w.pid})
}

// stale reports whether an answer came under an epoch that is over, and if so
// sends its worker into retirement.
func (h *host) stale(e *entry) bool {
	if h.w != nil && e.from == h.epoch {
		return false
	}
	h.lock()
	h.stats.Stale++
	if h.n.wants.Has(trace.StaleAnswer) {
		v := h.n.begin(trace.StaleAnswer)
		v.Epoch, v.Ledger = e.from, h.shown()
		h.n.end(v)
	}
	if broken == mutantStaleAnswerAccepted && e.kind == kindAppended && e.seq > 0 && len(h.retry) > 0 {
		it := h.retry[0]
		h.retry = h.retry[:copy(h.retry, h.retry[1:])]
		h.Retrying--
		h.settle(&it.rec, appender.Appended, e.from, it.attempts)
	}
	h.unlock()
	for _, w := range h.abandoned {
		if w.epoch == e.from {
			h.retire(w)
		}
	}
	return true
}

// retire has an abandoned worker that came back close its appender. It keeps
// its slot until that has come back, too.
func (h *host) retire(w *worker) {
	w.mb.post(control, &entry{kind: kindRetire, from: w.epoch})
}

// returned frees the slot of an abandoned worker that is through.
func (h *host) returned(epoch uint64) {
	i := slices.IndexFunc(h.abandoned, func(w *worker) bool { return w.epoch == epoch })
	if i < 0 {
		h.closedDown(epoch)
		return
	}
	w := h.abandoned[i]
	h.abandoned = slices.Delete(h.abandoned, i, i+1)
	h.lock()
	h.stats.AbandonedNow = len(h.abandoned)
	h.alive = slices.DeleteFunc(h.alive, func(other *worker) bool { return other == w })
	h.unlock()
	h.ctx.Stop(w.pid)
	h.workerEvent(trace.WorkerReturned, epoch)
	h.slotFreed()
}

// workerEvent tells of a worker.
func (h *host) workerEvent(k trace.Kind, epoch uint64) {
	if !h.n.wants.Has(k) {
		return
	}
	e := h.n.begin(k)
	e.Epoch = epoch
	if k == trace.WorkerAbandoned || k == trace.WorkerReturned {
		e.Count, e.Cap = uint64(len(h.abandoned)), uint64(h.n.o.Host.Abandoned)
	}
	h.n.end(e)
}
