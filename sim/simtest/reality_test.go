package simtest_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender/filelog"
)

// How often a script is performed.
const (
	schedules      = 4    // simulated, of a script in which nothing races
	schedulesRaces = 60   // simulated, of one in which something does
	schedulesMore  = 300  // where these do not show everything
	schedulesMost  = 2000 // and where those do not
	realRaces      = 6    // real, of the same
	disturbedMax   = 20   // runs in which the machine is too slow, before a test gives up
)

func (s *script) syncPolicy() filelog.SyncPolicy {
	p, err := filelog.ParseSync(s.sync)
	if s.sync != "" && err != nil {
		panic(err)
	}
	return p
}

// simulation is how a medium is simulated.
type simulation struct {
	name string
	new  func(s *script, seed uint64) medium
}

var simulations = []simulation{
	{"filelog, simulated disk", func(s *script, seed uint64) medium { return newSimDisk(seed, s.syncPolicy()) }},
	{"store, simulated", func(_ *script, seed uint64) medium { return newSimStore(seed) }},
}

// simulate performs a script under some more schedules.
func simulate(s *script, sim simulation, n int, f *findings, b *breakage) (*findings, error) {
	for seed := uint64(f.runs); f.runs < n; seed++ {
		p, err := perform(s, newVirtual(seed), b.medium(sim.new(s, seed)), playOptions{seed: seed, wrap: b.wraps()})
		if err == nil {
			err = f.add(p)
		}
		if err != nil {
			return f, fmt.Errorf("%s, seed %d: %w", sim.name, seed, err)
		}
	}
	return f, nil
}

// realities are the real media, each at the place of its simulation.
var realities = []struct {
	name string
	new  func(s *script) (medium, error)
}{
	{"filelog, real disk", func(s *script) (medium, error) { return newRealDisk(s.syncPolicy()) }},
	{"JetStream, real server", func(*script) (medium, error) { return newStreams() }},
}

// witness performs a script for real, on one of the media.
func witness(s *script, i int, seed uint64) (*findings, error) {
	r := realities[i]
	f := &findings{medium: r.name}
	n := 1
	if s.races {
		n = realRaces
	}
	disturbed := 0
	for f.runs < n {
		m, err := r.new(s)
		if err != nil {
			return f, err
		}
		seed++
		p, err := perform(s, newReal(), m, playOptions{seed: seed})
		if errors.Is(err, errDisturbed) && disturbed < disturbedMax {
			disturbed++
			continue
		}
		if err == nil {
			err = f.add(p)
		}
		if err != nil {
			return f, fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return f, nil
}

// report is a script, with what it does for real.
type report struct {
	*script
	actual []*findings
	err    error
}

// witnessAll performs scripts for real, some at a time: they wait more than they
// compute.
func witnessAll(scripts []*script, seed uint64) []*report {
	var all []*report
	var wg sync.WaitGroup
	places := make(chan struct{}, 6)
	for _, s := range scripts {
		r := &report{script: s, actual: make([]*findings, len(realities))}
		all = append(all, r)
		errs := make([]error, len(realities))
		var each sync.WaitGroup
		for i := range realities {
			each.Go(func() {
				places <- struct{}{}
				defer func() { <-places }()
				r.actual[i], errs[i] = witness(s, i, seed)
			})
		}
		wg.Go(func() {
			each.Wait()
			r.err = errors.Join(errs...)
		})
	}
	wg.Wait()
	return all
}

var fixedReports = sync.OnceValue(func() []*report { return witnessAll(fixedScripts(), 1) })

// settle compares what a script does for real with what the simulations show.
// Where it does something that they did not, they have some more schedules to
// show it in, unless they are broken.
func (r *report) settle(b *breakage) (simulated []*findings, err error) {
	if r.err != nil {
		return nil, r.err
	}
	rounds := []int{schedules}
	if r.races {
		rounds = []int{schedulesRaces}
	}
	if r.races && b == nil {
		rounds = []int{schedulesRaces, schedulesMore, schedulesMost}
	}
	for _, sim := range simulations {
		simulated = append(simulated, &findings{medium: sim.name})
	}
	for _, n := range rounds {
		for i, sim := range simulations {
			if _, err := simulate(r.script, sim, n, simulated[i], b); err != nil {
				return simulated, err
			}
		}
		if err = compare(r.script, simulated, r.actual); err == nil {
			return simulated, nil
		}
	}
	return simulated, err
}

func TestTheSimulationAllowsWhatRealityDoesAndNoMore(t *testing.T) {
	for _, r := range fixedReports() {
		t.Run(r.name, func(t *testing.T) {
			simulated, err := r.settle(nil)
			require.NoError(t, err)
			t.Log(table(r.script, simulated, r.actual))
		})
	}
}
