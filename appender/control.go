package appender

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The kinds of fault that a [Control] knows, by the names that scenarios use.
// Of several that would strike a record, latency comes first, then one of
// panic, deaf, hang and error, in this order, and applied-then-error once the
// record is stored. An opening is struck by one of panic, deaf, hang and error.
const (
	FaultAppendError   = "append-error"   // the record is not stored, and an error says so
	FaultAppendLatency = "append-latency" // the call takes longer, at most once a call
	FaultAppendHang    = "append-hang"    // the call does not return before ctx ends
	FaultAppendDeaf    = "append-deaf"    // the call does not return, whatever ctx says
	FaultAppendPanic   = "append-panic"   // the call panics; the record is not stored
	FaultOpenError     = "open-error"     // opening fails
	FaultOpenHang      = "open-hang"      // opening does not return before ctx ends
	FaultOpenDeaf      = "open-deaf"      // opening does not return, whatever ctx says
	FaultOpenPanic     = "open-panic"     // opening panics
	// FaultAppliedThenError: the record is stored, and an error with
	// [ErrUnknownOutcome] in it is returned.
	FaultAppliedThenError = "applied-then-error"
)

type faultKind uint8

const (
	appendError faultKind = iota
	appendLatency
	appendHang
	appendDeaf
	appendPanic
	openError
	openHang
	openDeaf
	openPanic
	appliedThenError
	numFaultKinds
)

var faultNames = [numFaultKinds]string{
	appendError: FaultAppendError, appendLatency: FaultAppendLatency, appendHang: FaultAppendHang,
	appendDeaf: FaultAppendDeaf, appendPanic: FaultAppendPanic,
	openError: FaultOpenError, openHang: FaultOpenHang, openDeaf: FaultOpenDeaf, openPanic: FaultOpenPanic,
	appliedThenError: FaultAppliedThenError,
}

// FaultKinds lists the kinds of fault, always in the same order.
func FaultKinds() []string { return slices.Clone(faultNames[:]) }

func kindOf(name string) faultKind {
	i := slices.Index(faultNames[:], name)
	if i < 0 {
		panic(fmt.Sprintf("appender: no fault kind %q", name))
	}
	return faultKind(i)
}

// Fault says what a kind of fault strikes and how. The zero Fault strikes
// every record, or every opening, for ever. All its conditions must hold
// together.
type Fault struct {
	// Prob is the chance of being struck. 0 means 1, as in a scenario;
	// anything below 0 means never. Chance is drawn per record (for open
	// faults: per opening) from the control's seed, the kind and the record's
	// identity, so neither calls for other records nor other faults shift it.
	// A record that is tried again after it was struck is drawn anew.
	Prob float64
	// From and To bound the record numbers struck, inclusive; for open
	// faults, the epochs. 0 leaves a side open. The first record from number
	// k on, once: Fault{From: k, Times: 1}.
	From, To uint64
	// After and Until bound the clock's Now: After <= Now < Until. Until 0
	// leaves it open.
	After, Until time.Duration
	// Times bounds how often it strikes in all; 0 means without bound.
	Times uint64
	// Latency is how long append-latency delays a call, and how long a hang
	// lasts unless it is released; 0 makes a hang last for ever.
	Latency time.Duration
	// Err is the cause of the errors and panics it makes; nil means
	// [ErrInjected].
	Err error
}

func (f *Fault) cause() error {
	if f.Err != nil {
		return f.Err
	}
	return ErrInjected
}

// Rule is a fault of one kind.
type Rule struct {
	Kind string // one of [FaultKinds]; any other panics
	Fault
}

// Control decides when the [Faulty] appenders of one node misbehave: by a
// script, which is the rules it starts with, and by switches that are flipped
// while they run. All epochs of a node share one, so that a fault outlives the
// appender it struck. The zero Control has seed 0 and no rules. It is safe for
// concurrent use and holds no lock while a call sleeps or hangs.
type Control struct {
	armed atomic.Bool // whether there are rules: saves healthy calls the lock

	mu       sync.Mutex
	seed     uint64
	rules    []*rule // in the order of their addition
	struck   [numFaultKinds]uint64
	again    [numFaultKinds]Ring[restrike]
	hanging  []*hang // in the order in which they began
	releases uint64
	onStrike func(kind string)
}

// rule is a Rule in force.
type rule struct {
	Fault
	kind faultKind
	left uint64 // strikes left, if Times bounds them
}

// hang is one call that hangs.
type hang struct{ cancel context.CancelFunc }

// subject is what a fault may strike: a record, or an opening by its epoch.
type subject struct {
	number      uint64
	incarnation uint32
	stream      uint8
}

func (r *Record) subject() subject {
	return subject{number: r.Seq, incarnation: r.Incarnation, stream: r.Stream}
}

// NewControl returns a Control that draws from seed and follows the rules from
// the start.
func NewControl(seed uint64, rules ...Rule) *Control {
	c := &Control{seed: seed}
	for _, r := range rules {
		c.Add(r)
	}
	return c
}

