package simtest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
)

// drawnScripts draws scripts of a few rounds: lines with faults among them, a
// point that strikes at one, and what mends it.
const linesMax = 20 // of a round

func drawnScripts(races bool) *rapid.Generator[*script] {
	return rapid.Custom(func(t *rapid.T) *script {
		s := &script{
			name: "a drawn script", races: races,
			batch:    rapid.IntRange(1, 6).Draw(t, "batch"),
			attempts: rapid.IntRange(1, 3).Draw(t, "attempts"),
		}
		if races {
			s.deadline = hanging // a server that is gone is waited for as long
		}
		line := 1
		for range rapid.IntRange(1, 3).Draw(t, "rounds") {
			line = drawRound(t, s, line)
		}
		s.complete()
		return s
	})
}

// drawRound adds a round whose first line is given, and returns the next one's.
func drawRound(t *rapid.T, s *script, first int) (next int) {
	a := hand(rapid.IntRange(2, linesMax).Draw(t, "lines"))
	next = first + a.lines
	inside := rapid.IntRange(first, next-1)
	kinds := rapid.SampledFrom([]string{
		appender.FaultAppendError, appender.FaultAppendPanic, appender.FaultAppliedThenError, appender.FaultAppendLatency,
	})
	for range rapid.IntRange(0, 2).Draw(t, "faults") {
		f := fault{kind: kinds.Draw(t, "kind"), from: inside.Draw(t, "from"), times: rapid.IntRange(0, 2).Draw(t, "times")}
		f.to = f.from
		if f.times == 0 {
			f.to = min(f.from+rapid.IntRange(0, 3).Draw(t, "more"), next-1)
		}
		a.faults = append(a.faults, f)
	}
	if what := rapid.SampledFrom([]happening{"", stops, crashes}).Draw(t, "what"); what != "" {
		a = a.until(drawMoment(t, s.races, what), inside.Draw(t, "at"), what)
		if s.races && what == stops && rapid.Bool().Draw(t, "flickers") {
			a = a.flickers(hanging / 2)
		}
	}
	s.acts = append(s.acts, a)
	if rapid.IntRange(0, 3).Draw(t, "crash at rest") == 0 {
		s.acts = append(s.acts, act{do: doCrash})
	}
	if a.at != nil && a.at.what == stops && a.at.away == 0 {
		s.acts = append(s.acts, act{do: doBack})
	}
	return next
}

func drawMoment(t *rapid.T, races bool, what happening) moment {
	switch {
	case races:
		return amid
	case what == crashes:
		return rapid.SampledFrom([]moment{before, after}).Draw(t, "when")
	}
	return before
}

func TestDrawnScriptsKeepTheLawsInTheSimulation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawnScripts(rapid.Bool().Draw(t, "races")).Draw(t, "script")
		seed := rapid.Uint64Max(1<<20).Draw(t, "seed")
		for _, sim := range simulations {
			f := &findings{medium: sim.name}
			p, err := perform(s, newVirtual(seed), sim.new(s, seed), playOptions{seed: seed})
			if err == nil {
				err = f.add(p)
			}
			require.NoError(t, err, sim.name)
		}
	})
}

// A power failure takes more than the death of a process does, but nothing that
// was acknowledged, where every append is synced.
func TestAPowerFailureOfTheSimulatedDiskKeepsTheLawsToo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawnScripts(rapid.Bool().Draw(t, "races")).Draw(t, "script")
		seed := rapid.Uint64Max(1<<20).Draw(t, "seed")
		m := newSimDisk(seed, s.syncPolicy())
		m.power = true
		f := &findings{medium: "filelog, simulated disk whose power fails"}
		p, err := perform(s, newVirtual(seed), m, playOptions{seed: seed})
		if err == nil {
			err = f.add(p)
		}
		require.NoError(t, err)
	})
}

func TestDrawnScriptsAreTheSameInRealityAndSimulation(t *testing.T) {
	const drawn, racing = 10, 4
	var scripts []*script
	for i := range drawn + racing {
		s := drawnScripts(i >= drawn).Example(i + 1)
		s.name = fmt.Sprintf("drawn script %d", i+1)
		scripts = append(scripts, s)
	}
	for _, r := range witnessAll(scripts, 100) {
		t.Run(r.name, func(t *testing.T) {
			simulated, err := r.settle(nil)
			require.NoError(t, err)
			t.Log(table(r.script, simulated, r.actual))
		})
	}
}
