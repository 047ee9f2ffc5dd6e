package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"meshsim/sim"
)

func (a *app) liveCommand() *cobra.Command {
	var (
		c    choice
		s    shape
		seed string
		span time.Duration
	)
	cmd := &cobra.Command{
		Use:   "live [SCENARIO|FILE.yaml]",
		Short: "Run a scenario on real clocks and goroutines, judged by the same invariants",
		Long: `Run a scenario live: the same actors on real clocks and goroutines, the
scenario's timetable scaled to the time given. Faults that cannot be had live
are listed as skipped. The invariants are the same, under looser bounds. The
seed draws the same load and faults; the machine decides their order.

` + sinkHelp + `

` + exitHelp,
		Example: `  meshsim live
  meshsim live hung-appender --for 30s
  meshsim live --appender filelog --dir D
  meshsim live --appender jetstream --url nats://127.0.0.1:4222`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.load(args, "quickstart")
			if err != nil {
				return err
			}
			n, err := seedFrom(cmd, seed)
			if err != nil {
				return err
			}
			if span <= 0 {
				return usage("--for %v: expected more than 0", span)
			}
			return a.live(cmd.Context(), cfg, n, &c, &s, span)
		},
	}
	c.register(cmd)
	c.sink.register(cmd)
	s.register(cmd)
	cmd.Flags().StringVar(&seed, "seed", "", "the `seed` of load and faults, decimal or 0x (default random)")
	cmd.Flags().DurationVar(&span, "for", 10*time.Second, "how long faults strike, in real time")
	return cmd
}

func (a *app) live(ctx context.Context, cfg sim.Config, seed uint64, c *choice, s *shape, span time.Duration) error {
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
	r, timeline, err := a.watched(ctx, cfg, seed, span, k, s, func(ctx context.Context, cfg sim.Config) (*sim.Result, error) {
		return sim.Live(ctx, cfg, seed, sim.LiveOptions{For: span}, a.checkers...)
	})
	if err != nil && (r == nil || !errors.Is(err, context.Canceled)) {
		return runError(err, "")
	}
	a.status = statusOf(r.Verdict)
	if s.json {
		return json.NewEncoder(a.out).Encode(r)
	}
	if s.told() {
		a.story(r, timeline)
	}
	a.conclude(r, false)
	words := append(append([]string{"live"}, c.again()...), "--seed", fmt.Sprint(seed), "--for", span.String())
	fmt.Fprintf(a.out, "again: %s\n", a.command(words...))
	a.readBack(k)
	return nil
}