// OnStrike makes f be called at every strike, by the goroutine that is struck,
// just before it misbehaves. f must not block. Call it before the first use.
func (c *Control) OnStrike(f func(kind string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onStrike = f
}

// Add puts a rule in force beside all others. Where two rules of a kind cover
// the same record, it is struck by the one that was added first; their chances
// are one draw, so the larger one counts. remove takes the rule out of force
// and reports whether it still was in it.
func (c *Control) Add(r Rule) (remove func() bool) {
	added := &rule{Fault: r.Fault, kind: kindOf(r.Kind), left: r.Times}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = append(c.rules, added)
	c.armed.Store(true)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.remove(func(r *rule) bool { return r == added })
	}
}

// Set puts f in force as the only rule of its kind.
func (c *Control) Set(kind string, f Fault) {
	c.Clear(kind)
	c.Add(Rule{Kind: kind, Fault: f})
}

// Clear takes every rule of the kind out of force. Calls that hang go on
// hanging: see [Control.Release].
func (c *Control) Clear(kind string) {
	k := kindOf(kind)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(func(r *rule) bool { return r.kind == k })
}

// ClearAll takes every rule out of force. Calls that hang go on hanging.
func (c *Control) ClearAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(func(*rule) bool { return true })
}

// remove drops rules; the caller holds mu.
func (c *Control) remove(gone func(*rule) bool) bool {
	before := len(c.rules)
	c.rules = slices.DeleteFunc(c.rules, gone)
	c.armed.Store(len(c.rules) > 0)
	return len(c.rules) < before
}

// Release lets every call that hangs now go on, in the order in which they
// began to hang, as a sink does that comes back: a released call stores its
// record and the rest of its batch. It takes no rule out of force, so the next
// record may hang again.
func (c *Control) Release() {
	c.mu.Lock()
	c.releases++
	hanging := c.hanging
	c.hanging = nil
	c.mu.Unlock()
	for _, h := range hanging {
		h.cancel()
	}
}

// Hanging is the number of calls that hang now. Released ones do not count.
func (c *Control) Hanging() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.hanging)
}

// Struck counts the strikes of a kind. It only ever grows.
func (c *Control) Struck(kind string) uint64 {
	k := kindOf(kind)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.struck[k]
}

// hit is a strike that was decided and counted.
type hit struct {
	Fault
	kind     faultKind
	releases uint64 // when it was decided: a later Release releases it
}

// strike decides whether one of the kinds strikes s, the first of them first,
// and counts it.
func (c *Control) strike(s subject, now time.Duration, kinds ...faultKind) (hit, bool) {
	c.mu.Lock()
	for _, kind := range kinds {
		r := c.match(kind, s, now)
		if r == nil {
			continue
		}
		h := hit{Fault: r.Fault, kind: kind, releases: c.releases}
		c.struck[kind]++
		if r.drawn() {
			c.remember(kind, s)
		}
		if r.Times > 0 {
			if r.left--; r.left == 0 {
				c.remove(func(other *rule) bool { return other == r })
			}
		}
		onStrike := c.onStrike
		c.mu.Unlock()
		if onStrike != nil {
			onStrike(faultNames[kind])
		}
		return h, true
	}
	c.mu.Unlock()
	return hit{}, false
}

// unharmed is the number of records at the beginning of recs that none of the
// kinds would strike. It counts nothing.
func (c *Control) unharmed(recs []Record, now time.Duration, kinds []faultKind) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range recs {
		for _, kind := range kinds {
			if c.match(kind, recs[i].subject(), now) != nil {
				return i
			}
		}
	}
	return len(recs)
}

// match is the first rule of the kind that strikes s; the caller holds mu.
func (c *Control) match(kind faultKind, s subject, now time.Duration) *rule {
	for _, r := range c.rules {
		if r.kind == kind && r.covers(s.number, now) && c.draw(r, s) {
			return r
		}
	}
	return nil
}

func (r *rule) covers(number uint64, now time.Duration) bool {
	return number >= r.From && (r.To == 0 || number <= r.To) &&
		now >= r.After && (r.Until == 0 || now < r.Until)
}

// drawn reports whether chance decides.
func (r *rule) drawn() bool { return r.Prob != 0 && r.Prob < 1 }

// hangUntilReleased blocks the call for d (0: for ever), until ctx ends, or
// until a Release that came after the strike.
func (c *Control) hangUntilReleased(ctx context.Context, clock Clock, h hit) {
	// The context is the clock's own, so that its end wakes the sleeper the
	// way the clock wakes any: in a simulation, as a step.
	ctx, cancel := clock.WithTimeout(ctx, hangMax)
	defer cancel()
	own := &hang{cancel: cancel}
	c.mu.Lock()
	if c.releases != h.releases {
		c.mu.Unlock()
		return
	}
	c.hanging = append(c.hanging, own)
	c.mu.Unlock()
	defer c.forget(own)
	d := h.Latency
	if d <= 0 {
		d = -1
	}
	// Why the sleep ended is for the caller to see, in its own context.
	_ = clock.Sleep(ctx, d)
}

// hangMax stands for ever: a clock has no other way to make a context of its
// own that somebody else can end.
const hangMax = 100 * 365 * 24 * time.Hour

func (c *Control) forget(h *hang) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.hanging, h); i >= 0 {
		c.hanging = slices.Delete(c.hanging, i, i+1)
	}
}
