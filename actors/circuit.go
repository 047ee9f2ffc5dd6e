package actors

import (
	"time"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// circuitState is a circuit breaker's (Nygard, "Release It!", 2007, ch. 5).
type circuitState uint8

const (
	closed   circuitState = iota // records go to the appender
	opened                       // records are settled at once
	halfOpen                     // a probe is under way
)

// circuit keeps a host from waiting for an appender that does not come back:
// it opens when as many workers hang as may, but one, or when no appender can
// be opened; and it closes by a probe, for which the last slot is kept, or when
// a call that hung returns.
type circuit struct {
	state    circuitState
	hangs    bool   // it opened because of calls that hang
	probed   uint32 // probes in a row that failed
	openings uint64
}

// openCircuit settles everything that is pending, and what comes from here on.
// A probe that failed opens it again.
func (h *host) openCircuit() {
	c := &h.circuit
	if c.state == halfOpen {
		c.probed++
	} else {
		c.probed = 0
		c.openings++
	}
	c.state = opened
	h.retries.stop()
	h.pausing = false
	h.lock()
	if h.gate == gateGone {
		h.unlock()
		return
	}
	h.gate = gateShut
	h.stats.CircuitOpen, h.stats.CircuitOpenings = true, c.openings
	h.workerEvent(trace.CircuitOpened, h.epoch)
	h.giveUp(appender.Failed)
	h.unlock()
	o := &h.n.o.Host
	wait := min(o.Probe<<min(c.probed, 16), max(o.MaxBackoff, o.Probe))
	draw := mix(mix(mix(h.n.o.Seed, seedProbes), c.openings), uint64(c.probed))
	h.probes.set(h.n.rt.now() + wait + time.Duration(draw%uint64(wait/4+1)))
}

// probeDue is the probe's time, or, while the probe has nothing to try, the
// time to believe the appender that it has opened.
func (h *host) probeDue(e *entry) {
	if !h.probes.rang(e) {
		return
	}
	switch {
	case h.circuit.state == halfOpen && h.phase == phaseReady:
		h.closeCircuit()
	case h.circuit.state == opened:
		h.probe()
	}
}

// probe lets one opening through, or, where the appender is open, one batch; if
// no slot is free, a hung call's return will bring it about.
func (h *host) probe() {
	switch {
	case h.phase == phaseReady:
		h.circuit.state = halfOpen
		h.workerEvent(trace.CircuitProbed, h.epoch)
		h.circuitOpened()
	case h.phase != phaseNone || len(h.abandoned) >= h.n.o.Host.Abandoned:
	case h.backoff.armed:
		// A worker that failed is down until its backoff is over.
		h.probes.set(h.backoff.due + 1)
	default:
		h.circuit.state = halfOpen
		h.workerEvent(trace.CircuitProbed, h.epoch)
		h.openFresh()
	}
}

// circuitOpened goes on with a probe whose appender has opened. If openings
// were the trouble, it is over. If calls hung, one batch is let through.
func (h *host) circuitOpened() {
	if h.circuit.state != halfOpen {
		return
	}
	if !h.circuit.hangs {
		h.closeCircuit()
		return
	}
	h.lock()
	if h.gate == gateShut {
		h.gate = gateProbe
	}
	h.unlock()
	h.probes.set(h.n.rt.now() + h.n.o.Host.Probe)
}

func (h *host) closeCircuit() {
	if broken == mutantCircuitNeverCloses {
		h.openCircuit()
		return
	}
	h.circuit.state, h.circuit.hangs = closed, false
	h.unopened = 0
	h.probes.stop()
	h.lock()
	defer h.unlock()
	if h.gate == gateGone {
		return
	}
	h.gate = gateOpen
	h.stats.CircuitOpen = false
	h.workerEvent(trace.CircuitClosed, h.epoch)
}

// slotFreed is told when an abandoned worker has returned. If too many of them
// had opened the circuit, that is over; a worker is brought up to go on.
func (h *host) slotFreed() {
	if h.circuit.state != opened || h.finishing {
		return
	}
	if h.circuit.hangs && len(h.abandoned) < h.n.o.Host.Abandoned-1 {
		h.closeCircuit()
		if h.circuit.state == closed && h.phase == phaseNone && !h.backoff.armed {
			h.replace()
		}
		return
	}
	if !h.probes.armed {
		h.probe()
	}
}
