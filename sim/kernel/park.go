package kernel

import (
	"fmt"
	"iter"
	"runtime"
)

// The step loop runs inside a coroutine. A handler that parks keeps the
// coroutine it runs on, with its stack, and another one takes the loop over;
// when it resumes, the loop goes on where the handler returns to. So a run in
// which nothing parks never switches.

// coroutine can run the step loop, and be kept by a parked handler.
type coroutine struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	at    int // its place in Kernel.parked
}

// newCoroutine makes a coroutine that will run the step loop.
func (k *Kernel) newCoroutine() *coroutine {
	c := &coroutine{}
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		k.loop(c)
	})
	return c
}

// idleCoroutine takes a coroutine that nothing keeps.
func (k *Kernel) idleCoroutine() *coroutine {
	n := len(k.idlers)
	if n == 0 {
		return k.newCoroutine()
	}
	c := k.idlers[n-1]
	k.idlers = k.idlers[:n-1]
	return c
}

// Park blocks the running handler of the actor in virtual time, until Unpark
// makes its resumption an enabled step. Only the handler itself may call it,
// inside its own Handle step. It needs Options.Isolate. During Unwind, and
// after, it ends the calling goroutine instead of returning. The handler's
// goroutine must not be locked to a thread.
func (k *Kernel) Park(id uint32) {
	if k.dead {
		runtime.Goexit()
	}
	if k.running != id || id == 0 {
		panic(fmt.Sprintf("kernel: Park of actor %d outside its handler", id))
	}
	if k.isolate == nil {
		panic("kernel: Park needs Options.Isolate")
	}
	c := k.current
	if a := k.lookup(id); a != nil { // a freed actor's handler is never resumed
		a.state, a.coro = parked, c
	}
	c.at = len(k.parked)
	k.parked = append(k.parked, c)
	k.running = 0
	if !c.yield(struct{}{}) {
		runtime.Goexit()
	}
}

// Unpark enables the Resume step of a parked actor; a second call before the
// resumption changes nothing. To unpark an actor that is not parked is a bug
// and panics. The resumption's causal id is a new Child.
func (k *Kernel) Unpark(id uint32) {
	a := k.lookup(id)
	if a == nil || k.dead || a.state == waking {
		return
	}
	if a.state != parked {
		panic(fmt.Sprintf("kernel: Unpark of actor %d, which is not parked", id))
	}
	a.state, a.wake = waking, k.Child()
	k.enableActor(a, Resume, a.wake)
}

// resume begins an actor's Resume step, and returns the coroutine that it
// goes on in.
func (k *Kernel) resume(slot uint32) *coroutine {
	a := &k.actors[slot]
	c := a.coro
	a.coro, a.state, a.place = nil, running, nowhere
	k.running = a.id
	last := len(k.parked) - 1
	k.parked[c.at] = k.parked[last]
	k.parked[c.at].at = c.at
	k.parked = k.parked[:last]
	if k.mutant == mutantLostCause {
		a.wake = 0
	}
	k.begin(Resume, a.node, a.id, a.wake)
	return c
}

// Parked is the number of handlers parked, those of freed actors included.
func (k *Kernel) Parked() int { return len(k.parked) }

// Unwind ends the run: every parked handler exits by runtime.Goexit, so that
// its deferred calls run, and every coroutine ends, so that nothing leaks.
// What those deferred calls ask of the kernel does nothing, and Park in them
// exits again. The error tells of deferred calls that panicked. Afterwards
// only Reset revives the kernel. Call it when done with a kernel; calling it
// again does nothing.
func (k *Kernel) Unwind() error {
	if k.inRun {
		panic("kernel: Unwind inside Run")
	}
	k.dead = true
	var err error
	for n := len(k.parked); n > 0; n = len(k.parked) {
		c := k.parked[n-1]
		k.parked[n-1] = nil
		k.parked = k.parked[:n-1]
		k.isolate(func() {
			defer func() {
				if p := recover(); p != nil && err == nil {
					err = fmt.Errorf("kernel: a parked handler panicked as it was unwound: %v", p)
				}
			}()
			c.stop()
		})
	}
	for i, c := range k.idlers {
		k.idlers[i] = nil
		c.stop()
	}
	k.idlers, k.current = k.idlers[:0], nil
	return err
}
