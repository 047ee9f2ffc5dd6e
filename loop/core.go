package loop

import (
	"errors"
	"fmt"
	"math"
	"time"

	"meshsim/appender"
)

// ErrAction is what [Loop.Step] refuses an outcome with that belongs to no
// action in flight: one never emitted, or already answered.
var ErrAction = errors.New("loop: outcome of no action in flight")

// Loop is a node's reconcile loop: it lets a [Model] fold inputs and
// reconcile, and keeps for it what every integration needs (package
// documentation). One goroutine at a time may use it, [Loop.Snapshot] apart.
// Make it with [New].
type Loop struct {
	model    Model
	idler    Idler    // nil if the model is none
	digester Digester // the same
	viewer   Viewer   // the same
	opt      Options

	ready    Ready
	stepping bool // a call into the model is under way
	now      time.Duration
	wallMs   uint64

	// base is when the last tick was handled; the regular ticks from there
	// on are due at base + k*Tick, k >= 1. due is the armed one of them.
	base  time.Duration
	due   time.Duration
	armed bool

	// log holds the records stats.Records-Len+1 .. stats.Records, without
	// gaps, and emissions the actions in the same way: so an entry is found
	// by its number in O(1).
	log       appender.Ring[Entry]
	emissions appender.Ring[Emission]
	stats     Stats
	lines     uint64 // running digest of the records emitted
	effects   uint64 // running digest of the actions emitted and done

	published publication
	broken    defect // tests only
}

// New returns a loop around m that has folded nothing in yet.
func New(m Model, o Options) *Loop {
	o = o.withDefaults()
	l := &Loop{
		model:     m,
		opt:       o,
		now:       o.Start,
		base:      o.Start,
		log:       *appender.NewRing[Entry](o.Ring),
		emissions: *appender.NewRing[Emission](o.Emissions),
	}
	l.idler, _ = m.(Idler)
	l.digester, _ = m.(Digester)
	l.viewer, _ = m.(Viewer)
	l.ready.loop = l
	l.published.latest.Store(&Snapshot{Node: o.Node, Incarnation: o.Incarnation})
	l.published.wanted.Store(true)
	l.arm()
	return l
}

// Step folds an input in. What it wants done is added to [Loop.Ready], where
// it stays until [Loop.Advance]; several steps may be taken before that.
//
// An error means that the input was refused, by the model or with [ErrAction],
// and that the state is as it was. It is counted in [Stats] and logged as a
// record of level Warn; the caller need not do anything about it.
//
// Time that goes back counts as standing still, so that a model only ever sees
// it grow.
func (l *Loop) Step(in Input) error {
	l.enter(in.Now, in.WallMs)
	defer l.leave()
	in.Now = l.now
	l.stats.Steps++
	err := l.finish(in.Action)
	if err == nil {
		err = l.model.Step(in, &l.ready)
	}
	if err != nil {
		l.stats.Refused++
		l.emit(LogLine{Level: appender.Warn, Message: "input refused: " + err.Error()})
	}
	l.arm()
	return err
}

// Log emits one record for a line from outside the model, which never sees it:
// it enters the log ring, and Ready's records. It allocates nothing in the
// steady state.
func (l *Loop) Log(now time.Duration, wallMs uint64, line LogLine) {
	l.enter(now, wallMs)
	l.stats.Lines++
	l.emit(line)
	l.stepping = false
}

// Tick lets the model reconcile, and publishes a snapshot if one is wanted.
// The next tick is due one interval after now, however late this one is: late
// ticks are not made up for.
func (l *Loop) Tick(now time.Duration, wallMs uint64) {
	l.enter(now, wallMs)
	defer l.leave()
	l.stats.Ticks++
	// Before the model is called, so that a tick that panics is over, too.
	l.rebase()
	l.due, l.armed = l.base+l.opt.Tick, true
	l.model.Tick(l.now, &l.ready)
	l.armed = false
	l.arm()
	l.publish()
}

// NextTick says when Tick is due next; ok is false while the model idles. It
// changes with every Step and Tick, but never from a time that has been
// reached: a tick that is due stays due until it is handled.
func (l *Loop) NextTick() (t time.Duration, ok bool) { return l.due, l.armed }

