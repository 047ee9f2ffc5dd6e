package simtest_test

import (
	"fmt"
	"time"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// What a run knows while it is under way: which record is which line, what
// became of it, and when points strike. All of it may be called from anywhere.

// observe is told of every event, one at a time.
func (p *play) observe(e *trace.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := p.bases[e.Incarnation-1] + int(e.Seq)
	switch e.Kind {
	case trace.WorkerStarted:
		p.opened = false
	case trace.WorkerAbandoned:
		p.opened = false
		if !p.gone && !p.s.faulty(appender.FaultAppendDeaf) {
			p.disturbed("a call did not come back")
		}
	case trace.WorkerOpened:
		p.opened = true
	case trace.RecordEmitted:
		p.fates[line-1].emitted = true
	case trace.RecordSettled:
		f := &p.fates[line-1]
		f.settled++
		f.outcome = appender.Outcome(e.Outcome)
	case trace.AttemptEnded:
		if e.Err != nil && e.Cap < e.Count {
			p.fates[line+int(e.Cap)-1].why = e.Err
		}
		if e.Result == trace.ResultDeadline || e.Result == trace.ResultHang {
			p.late(line+int(e.Cap), line+int(e.Count)-1)
		}
	case trace.WorkerFailed:
		p.opened = false
		if e.Result == trace.ResultOpenFailed && !p.gone && !p.s.faulty(appender.FaultOpenError, appender.FaultAppendDeaf) {
			p.disturbed(fmt.Sprintf("an opening failed: %v", e.Err))
		}
	}
}

// late hears of a call that was not back in time. Only what the script says may
// hang, or what waits for a medium that is gone; not a slow machine.
func (p *play) late(first, last int) {
	for _, a := range p.s.acts {
		for _, f := range a.faults {
			if (f.kind == appender.FaultAppendHang || f.kind == appender.FaultAppendDeaf) && f.strikes(first, last) {
				return
			}
		}
	}
	if !p.gone {
		p.disturbed(fmt.Sprintf("lines %d to %d were not stored in time", first, last))
	}
}

func (p *play) disturbed(why string) {
	if p.disturbance == "" {
		p.disturbance = why
	}
}

func (p *play) lineOf(rec *appender.Record) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := int(rec.Incarnation); i < 1 || i > len(p.bases) {
		return 0
	}
	return p.bases[rec.Incarnation-1] + int(rec.Seq)
}

// seqOf is the number of a line in the incarnation that is up.
func (p *play) seqOf(line int) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return uint64(line - p.bases[len(p.bases)-1])
}

func (p *play) emitted(first, last int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.fates[first-1 : last] {
		if !f.emitted {
			return false
		}
	}
	return true
}

func (p *play) settled(first, last int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.fates[first-1 : last] {
		if f.settled == 0 {
			return false
		}
	}
	return true
}

// took notes that the medium was handed records, or has refused them.
func (p *play) took(recs []appender.Record, by int) {
	for i := range recs {
		line := p.lineOf(&recs[i])
		p.mu.Lock()
		p.fates[line-1].taken += by
		p.mu.Unlock()
	}
}

// due is the point that strikes at one of some lines, and the first of them that
// it strikes.
func (p *play) due(first, last int) (int, *point) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == nil || last < p.at.line {
		return 0, nil
	}
	return max(first, p.at.line), p.at
}

// spend has the point strike, once.
func (p *play) spend() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.at
	p.at = nil
	return was != nil
}

// counted counts what is to come as pending until it is through.
func (p *play) counted(f func()) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending++
	return func() {
		f()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.pending--
	}
}

// quiet reports whether nothing is to strike any more.
func (p *play) quiet() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pending == 0
}

// soon has f happen within some appends, outside of the actors.
func (p *play) soon(f func()) { p.stage.after(p.draw(p.stage.soon()), p.counted(f)) }

// draw draws a delay below limit, short ones as often as long ones.
func (p *play) draw(limit time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := time.Duration(p.rng.Int64N(int64(limit)))
	return d >> p.rng.IntN(9)
}

// callsMax is more than one append costs of a disk.
const callsMax = 6

func (p *play) below(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rng.IntN(n)
}

// stop takes the medium away.
func (p *play) stop(o outage) {
	p.mu.Lock()
	p.gone, p.goneOnce = true, true
	p.mu.Unlock()
	p.m.stop(o)
}

// vanish takes the medium away while lines from k on are being stored, and
// brings it back if the script says so.
func (p *play) vanish(k int, away time.Duration) {
	o := outage{first: p.seqOf(k), last: p.seqOf(len(p.fates)), amid: true, calls: p.below(callsMax)}
	p.soon(func() {
		p.stop(o)
		if away > 0 {
			p.stage.after(p.draw(p.stage.lasting(away)), p.counted(func() { p.fail(p.m.back()) }))
		}
	})
}

func (p *play) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}
