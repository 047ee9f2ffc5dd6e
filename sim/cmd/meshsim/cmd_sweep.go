package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"meshsim/sim"
	"meshsim/sim/explore"
)

func (a *app) sweepCommand() *cobra.Command {
	var (
		c     choice
		s     shape
		seeds string
		jobs  int
	)
	cmd := &cobra.Command{
		Use:   "sweep [SCENARIO|FILE.yaml]",
		Short: "Simulate a scenario under many seeds, on every core",
		Long: `Simulate a scenario under many seeds, on every core, and sum up: how many seeds
held, which violated an invariant and how to reproduce each, and which faults
and sometimes-marks no seed delivered. Without a scenario it is swarm, whose
every seed draws another configuration. The status is that of the worst seed.

` + exitHelp,
		Example: `  meshsim sweep --seeds 1-500
  meshsim sweep partition --seeds 3,9,17-20 --jobs 1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.load(args, "swarm")
			if err != nil {
				return err
			}
			list, err := explore.ParseSeeds(seeds)
			if err != nil {
				return usage("--seeds %s: expected numbers such as 1-500 or 3,9,17", seeds)
			}
			if jobs < 0 {
				return usage("--jobs %d: expected at least 1", jobs)
			}
			return a.sweep(cmd.Context(), cfg, list, &c, &s, jobs)
		},
	}
	c.register(cmd)
	s.register(cmd)
	cmd.Flags().StringVar(&seeds, "seeds", "1-100", "the `seeds`, such as 1-500 or 3,9,17")
	cmd.Flags().IntVar(&jobs, "jobs", 0, "how many seeds run at a time (default one per core)")
	return cmd
}

func (a *app) sweep(ctx context.Context, cfg sim.Config, seeds explore.Seeds, c *choice, s *shape, jobs int) error {
	if _, err := cfg.Resolve(); err != nil {
		return runError(err, "")
	}
	ctx, release := interruptible(ctx, a.err)
	defer release()
	if !s.json {
		fmt.Fprintf(a.out, "seeds %s\n", seeds)
		if err := a.out.Flush(); err != nil {
			return err
		}
	}
	tally, err := a.watchedSweep(ctx, cfg, seeds, jobs)
	interrupted := errors.Is(err, context.Canceled)
	if err != nil && !interrupted {
		return runError(err, "")
	}
	a.status = statusOf(tally.Verdict)
	if interrupted {
		a.status = max(a.status, exitInconclusive)
		if tally.Verdict == sim.Violated {
			a.status = exitViolated
		}
	}
	if s.json {
		return json.NewEncoder(a.out).Encode(tally)
	}
	if s.told() {
		a.sums(tally)
	}
	a.failures(tally, c)
	fmt.Fprintf(a.out, "\n%s  %d of %d seeds held, %d violated, %d inconclusive; %.1f seeds/s in %v\n",
		a.style.verdict(tally.Verdict, string(tally.Verdict)), tally.Held, seeds.Len(), tally.Violated, tally.Inconclusive,
		float64(tally.Seeds)/tally.Wall.Seconds(), tally.Wall.Round(time.Millisecond))
	if interrupted {
		fmt.Fprintf(a.out, "interrupted: %d seeds were not run\n", seeds.Len()-tally.Seeds)
	}
	return nil
}

func (a *app) watchedSweep(ctx context.Context, cfg sim.Config, seeds explore.Seeds, jobs int) (*explore.Tally, error) {
	progress, done := a.watchSweep(cfg.Name, seeds.Len())
	defer done()
	return explore.Sweep(ctx, cfg, seeds, explore.Options{Jobs: jobs, Checkers: a.checkers, Progress: progress})
}

// shownFailures is how many failing seeds are printed; the rest are counted.
const shownFailures = 10

// failures prints the seeds that did not hold, and how to see each again.
func (a *app) failures(t *explore.Tally, c *choice) {
	reproduce := func(seed uint64) string {
		return a.command(append(append([]string{"run"}, c.again()...), "--seed", fmt.Sprint(seed))...)
	}
	for i, f := range t.Failures {
		if i == shownFailures {
			fmt.Fprintf(a.out, "\n... and %d more seeds\n", t.Violated-shownFailures)
			break
		}
		fmt.Fprintf(a.out, "\nseed %d %s\n", f.Seed, a.style.verdict(sim.Violated, "violated"))
		for _, inv := range f.Invariants {
			fmt.Fprintf(a.out, "  %s at step %d: %s\n", inv.Name, *inv.ViolatedAt, inv.Violation)
		}
		fmt.Fprintf(a.out, "  reproduce: %s\n", reproduce(f.Seed))
	}
	for i, u := range t.Unshown {
		if i == shownFailures {
			fmt.Fprintf(a.out, "\n... and %d more seeds\n", t.Inconclusive-shownFailures)
			break
		}
		fmt.Fprintf(a.out, "\nseed %d %s\n", u.Seed, a.style.verdict(sim.Inconclusive, "inconclusive"))
		for _, why := range u.Why {
			fmt.Fprintf(a.out, "  because %s\n", why)
		}
		fmt.Fprintf(a.out, "  reproduce: %s\n", reproduce(u.Seed))
	}
}

// sums prints what all seeds saw together.
func (a *app) sums(t *explore.Tally) {
	fmt.Fprintln(a.out)
	rows := make([]judgement, 0, len(t.Invariants))
	for _, j := range t.Invariants {
		rows = append(rows, judgement{j.Name, j.Quantifier, j.Checked, j.Violated > 0, fmt.Sprintf("by %d seeds", j.Violated)})
	}
	a.invariants(rows)
	fmt.Fprintln(a.out)
	a.records(t.Records)
	a.counts("faults", t.Faults)
	a.marks(t.Sometimes)
	fmt.Fprintf(a.out, "work      %s steps, %s messages delivered, %v of virtual time\n",
		number(t.Steps), number(t.Delivered), t.Virtual.Round(time.Millisecond))
	marks, faults := t.Never()
	for _, name := range faults {
		fmt.Fprintf(a.out, "%s fault %s was drawn, and no seed delivered it\n", a.style.paint(yellow, "never"), name)
	}
	for _, name := range marks {
		fmt.Fprintf(a.out, "%s mark %s: no seed saw it\n", a.style.paint(yellow, "never"), name)
	}
}
