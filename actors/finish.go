package actors

import (
	"time"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// The end of a host in order: what is pending is appended, the appender flushed
// and closed, all of it by a deadline.

// finish begins it. The loop emits nothing more.
func (h *host) finish(by time.Duration) {
	if h.phase == phaseDone {
		return
	}
	h.finishing = true
	h.ends.set(by)
}

// lastWords goes on with it once nothing is pending.
func (h *host) lastWords() {
	switch {
	case h.phase == phaseReady && !h.flushed:
		h.phase = phaseFlushing
		h.ask(&entry{kind: kindFlush, from: h.epoch})
	case h.phase == phaseReady:
		h.phase = phaseClosing
		h.ask(&entry{kind: kindRetire, from: h.epoch})
	default:
		h.finished(false)
	}
}

// closedDown hears that the current worker has closed its appender.
func (h *host) closedDown(epoch uint64) {
	if h.phase == phaseClosing && h.w != nil && epoch == h.epoch {
		h.calls = 0
		h.phase = phaseNone
	}
}

// finished ends the host's work: late says that its deadline has come, and that
// what is left is settled as it is.
func (h *host) finished(late bool) {
	if h.phase == phaseDone {
		return
	}
	busy := h.calls != 0
	appending := h.phase == phaseAppending
	h.phase = phaseDone
	h.lock()
	if h.gate != gateGone {
		h.giveUp(appender.Lost)
		if late && appending {
			h.attemptEvent(trace.AttemptEnded, trace.ResultHang, 0, ErrEnded)
		}
		h.gate = gateGone
	}
	h.unlock()
	for _, a := range []*alarm{&h.watch, &h.retries, &h.backoff, &h.probes, &h.ends} {
		a.stop()
	}
	if busy {
		h.detach(h.w)
		h.w.mb.close()
	}
	h.calls = 0
	h.n.supervisor.mb.post(control, &entry{kind: kindHostDone})
}
