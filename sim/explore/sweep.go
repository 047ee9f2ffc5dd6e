package explore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"meshsim/sim"
	"meshsim/sim/trace"
)

// ErrPanic is wrapped by the error of a sweep in which a run panicked.
var ErrPanic = errors.New("explore: a run panicked")

// Options shape a sweep.
type Options struct {
	// Jobs is how many seeds run at a time, each on a goroutine of its own.
	// Default: one per processor that Go may use.
	Jobs int
	// Checkers judge every seed; each seed gets fresh ones.
	Checkers []func() trace.Checker
	// Progress, if set, is told after every seed. Calls are serialised; it
	// must not block, nor keep the tally.
	Progress func(*Tally)
}

// Sweep runs cfg under each of the seeds and sums up. If a run cannot be made
// (the scenario is wrong, the simulator failed) the sweep ends with an error
// that names the seed, and the tally so far. When ctx ends, the runs under way
// are given up and the tally of the finished ones is returned with ctx's error.
func Sweep(ctx context.Context, cfg sim.Config, seeds Seeds, o Options) (*Tally, error) {
	cfg.Progress, cfg.Observe = nil, nil // they are one run's, and not for many goroutines
	return sweep(ctx, cfg.Name, seeds, o, func(ctx context.Context, seed uint64) (*sim.Result, error) {
		return sim.Run(ctx, cfg, seed, o.Checkers...)
	})
}

// runner makes one run.
type runner func(ctx context.Context, seed uint64) (*sim.Result, error)

func sweep(ctx context.Context, scenario string, seeds Seeds, o Options, run runner) (*Tally, error) {
	jobs := o.Jobs
	if jobs < 1 {
		jobs = runtime.GOMAXPROCS(0)
	}
	began := time.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	work := make(chan uint64)
	tally := &Tally{
		Scenario: scenario, Faults: make(map[string]uint64),
		// Empty rather than nil: a JSON reader finds lists.
		Failures: []Failure{}, Unshown: []Unshown{}, Invariants: []Judged{}, Sometimes: []sim.Mark{},
	}
	var mu sync.Mutex // guards tally
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			for seed := range work {
				r, err := recovered(ctx, seed, run)
				if ctx.Err() != nil {
					continue // given up half way: it counts for nothing
				}
				if err != nil {
					cancel(fmt.Errorf("seed %d: %w", seed, err))
					continue
				}
				mu.Lock()
				tally.add(r)
				if o.Progress != nil {
					o.Progress(tally)
				}
				mu.Unlock()
			}
		})
	}
	feed(ctx, work, seeds)
	wg.Wait()
	tally.Wall = time.Since(began)
	tally.settle()
	return tally, context.Cause(ctx)
}

// recovered makes one run. A panic in it is a defect that names its seed, not
// the end of the process that ran the other seeds.
func recovered(ctx context.Context, seed uint64, run runner) (r *sim.Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			r, err = nil, fmt.Errorf("%w: %v", ErrPanic, v)
		}
	}()
	return run(ctx, seed)
}

// feed hands out the seeds until they or ctx end.
func feed(ctx context.Context, work chan<- uint64, seeds Seeds) {
	defer close(work)
	for seed := range seeds.All() {
		select {
		case work <- seed:
		case <-ctx.Done():
			return
		}
	}
}
