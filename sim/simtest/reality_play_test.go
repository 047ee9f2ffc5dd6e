package simtest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"meshsim/actors"
	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// A medium is what a node's records are stored in.
type medium interface {
	open(ctx context.Context, env appender.Env) (appender.Appender, error)
	// stop takes it away: nothing is stored, nothing is answered.
	stop(o outage)
	// back undoes that, and returns when it can be reached again.
	back() error
	// kill is the death of the process that the node is in: what it had open is
	// gone, and nobody has closed it.
	kill()
	// content is what is stored, in its order.
	content() ([]appender.Record, error)
	// repeats says which records it stores again that are appended again.
	repeats() repeats
	close() error
}

// repeats are records that a medium does not recognise.
type repeats int

const (
	nothing      repeats = iota // it recognises all
	whatItStored                // those that it has acknowledged, and no other
	everything                  // those, and those of which it lost the acknowledgement
)

// outage is how a medium goes.
type outage struct {
	first uint64 // number of the first record that it does not take
	last  uint64 // amid: at the latest it is gone from this one on
	amid  bool   // while a call is under way
	calls int    // amid: so many more calls of the disk come through
}

// fate is what became of a line.
type fate struct {
	emitted bool
	settled int
	outcome appender.Outcome // Pending: it never reached the host
	taken   int              // how often the medium may have stored it
	stored  int              // how often it is there
	why     error            // the last attempt's that came to a stop at it
}

// play is one run of a script.
type play struct {
	s     *script
	stage stage
	m     medium
	o     playOptions
	gate  gate

	node    *actors.Node
	control *appender.Control
	handed  int

	mu          sync.Mutex
	rng         *rand.Rand
	fates       []fate // by line - 1
	bases       []int  // lines handed before each incarnation, from the first
	at          *point // to come
	pending     int    // of what is to strike, or under way
	crashedNow  bool
	opened      bool  // the worker that is up has its appender
	gone        bool  // the medium, or it was in the act under way
	goneOnce    bool  // in some act
	order       []int // lines as they are stored
	disturbance string
	err         error
}

type playOptions struct {
	// seed draws when exactly what races strikes.
	seed uint64
	// wrap changes the medium's appender, to see that it is noticed.
	wrap func(appender.Appender) appender.Appender
}

// errDisturbed: the machine was slower than a deadline, or something went wrong
// that the script does not know of. Such a run says nothing.
var errDisturbed = errors.New("disturbed")

// patience is the deadline where nothing is to hang.
const patience = 20 * time.Second

// perform runs a script on a stage and a medium, and closes both.
func perform(s *script, st stage, m medium, o playOptions) (p *play, err error) {
	p = &play{
		s: s, stage: st, m: m, o: o, rng: rand.New(rand.NewPCG(o.seed, 0)),
		fates: make([]fate, s.lines()),
	}
	defer func() {
		if p.control != nil {
			p.control.ClearAll()
			p.control.Release()
		}
		err = errors.Join(err, st.close(), m.close())
	}()
	err = p.run()
	p.mu.Lock()
	defer p.mu.Unlock()
	err = errors.Join(err, p.err)
	switch {
	case p.disturbance != "":
		err = fmt.Errorf("%w: %s", errDisturbed, p.disturbance)
		fallthrough
	case err != nil:
		err = fmt.Errorf("%w\n  in %v", err, s)
	}
	return p, err
}

func (p *play) run() error {
	within := patience
	for i := range p.s.acts {
		a := &p.s.acts[i]
		if err := p.act(a); err != nil {
			return fmt.Errorf("%s: %w", a.do, err)
		}
		if a.do == doEnd {
			within = a.within
		}
	}
	if err := p.end(within); err != nil {
		return err
	}
	if err := p.m.back(); err != nil { // where the script leaves it away
		return err
	}
	return p.read()
}

func (p *play) act(a *act) error {
	switch a.do {
	case doHand:
		return p.hand(a)
	case doClear:
		p.control.ClearAll()
		p.control.Release()
		return p.recover()
	case doBack:
		if err := p.m.back(); err != nil {
			return err
		}
		return p.mended()
	case doCrash:
		p.crash()
		p.crashEnds()
	}
	return nil
}

// hand hands lines over and waits until it is known what became of each.
func (p *play) hand(a *act) error {
	if err := p.up(); err != nil {
		return err
	}
	for _, f := range a.faults {
		p.inject(f)
	}
	p.mu.Lock()
	p.at = a.at
	p.mu.Unlock()
	first, last := p.handed+1, p.handed+a.lines
	p.gate.shut(first)
	p.log(1)
	err := p.stage.await("its first line comes to the appender", func() bool { return p.gate.holds() || p.settled(first, first) })
	if err != nil {
		return err
	}
	p.log(a.lines - 1)
	if err := p.stage.await("its lines come to the host", func() bool { return p.emitted(first, last) }); err != nil {
		return err
	}
	p.gate.lift()
	if end := p.s.acts[len(p.s.acts)-1]; end.do == doEnd && last == p.s.lines() {
		return p.stage.await("a call hangs", func() bool { return p.control.Hanging() > 0 })
	}
	err = p.stage.await("its lines are settled", func() bool { return p.settled(first, last) && p.quiet() })
	if err != nil {
		return err
	}
	if a.at != nil && a.at.away > 0 {
		if err := p.mended(); err != nil {
			return err
		}
	}
	p.crashEnds()
	return nil
}

