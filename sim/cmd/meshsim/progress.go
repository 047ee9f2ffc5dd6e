package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"meshsim/sim"
	"meshsim/sim/explore"
)

// newBar is a bar of max parts that leaves no trace when it is done.
func newBar(w io.Writer, max int64, what string) *progressbar.ProgressBar {
	return progressbar.NewOptions64(max,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(true),
	)
}

// watchRun shows how far a run has come: a nil function where nobody watches.
// done clears the bar.
func (a *app) watchRun(what string) (progress func(sim.Progress), done func()) {
	if !a.terminal {
		return nil, func() {}
	}
	const parts = 1000
	bar := newBar(a.err, parts, what)
	phase := ""
	progress = func(p sim.Progress) {
		if p.Phase != phase {
			phase = p.Phase
			bar.Describe(what + ", " + phase + " phase")
		}
		if p.End > 0 {
			// A bar that reached its end would be finished for good.
			_ = bar.Set64(min(int64(float64(p.Now)/float64(p.End)*parts), parts-1))
		}
	}
	return progress, func() { _ = bar.Finish() }
}

// watchSweep is watchRun for a sweep of n seeds.
func (a *app) watchSweep(what string, n uint64) (progress func(*explore.Tally), done func()) {
	if !a.terminal {
		return nil, func() {}
	}
	bar := newBar(a.err, int64(min(n, 1<<62)), what)
	progress = func(t *explore.Tally) {
		if t.Violated > 0 {
			bar.Describe(fmt.Sprintf("%s, %d violated", what, t.Violated))
		}
		if t.Seeds < n {
			_ = bar.Set64(int64(t.Seeds))
		}
	}
	return progress, func() { _ = bar.Finish() }
}

// watchCount is watchRun for n things of a kind; below 0, their number is not
// known.
func (a *app) watchCount(what string, n int64) (progress func(done int), done func()) {
	if !a.terminal {
		return nil, func() {}
	}
	bar := newBar(a.err, n, what)
	progress = func(done int) {
		if n < 0 || int64(done) < n {
			_ = bar.Set64(int64(done))
		}
	}
	return progress, func() { _ = bar.Finish() }
}
