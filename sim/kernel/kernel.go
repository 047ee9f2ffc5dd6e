package kernel

import (
	"errors"
	"time"
)

// ErrLivelock says that one instant of virtual time took more steps than
// [Options.InstantBudget]. The error returned is a *[LivelockError].
var ErrLivelock = errors.New("kernel: livelock")

// ErrStopped is what [Kernel.Run] returns after Stop(nil).
var ErrStopped = errors.New("kernel: stopped")

// ErrDead is what [Kernel.Run] returns once a step has panicked or exited its
// goroutine, or the kernel was unwound: only Unwind and Reset make sense then.
var ErrDead = errors.New("kernel: dead")

// Firer is what an event calls when its step is taken. A value that several
// events share, told apart by arg, costs no allocation per event.
type Firer interface{ Fire(arg uint64) }

// Options shape one run of a [Kernel]. The zero value of each field means its
// default.
type Options struct {
	// Seed is the run's; it seeds the strategy. Streams take it themselves.
	Seed uint64
	// Strategy chooses among enabled steps. Default: a [DefaultOrder] of the
	// kernel's own. One strategy serves one kernel at a time.
	Strategy Strategy
	// InstantBudget bounds the steps of one instant of virtual time. Default
	// 1,000,000.
	InstantBudget uint64
	// Advance is called before time moves, with the time it moves to. It is
	// not a step: it must not schedule anything at or before to, nor Park.
	Advance func(from, to time.Duration)
	// Service is the virtual time that handling a message costs: the actor
	// takes no other message before it is over. It is asked when a handler
	// has returned. nil means 0, as does a negative answer.
	Service func(node, actor uint32) time.Duration
	// Isolate runs f on a goroutine of its own and waits until that goroutine
	// has ended, by return or by runtime.Goexit. The kernel starts no
	// goroutine, and needs one to unwind a parked handler, so Park panics
	// without it.
	Isolate func(f func())
	// Trace sees every step as it begins. It must not call the kernel.
	Trace func(Taken)
}

// Kernel is a deterministic scheduler of steps in virtual time. New makes one.
// Apart from Stop and Running, one goroutine at a time may call it.
type Kernel struct{}

// New makes a kernel at time 0 with nothing to do.
func New(o Options) *Kernel { return &Kernel{} }

// Reset makes the kernel equal to a new one, keeping its memory. It unwinds
// what the last run left parked.
func (k *Kernel) Reset(o Options) {}

// Run takes steps until nothing is left at or before until, and returns nil
// with Now() == until; or until Stop was called, and returns its error; or
// until an instant has exhausted its budget, and returns a *[LivelockError].
// It may be called again with a later time. A panic that escapes a step
// leaves Run with the kernel dead; so does a runtime.Goexit (t.FailNow), which
// ends the goroutine that called Run after its deferred calls.
func (k *Kernel) Run(until time.Duration) error { return nil }

// Stop makes Run return err (ErrStopped if nil) before its next step. The
// first call's error counts. Any goroutine may call it; only Reset takes it back.
func (k *Kernel) Stop(err error) {}

// Running tells what the kernel is doing, to a watchdog on another goroutine.
func (k *Kernel) Running() Running { return Running{} }

// Now is the virtual time since the run began.
func (k *Kernel) Now() time.Duration { return 0 }

// Steps is the number of steps taken.
func (k *Kernel) Steps() uint64 { return 0 }

// Digest is the 64-bit digest of the run so far: of every step's number, time,
// node, actor, kind and causal id, and of what was folded in besides.
func (k *Kernel) Digest() uint64 { return 0 }

// Fold mixes v into the digest.
func (k *Kernel) Fold(v uint64) {}

// Cause is the causal id of the step being taken, 0 outside any.
func (k *Kernel) Cause() uint64 { return 0 }

// Child is the causal id of the next thing that the step being taken causes:
// mix(Cause(), how many it caused before).
func (k *Kernel) Child() uint64 { return 0 }

// NewActor registers an actor of a node (0: of none) and returns its id, never
// 0. The kernel calls step once per Enable, as a Handle step; step takes the
// actor's next message, and calls Enable again if there is one more.
func (k *Kernel) NewActor(node uint32, step func()) (id uint32) { return 0 }

// FreeActor forgets an actor: its timers never fire, a handler of its that is
// parked stays so until Unwind. Later calls that name the id do nothing.
func (k *Kernel) FreeActor(id uint32) {}

// Enable says that the actor has a next message, whose causal id is cause. While
// a handler of the actor runs, is parked, or is in service, it takes effect
// after that. To enable an enabled actor is a bug and panics.
func (k *Kernel) Enable(id uint32, cause uint64) {}

// Disable takes an Enable back, if there is one.
func (k *Kernel) Disable(id uint32) {}

// At calls f at time t, or now if t has passed, as a Timer step of the actor
// (0: of none). The timer's id is never 0; it is 0 if the actor is freed.
func (k *Kernel) At(t time.Duration, actor uint32, f func()) (timer uint64) { return 0 }

// Schedule calls h.Fire(arg) at time t, or now if t has passed, as a step of
// the kind given: Arrival, Timer or Fault. Its causal id is a new Child.
// The event's id is never 0. It does not allocate.
func (k *Kernel) Schedule(t time.Duration, kind StepKind, node, actor uint32, h Firer, arg uint64) (id uint64) {
	return 0
}

// ScheduleCaused is Schedule with a causal id that was assigned before.
func (k *Kernel) ScheduleCaused(t time.Duration, kind StepKind, node, actor uint32, cause uint64, h Firer, arg uint64) (id uint64) {
	return 0
}

// Cancel forgets a timer or event that has not been taken yet, enabled or
// not, and reports whether there was one.
func (k *Kernel) Cancel(id uint64) bool { return false }

// Park blocks the running handler of the actor in virtual time, until Unpark
// makes its resumption an enabled step. Only the handler itself may call it,
// inside its own Handle step. During Unwind it does not return.
func (k *Kernel) Park(id uint32) {}

// Unpark enables the Resume step of a parked actor; a second call before the
// resumption changes nothing. To unpark an actor that is not parked is a bug
// and panics. The resumption's causal id is a new Child.
func (k *Kernel) Unpark(id uint32) {}

// PauseNode keeps the node's Handle, Timer and Resume steps from being
// enabled. Arrivals and faults go on.
func (k *Kernel) PauseNode(node uint32) {}

// ResumeNode ends a pause: what came due meanwhile is due now, in its order.
func (k *Kernel) ResumeNode(node uint32) {}

// Unwind ends the run: every parked handler exits by runtime.Goexit, so that
// its deferred calls run, and every coroutine ends. What those deferred calls
// ask of the kernel does nothing. The error tells of deferred calls that
// panicked. Afterwards only Reset revives the kernel. Calling it twice is fine.
func (k *Kernel) Unwind() error { return nil }
