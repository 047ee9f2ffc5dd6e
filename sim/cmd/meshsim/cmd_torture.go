package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"meshsim/sim"
	"meshsim/sim/torture"
)

// campaign is the flags of torture.
type campaign struct {
	cases, workers int
	systematic     bool
	json           bool
	seed           uint64
}

func (a *app) tortureCommand() *cobra.Command {
	var (
		c    campaign
		seed string
	)
	cmd := &cobra.Command{
		Use:   "torture",
		Short: "Tear, cut, flip, fill and kill logs on simulated disks, and check every record",
		Long: `Run random histories of filelog on simulated disks, and check every record that
was acknowledged. Each case is drawn from a seed of its own: power failures that
tear and lose what was not synced, bits that turn, disks that fill up, syncs that
fail, processes that die in the middle of a call. What fails is made small and
told in words. With --systematic, every such fault strikes small logs at every
place, one after the other.

Exit status: 0 every log kept its word, 1 one did not, 2 usage error, 3
interrupted, and none had failed so far, 4 internal error.`,
		Example: `  meshsim appender torture
  meshsim appender torture --cases 1000000 --seed 1
  meshsim appender torture --seed 17 --cases 1          one case, again
  meshsim appender torture --systematic`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if c.seed, err = seedFrom(cmd, seed); err != nil {
				return err
			}
			if c.cases < 1 {
				return usage("--cases %d: expected at least 1", c.cases)
			}
			if c.workers < 0 {
				return usage("--workers %d: expected at least 1", c.workers)
			}
			if c.systematic && !cmd.Flags().Changed("cases") {
				c.cases = 0 // all of them
			}
			return a.torture(cmd.Context(), &c)
		},
	}
	f := cmd.Flags()
	f.IntVar(&c.cases, "cases", 10_000, "how many cases are run; all, if --systematic")
	f.StringVar(&seed, "seed", "", "the first case's `seed`, decimal or 0x; the others have those that follow (default random)")
	f.IntVar(&c.workers, "workers", 0, "how many cases run at a time (default one per core)")
	f.BoolVar(&c.systematic, "systematic", false, "every fault at every place of small logs, instead of random histories")
	f.BoolVar(&c.json, "json", false, "print one JSON object instead of the report")
	return cmd
}

// noArguments is the check of a command without any.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no argument, and got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

func (a *app) torture(ctx context.Context, c *campaign) error {
	ctx, release := interruptible(ctx, a.err)
	defer release()
	if err := a.announce(c.seed, &shape{json: c.json}); err != nil {
		return err
	}
	began := time.Now()
	r, err := a.watchedTorture(ctx, c)
	wall := time.Since(began)
	verdict := sim.Held
	switch {
	case r.Failure != nil:
		verdict = sim.Violated
	case errors.Is(err, context.Canceled):
		verdict = sim.Inconclusive
	case err != nil:
		return &failure{status: exitInternal, err: err, again: a.command(c.again()...)}
	}
	a.status = statusOf(verdict)
	if c.json {
		return json.NewEncoder(a.out).Encode(a.torturedJSON(c, &r, verdict, wall))
	}
	a.tortured(c, &r, verdict, wall)
	return nil
}

func (a *app) watchedTorture(ctx context.Context, c *campaign) (r torture.Report, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = crash(v)
		}
	}()
	o := torture.Options{Seed: c.seed, Cases: c.cases, Workers: c.workers}
	run, count := torture.Run, int64(c.cases)
	if c.systematic {
		run = torture.Systematic
		if c.cases == 0 {
			count = -1 // not known beforehand
		}
	}
	progress, done := a.watchCount("torture", count)
	defer done()
	o.Progress = progress
	return run(ctx, o)
}

// again is the words that run the same campaign.
func (c *campaign) again() []string {
	words := []string{"appender", "torture"}
	if c.systematic {
		words = append(words, "--systematic")
	}
	if c.cases > 0 {
		words = append(words, "--cases", fmt.Sprint(c.cases))
	}
	return append(words, "--seed", fmt.Sprint(c.seed))
}

// againFailed is the words that run a failing case alone.
func againFailed(f *torture.Failure) []string {
	words := []string{"appender", "torture"}
	if f.Systematic {
		return append(words, "--systematic", "--seed", fmt.Sprint(f.Seed))
	}
	return append(words, "--cases", "1", "--seed", fmt.Sprint(f.Seed))
}