// up starts the node's next incarnation, unless it is up.
func (p *play) up() error {
	if p.node != nil {
		return nil
	}
	p.mu.Lock()
	p.opened = false
	p.bases = append(p.bases, p.handed)
	incarnation := uint32(len(p.bases))
	p.mu.Unlock()
	deadline, grace := patience, patience
	if p.s.deadline > 0 {
		deadline, grace = p.s.deadline, p.s.deadline
	}
	p.control = appender.NewControl(p.o.seed)
	for i := range p.s.acts[0].faults {
		if p.handed == 0 {
			p.inject(p.s.acts[0].faults[i]) // the first opening may be struck
		}
	}
	var err error
	p.node, err = p.stage.runtime().Spawn(actors.NodeOptions{
		ID: 1, Name: "n1", Incarnation: incarnation, Seed: p.o.seed + uint64(incarnation),
		Loop: loop.Options{Ring: 8}, Inbox: len(p.fates), // no line is dropped on its way to the host
		Host: actors.Host{
			Open: p.gate.opener(appender.FaultyOpener(p.open, p.control)), Inbox: cmp.Or(p.s.inbox, len(p.fates)), Batch: p.s.batch, Attempts: p.s.attempts,
			Deadline: deadline, Grace: grace, Backoff: 2 * time.Millisecond, MaxBackoff: 20 * time.Millisecond, Probe: 20 * time.Millisecond,
		},
		Observe: p.observe,
		Wants: trace.Kinds(trace.RecordEmitted, trace.RecordSettled, trace.AttemptEnded,
			trace.WorkerStarted, trace.WorkerOpened, trace.WorkerFailed, trace.WorkerAbandoned),
	}, silent{})
	return err
}

// silent is a model that does nothing.
type silent struct{}

func (silent) Step(loop.Input, *loop.Ready) error            { return nil }
func (silent) Tick(time.Duration, *loop.Ready)               {}
func (silent) Next(time.Duration) (t time.Duration, ok bool) { return 0, false }

// inject puts a fault into force for the incarnation that is up.
func (p *play) inject(f fault) {
	if p.handed == 0 && p.node != nil {
		return // it is in force already
	}
	r := appender.Rule{Kind: f.kind, Fault: appender.Fault{Times: uint64(f.times)}}
	if f.from > 0 {
		r.From, r.To = p.seqOf(f.from), p.seqOf(f.to)
	}
	if f.kind == appender.FaultAppendLatency {
		r.Latency = 20 * time.Millisecond
	}
	p.control.Add(r)
}

func (p *play) log(lines int) {
	for range lines {
		p.handed++
		p.node.Log(loop.LogLine{Message: lineText(p.handed)})
	}
}

// mended is the end of an outage.
func (p *play) mended() error {
	p.mu.Lock()
	p.gone = false
	p.mu.Unlock()
	return p.recover()
}

// recover waits until the host takes records again.
func (p *play) recover() error {
	if p.node == nil {
		return nil
	}
	return p.stage.await("the appender is open", func() bool {
		p.mu.Lock()
		opened := p.opened
		p.mu.Unlock()
		s := p.node.Stats()
		return opened && !s.CircuitOpen && s.AbandonedNow == 0
	})
}

// crashEnds is the end of a crash, if there was one: the next lines are those of
// the next incarnation.
func (p *play) crashEnds() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.crashedNow {
		p.node, p.crashedNow = nil, false
		p.control.ClearAll()
		p.control.Release()
	}
}

// crash is the death of the process that the node is in.
func (p *play) crash() {
	if p.node == nil {
		// It is down: it comes up without anything to do, and crashes again.
		p.fail(p.up())
	}
	p.node.Crash()
	p.m.kill()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.crashedNow = true
}

func (p *play) end(within time.Duration) error {
	if p.node == nil {
		return nil
	}
	p.node.Stop(within)
	return p.stage.await("it has stopped", func() bool {
		select {
		case <-p.node.Done():
			return true
		default:
			return false
		}
	})
}

// read looks at what is stored in the end.
func (p *play) read() error {
	recs, err := p.m.content()
	if err != nil {
		return fmt.Errorf("reading back: %w", err)
	}
	for i := range recs {
		rec := &recs[i]
		line := p.lineOf(rec)
		if line < 1 || line > len(p.fates) || rec.Message != lineText(line) || rec.Node != "n1" {
			return fmt.Errorf("reading back: there is %v, which is no line of the script", *rec)
		}
		p.fates[line-1].stored++
		p.order = append(p.order, line)
	}
	return nil
}

func lineText(line int) string { return fmt.Sprintf("line %d %064d", line, line) }
