package torture

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// log is what is tortured: a [filelog.Log], or one of the tests' that is broken.
type log interface {
	appender.BatchAppender
	appender.Appender
	appender.Flusher
	appender.Replayer
	appender.Positioner
	Close() error
	Dropped() uint64
	Recovery() filelog.Recovery
}

// openLog opens what is tortured.
type openLog func(ctx context.Context, o filelog.Options, env appender.Env) (log, error)

func filelogs(ctx context.Context, o filelog.Options, env appender.Env) (log, error) {
	l, err := filelog.Open(ctx, o, env)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// background is the context of every call: what a log does when its caller gives
// up is no matter of the disk.
var background = context.Background()

// world is one history while it is gone through.
type world struct {
	p      *plan
	opener openLog
	exact  bool // m.head is, since the last opening
	d      *disk.Disk
	clock  appender.ManualClock
	m      model
	fs     counting
	l      log
	// o is what the log was opened with, next what it will be opened with.
	o, next settings
	// removes take the rules back that are in force.
	removes []func()
	// lives counts the crashes and kills when the disk was mounted, crashes the
	// crashes when the log was last open.
	lives, crashes uint64
	epoch          uint64
	seq            uint64
	settled        time.Duration // when everything was last durable, for intervals
	digest         uint64
	step           int
}

func newWorld(p *plan, open openLog) *world {
	return &world{
		p: p, opener: open, o: p.o, next: p.o,
		d: disk.New(disk.Options{Seed: appender.Mix(p.seed ^ purposeDisk), Sector: p.sector, Tear: p.tear}),
	}
}

// What draws are for: each purpose has a stream of its own.
const (
	purposeDisk = 1 << 40 << iota
	purposeSalt
	purposeCrash
)

// run goes through the plan. The error says what was wrong, and w.step where.
func (w *world) run() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
			if e, ok := v.(error); ok && errors.Is(e, errHang) {
				err = e
			}
		}
	}()
	if err := w.open(); err != nil {
		return fmt.Errorf("the first opening: %w", err)
	}
	for w.step = range w.p.steps {
		if err := w.take(&w.p.steps[w.step]); err != nil {
			return err
		}
		w.m.tally.Steps++
	}
	w.step = len(w.p.steps)
	return w.last()
}

// take takes one step, and opens the log again if it died in it.
func (w *world) take(s *step) error {
	if err := w.act(s); err != nil {
		return err
	}
	if err := w.positions(); err != nil {
		return err
	}
	if w.m.unread && !w.m.shaky && !w.dead() && w.l != nil {
		// Now it can be told what the sync that failed has cost, for good.
		w.m.unread = false
		if err := w.replay(s); err != nil {
			return err
		}
	}
	if w.dead() || w.l == nil {
		return w.open()
	}
	return nil
}

func (w *world) act(s *step) error {
	switch s.act {
	case actAppend:
		return w.append(s)
	case actFlush:
		return w.flush()
	case actClose:
		return w.close()
	case actKill:
		w.d.Kill()
	case actPower:
		w.crash(s)
	case actTrap:
		w.fs.trap, w.fs.spring = w.fs.calls+uint64(s.n)+1, func() { w.crash(s) }
	case actInject:
		w.removes = append(w.removes, w.d.Inject(s.rule))
	case actHeal:
		w.heal()
	case actCapacity:
		w.d.SetCapacity(max(w.d.Used()+int64(s.n), 1))
	case actFlip:
		if w.flip(s) {
			w.m.flipped = true
		}
	case actReplay:
		return w.replay(s)
	case actTail:
		return w.tail()
	case actIntrude:
		return w.intrude()
	case actAdvance:
		w.clock.Advance(time.Duration(s.n) * time.Millisecond)
	case actSettings:
		w.next = s.o
	}
	return nil
}

// healed begins what is wrong although no fault is in force any more.
const healed = "after every fault has ended: "

// last ends the faults: a log that is told the truth by its disk must work.
func (w *world) last() error {
	w.heal()
	end := step{act: actAppend, n: 2, seed: w.p.seed}
	for _, a := range []act{actReplay, actAppend, actFlush, actTail, actClose, actAppend, actClose} {
		end.act = a
		if err := w.take(&end); err != nil {
			return fmt.Errorf(healed+"%w", err)
		}
	}
	w.digest = appender.Mix(w.digest ^ w.d.Digest())
	w.m.tally.Calls = w.fs.calls
	w.m.tally.Faults = w.faults()
	return nil
}

func (w *world) heal() {
	for _, remove := range w.removes {
		remove()
	}
	w.removes, w.fs.trap = w.removes[:0], 0
	w.d.SetCapacity(0)
}

// faults counts what befell the disk, besides pieces lost.
func (w *world) faults() uint64 {
	c := w.d.Counts()
	n := c.Crashes + c.Kills + c.NoSpace + c.Flipped
	for k := range disk.NumKinds {
		switch disk.Kind(k) {
		case disk.PowerFailure, disk.Death, disk.Full: // counted above
		default:
			n += w.d.Struck(disk.Kind(k))
		}
	}
	return n
}

func (w *world) deaths() uint64 {
	c := w.d.Counts()
	return c.Crashes + c.Kills
}

// dead reports whether the process that has the log open is.
func (w *world) dead() bool { return w.deaths() != w.lives }

// within runs a call on the log, which must end within some number of calls of
// the file system, and reports whether a fault struck in it.
func (w *world) within(call func()) (struck bool) {
	w.fs.limit = w.fs.calls + callsBase + callsPerFile*uint64(w.d.Files()) + callsPerRecord*w.m.end()
	before, syncs := w.faults(), w.fs.failedSyncs
	call()
	if w.fs.failedSyncs != syncs {
		w.m.syncFailed()
	}
	struck = w.faults() != before
	w.m.struck = w.m.struck || struck
	return struck
}

// note makes numbers part of the digest.
func (w *world) note(xs ...uint64) {
	for _, x := range xs {
		w.digest = appender.Mix(w.digest ^ x)
	}
}

// The bound of calls of the file system within a call on the log.
const (
	callsBase      = 200
	callsPerFile   = 50
	callsPerRecord = 2
)