// tortured prints what a campaign has shown.
func (a *app) tortured(c *campaign, r *torture.Report, verdict sim.Verdict, wall time.Duration) {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nkind\tcases\tfaults\topenings\tstored\trefused\tunknown\tlost\ttorn\tdamaged\tread\t")
	row := func(name string, t *torture.Tally) {
		fmt.Fprintf(w, "%s\t", name)
		for _, n := range []uint64{t.Cases, t.Faults, t.Openings, t.Stored, t.Failed, t.Unknown, t.Lost, t.Torn, t.Damaged, t.Read} {
			fmt.Fprintf(w, "%s\t", number(n))
		}
		fmt.Fprintln(w)
	}
	for k := range torture.NumKinds {
		if r.Kinds[k].Cases > 0 {
			row(torture.Kind(k).String(), &r.Kinds[k])
		}
	}
	total := r.Total()
	row("all", &total)
	_ = w.Flush() // a.out keeps its error until it is flushed
	fmt.Fprint(a.out, `
stored, refused, unknown: records, by what was answered. lost: acknowledged, not
synced yet, and gone with the power or a failed sync, as the policy allows. torn:
openings that cut off a torn tail. damaged: records that a flipped bit took, each
of them reported. read: records read back and compared.
`)
	if f := r.Failure; f != nil {
		a.failedCase(f)
	}
	fmt.Fprintf(a.out, "\n%s: ", a.style.verdict(verdict, string(verdict)))
	switch verdict {
	case sim.Held:
		fmt.Fprintf(a.out, "every log kept its word in %s cases", number(total.Cases))
	case sim.Violated:
		fmt.Fprintf(a.out, "a log broke its word; %s cases were run", number(total.Cases))
	default:
		fmt.Fprintf(a.out, "interrupted; every log kept its word in the %s cases that were run", number(total.Cases))
	}
	fmt.Fprintf(a.out, ", %.0f a second in %v; digest %016x\n",
		float64(total.Cases)/wall.Seconds(), wall.Round(time.Millisecond), r.Digest)
	fmt.Fprintf(a.out, "reproduce: %s\n", a.command(c.reproduces(r)...))
}

// reproduces is the words that show the same again: the failing case, if there
// is one.
func (c *campaign) reproduces(r *torture.Report) []string {
	if r.Failure != nil {
		return againFailed(r.Failure)
	}
	return c.again()
}

// failedCase tells the smallest history that fails.
func (a *app) failedCase(f *torture.Failure) {
	fmt.Fprintf(a.out, "\nseed %d (%s) %s: %v\n", f.Seed, f.Kind, a.style.verdict(sim.Violated, "failed"), oneLine(f.Err))
	fmt.Fprintf(a.out, "the smallest history found that fails so:\n  %s\n", f.Options)
	for i, step := range f.Steps {
		fmt.Fprintf(a.out, "  %2d. %s\n", i+1, step)
	}
}

// tortureJSON is what --json prints.
type tortureJSON struct {
	Seed       uint64               `json:"seed"`
	Systematic bool                 `json:"systematic"`
	Verdict    sim.Verdict          `json:"verdict"`
	Digest     string               `json:"digest"`
	Cases      uint64               `json:"cases"` // that were run
	WallNs     time.Duration        `json:"wall_ns"`
	Kinds      map[string]tallyJSON `json:"kinds"`
	Failure    *failureJSON         `json:"failure,omitempty"`
}

// tallyJSON is a torture.Tally by the names that the report has.
type tallyJSON struct {
	Cases    uint64 `json:"cases"`
	Steps    uint64 `json:"steps"`
	Calls    uint64 `json:"calls"`
	Faults   uint64 `json:"faults"`
	Openings uint64 `json:"openings"`
	Stored   uint64 `json:"stored"`
	Failed   uint64 `json:"refused"`
	Unknown  uint64 `json:"unknown"`
	Lost     uint64 `json:"lost"`
	Torn     uint64 `json:"torn"`
	Damaged  uint64 `json:"damaged"`
	Read     uint64 `json:"read"`
}

type failureJSON struct {
	Seed      uint64   `json:"seed"`
	Kind      string   `json:"kind"`
	Options   string   `json:"options"`
	Steps     []string `json:"steps"`
	Error     string   `json:"error"`
	Reproduce string   `json:"reproduce"`
}

func (a *app) torturedJSON(c *campaign, r *torture.Report, verdict sim.Verdict, wall time.Duration) *tortureJSON {
	total := r.Total()
	j := &tortureJSON{
		Seed: c.seed, Systematic: c.systematic, Verdict: verdict, Digest: fmt.Sprintf("%016x", r.Digest),
		Cases: total.Cases, WallNs: wall, Kinds: map[string]tallyJSON{},
	}
	for k := range torture.NumKinds {
		if r.Kinds[k].Cases > 0 {
			j.Kinds[torture.Kind(k).String()] = tallyJSON(r.Kinds[k])
		}
	}
	if f := r.Failure; f != nil {
		j.Failure = &failureJSON{f.Seed, f.Kind.String(), f.Options, f.Steps, f.Err.Error(), a.command(againFailed(f)...)}
	}
	return j
}
