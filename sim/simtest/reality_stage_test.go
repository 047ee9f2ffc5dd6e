package simtest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"meshsim/actors"
	"meshsim/sim/kernel"
)

// A stage is where a script is performed: in virtual time, where one
// schedule of many is drawn, or for real.
type stage interface {
	runtime() actors.Runtime
	// await lets time pass until something is the case.
	await(what string, is func() bool) error
	// after has f run in a while, outside of every actor.
	after(d time.Duration, f func())
	// soon is the time that some appends take.
	soon() time.Duration
	// lasting is within what time an outage ends that is to end within d.
	lasting(d time.Duration) time.Duration
	close() error
}

// poll is how long is waited between two looks.
const poll = 500 * time.Microsecond

// virtual is a stage on the simulator's kernel.
type virtual struct {
	k  *kernel.Kernel
	rt actors.Runtime
}

func newVirtual(seed uint64) *virtual {
	o := kernel.Options{Seed: seed, Isolate: isolated}
	if seed%4 != 0 {
		o.Strategy = kernel.NewRandomWalk(time.Duration(seed%4-1) * time.Millisecond)
	}
	k := kernel.New(o)
	return &virtual{k: k, rt: actors.NewSimulated(k)}
}

func isolated(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	<-done
}

func (v *virtual) runtime() actors.Runtime { return v.rt }

// virtualLimit is longer than all that a script may wait for.
const virtualLimit = 10 * time.Minute

func (v *virtual) await(what string, is func() bool) error {
	for limit := v.k.Now() + virtualLimit; !is(); {
		if v.k.Now() > limit {
			return fmt.Errorf("it never happens that %s", what)
		}
		if err := v.k.Run(v.k.Now() + poll); err != nil {
			return err
		}
	}
	return nil
}

func (v *virtual) after(d time.Duration, f func()) {
	v.k.Schedule(v.k.Now()+d, kernel.Fault, 0, 0, firer(f), 0)
}

type firer func()

func (f firer) Fire(uint64) { f() }

// soon is long: of all that the real machine may do the simulation has to show
// everything, and it may be late.
func (v *virtual) soon() time.Duration { return 100 * time.Millisecond }

// lasting allows for a server that takes its time to come up.
func (v *virtual) lasting(d time.Duration) time.Duration { return 16 * d }

func (v *virtual) close() error {
	return errors.Join(v.rt.Close(context.Background()), v.k.Unwind())
}

// real is a stage on the real clock.
type real struct {
	rt   actors.Runtime
	work sync.WaitGroup
}

func newReal() *real { return &real{rt: actors.NewLive()} }

func (r *real) runtime() actors.Runtime { return r.rt }

// realLimit is for machines that are very busy.
const realLimit = time.Minute

func (r *real) await(what string, is func() bool) error {
	for limit := time.Now().Add(realLimit); !is(); time.Sleep(poll) {
		if time.Now().After(limit) {
			return fmt.Errorf("within %v it did not happen that %s", realLimit, what)
		}
	}
	return nil
}

func (r *real) after(d time.Duration, f func()) {
	r.work.Go(func() {
		time.Sleep(d)
		f()
	})
}

func (r *real) soon() time.Duration { return 8 * time.Millisecond }

func (r *real) lasting(d time.Duration) time.Duration { return d }

func (r *real) close() error {
	r.work.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), realLimit)
	defer cancel()
	return r.rt.Close(ctx)
}
