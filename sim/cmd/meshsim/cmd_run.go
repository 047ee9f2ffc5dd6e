package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"meshsim/sim"
	"meshsim/sim/report"
	"meshsim/sim/trace"
)

// shape is the flags that say how results are shown.
type shape struct{ json, quiet bool }

func (s *shape) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.json, "json", false, "print one JSON object instead of the report")
	cmd.Flags().BoolVar(&s.quiet, "quiet", false, "print the seed and the verdict alone")
}

// told reports whether the reader wants the whole story.
func (s *shape) told() bool { return !s.json && !s.quiet }

func (a *app) runCommand() *cobra.Command {
	var (
		c           choice
		s           shape
		seed        string
		doublecheck bool
	)
	cmd := &cobra.Command{
		Use:   "run [SCENARIO|FILE.yaml]",
		Short: "Simulate a scenario under one seed and judge it by every invariant",
		Long: `Simulate a scenario under one seed, in virtual time, and judge it by every
invariant. The scenario is a built-in one or a YAML file; without any it is
quickstart. The same scenario and seed give the same run, to the last step.

` + sinkHelp + `

` + exitHelp,
		Example: `  meshsim run
  meshsim run hung-appender --seed 0x11
  meshsim run mesh.yaml --nodes 30 --set network.loss=0.05
  meshsim run calm --records /var/log/syslog
  meshsim run crash-restart --appender filelog --dir D
  meshsim run swarm --seed 17 --doublecheck
  meshsim run partition --json | jq .verdict`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.load(args, "quickstart")
			if err != nil {
				return err
			}
			n, err := seedFrom(cmd, seed)
			if err != nil {
				return err
			}
			if doublecheck && c.sink.real() {
				return usage("--doublecheck runs twice, and the second run would find what the first has stored; leave %s away", c.sink.realFlag())
			}
			return a.run(cmd.Context(), cfg, n, &c, &s, doublecheck)
		},
	}
	c.register(cmd)
	c.sink.register(cmd)
	s.register(cmd)
	cmd.Flags().StringVar(&seed, "seed", "", "the run's `seed`, decimal or 0x (default random)")
	cmd.Flags().BoolVar(&doublecheck, "doublecheck", false, "run twice, compare the digests, and name the first step that differs")
	return cmd
}

// announce prints the seed before anything can go wrong: to standard error
// where standard output is one JSON object.
func (a *app) announce(seed uint64, s *shape) error {
	if s.json {
		_, err := fmt.Fprintf(a.err, "seed %d\n", seed)
		return err
	}
	fmt.Fprintf(a.out, "seed %d\n", seed)
	return a.out.Flush()
}

func (a *app) run(ctx context.Context, cfg sim.Config, seed uint64, c *choice, s *shape, doublecheck bool) error {
	if _, err := cfg.Resolve(); err != nil {
		return runError(err, "")
	}
	ctx, release := interruptible(ctx, a.err)
	defer release()
	k, err := c.sink.open(ctx, &cfg)
	if err != nil {
		return err
	}
	defer a.closing(k)
	if err := a.announce(seed, s); err != nil {
		return err
	}
	reproduce := a.command(append(append([]string{"run"}, c.again()...), "--seed", fmt.Sprint(seed))...)
	r, timeline, err := a.watched(ctx, cfg, seed, 0, k, s, func(ctx context.Context, cfg sim.Config) (*sim.Result, error) {
		if doublecheck {
			return sim.DoubleCheck(ctx, cfg, seed, a.checkers...)
		}
		return sim.Run(ctx, cfg, seed, a.checkers...)
	})
	if err != nil && (r == nil || !errors.Is(err, context.Canceled)) {
		return runError(err, reproduce)
	}
	compared := doublecheck && ctx.Err() == nil
	if doublecheck && !compared && r.Verdict == sim.Held {
		r.Verdict = sim.Inconclusive
		r.Why = append(r.Why, "interrupted before the second run could be compared with the first")
	}
	a.status = statusOf(r.Verdict)
	if s.json {
		return json.NewEncoder(a.out).Encode(r)
	}
	if s.told() {
		a.story(r, timeline)
		if err := a.lastEvents(ctx, cfg, r); err != nil {
			return err
		}
	}
	a.conclude(r, compared)
	word := "reproduce"
	if k.says != "" {
		word = "again" // but behind what is kept now, and in the time that a server takes
	}
	fmt.Fprintf(a.out, "%s: %s\n", word, reproduce)
	a.readBack(k)
	return nil
}

// watched makes one run: the header first, then a bar while it goes, its
// events gathered in a timeline if the reader wants the story.
func (a *app) watched(ctx context.Context, cfg sim.Config, seed uint64, span time.Duration, k *keep, s *shape,
	work func(context.Context, sim.Config) (*sim.Result, error)) (r *sim.Result, timeline *report.Timeline, err error) {
	defer func() {
		if v := recover(); v != nil {
			r, err = nil, crash(v)
		}
	}()
	if s.told() {
		if err := a.header(cfg, seed, span, k); err != nil {
			return nil, nil, err
		}
		length := cfg.Duration
		if span > 0 {
			length = span
		}
		timeline = report.NewTimeline(length)
		over := false // a doublecheck runs twice, and the story is told once
		cfg.ObserveKinds = report.Story
		cfg.Observe = func(e *trace.Event) {
			if !over {
				timeline.Observe(e)
				over = e.Kind == trace.LivenessEnded
			}
		}
	}
	progress, done := a.watchRun(cfg.Name)
	defer done()
	cfg.Progress = progress
	r, err = work(ctx, cfg)
	return r, timeline, err
}

// lastEvents runs a violated run again, this time watching everything, and
// prints what led to its first violation.
func (a *app) lastEvents(ctx context.Context, cfg sim.Config, r *sim.Result) error {
	first := r.FirstViolation()
	if first == nil || ctx.Err() != nil { // an interrupted reader does not wait for another run
		return nil
	}
	if cfg.Open != nil {
		fmt.Fprintln(a.out, "\nwhat led to it is not shown: it takes a second run, and the place where records are kept has changed")
		return nil
	}
	tail := report.NewTail(20, *first.ViolatedAt)
	cfg.Observe, cfg.ObserveKinds = tail.Observe, trace.AllKinds
	if _, err := sim.Run(ctx, cfg, r.Seed, a.checkers...); err != nil {
		return runError(err, "")
	}
	fmt.Fprintln(a.out)
	return tail.Write(a.out, first.Violation)
}

func statusOf(v sim.Verdict) int {
	switch v {
	case sim.Held:
		return exitHeld
	case sim.Violated:
		return exitViolated
	case sim.Inconclusive:
		return exitInconclusive
	}
	return exitInternal
}

// runError tells a scenario that cannot be run from a simulator that failed.
func runError(err error, again string) error {
	var input *sim.InputError
	var path *fs.PathError
	if errors.Is(err, sim.ErrConfig) || errors.As(err, &input) || errors.As(err, &path) {
		return &failure{status: exitUsage, err: err}
	}
	if f, ok := err.(*failure); ok {
		f.again = again
		return f
	}
	return &failure{status: exitInternal, err: err, again: again}
}