// Settle tells the loop what became of record seq, in O(1). It never reaches
// the model, whose behaviour thus cannot depend on an appender's. A record may
// be settled again, when a retry of it lands later. Settling as Pending, or
// what was never emitted, panics.
func (l *Loop) Settle(seq uint64, o appender.Outcome) {
	if o == appender.Pending || int(o) >= appender.NumOutcomes {
		panic(fmt.Sprintf("loop: record %d settled as %v", seq, o))
	}
	if seq == 0 || seq > l.stats.Records {
		panic(fmt.Sprintf("loop: record %d settled of %d emitted", seq, l.stats.Records))
	}
	l.stats.Settled[o]++
	behind := l.stats.Records - seq
	if behind >= uint64(l.log.Len()) {
		l.stats.SettledEvicted++
		return
	}
	if o == appender.Appended || l.broken == clearsOnFailure {
		l.log.Ptr(l.log.Len() - 1 - int(behind)).ChainPending = false
	}
}

// Ready is what the steps since the last Advance want done. The caller hands
// its records to the appender, its messages to the network and its actions to
// the executor, in order, and then calls Advance.
func (l *Loop) Ready() *Ready { return &l.ready }

// Advance says that Ready was taken care of, and empties it.
func (l *Loop) Advance() {
	if l.stepping {
		panic("loop: Advance during a step")
	}
	l.ready.empty()
}

// Stats returns the counters. Only the loop's owner may call it.
func (l *Loop) Stats() Stats {
	s := l.stats
	s.RingDropped = l.log.Dropped()
	s.EmissionsDropped = l.emissions.Dropped()
	return s
}

func (l *Loop) enter(now time.Duration, wallMs uint64) {
	if l.stepping {
		panic("loop: Step, Log or Tick during a step")
	}
	l.stepping = true
	l.now = max(l.now, now)
	l.wallMs = wallMs
}

// leave is deferred where a model is called, so that its panic leaves a loop
// that its supervisor can go on with.
func (l *Loop) leave() { l.stepping = false }

// arm finds the next regular tick at which the model wants to be called, now at
// the earliest: a node that has idled has missed no ticks. A deadline that was
// reached stays: otherwise inputs that come faster than the loop can take them
// would put the tick off for ever.
func (l *Loop) arm() {
	if l.armed && l.due <= l.now {
		return
	}
	first := l.base + l.opt.Tick
	l.due, l.armed = first, true
	if l.idler == nil {
		return
	}
	t, ok := l.idler.Next(l.now)
	if !ok {
		l.due, l.armed = 0, false
		return
	}
	if t = max(t, l.now); t > math.MaxInt64-l.opt.Tick {
		l.due, l.armed = 0, false // beyond what there are ticks for
		return
	}
	if t > first {
		// Rounded up to a multiple of the interval after base.
		l.due = l.base + ((t-l.base-1)/l.opt.Tick+1)*l.opt.Tick
	}
}

// rebase makes now the time from which the next ticks are counted.
func (l *Loop) rebase() {
	if l.broken == ticksInBursts {
		l.base += l.opt.Tick
		return
	}
	l.base = l.now
}

// emit stamps a record, puts it in the ring, pending, and in Ready.
func (l *Loop) emit(line LogLine) {
	l.stats.Records++
	if l.broken == skipsSeq && l.stats.Records%16 == 0 {
		l.stats.Records++
	}
	l.ready.Records = append(l.ready.Records, appender.Record{
		Seq:         l.stats.Records,
		TimeMs:      l.wallMs,
		Daemon:      line.Daemon,
		Node:        l.opt.Node,
		Message:     line.Message,
		Incarnation: l.opt.Incarnation,
		Level:       line.Level,
	})
	r := &l.ready.Records[len(l.ready.Records)-1]
	l.lines = foldRecord(l.lines, r)
	if l.broken == dropsNewest && l.log.Len() == l.log.Cap() {
		return
	}
	l.log.Push(Entry{Record: *r, ChainPending: true})
}

// do stamps an action, remembers it and puts it in Ready.
func (l *Loop) do(kind string, target uint64, args any) uint64 {
	l.stats.Actions++
	a := Action{ID: l.stats.Actions, Kind: kind, Target: target, Args: args}
	l.effects = foldAction(l.effects, &a)
	l.ready.Actions = append(l.ready.Actions, a)
	l.emissions.Push(Emission{Action: a, At: l.now})
	return a.ID
}

// finish marks the action as done whose outcome is being folded in; 0 is none.
// Whether an action that has left the ring was answered before is not known,
// and left to the model.
func (l *Loop) finish(id uint64) error {
	if id == 0 {
		return nil
	}
	if id > l.stats.Actions {
		return fmt.Errorf("%w: %d of %d emitted", ErrAction, id, l.stats.Actions)
	}
	if behind := l.stats.Actions - id; behind < uint64(l.emissions.Len()) {
		e := l.emissions.Ptr(l.emissions.Len() - 1 - int(behind))
		if e.Done {
			return fmt.Errorf("%w: %d was answered before", ErrAction, id)
		}
		e.Done = true
	}
	l.effects = Fold(l.effects, id)
	return nil
}
