package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"meshsim/appender"
	"meshsim/props/laws"
	"meshsim/sim"
)

// checking is the flags of check.
type checking struct {
	kinds []string
	dir   string
	servers
	cases int // 0: the default of each subject
	seed  uint64
	only  []string
	json  bool
}

// How many cases of each law are tried unless --cases says so.
const (
	fastCases = 100
	slowCases = 10
)

func (a *app) checkCommand() *cobra.Command {
	var (
		c    checking
		seed string
	)
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the built-in appenders against every law that appenders must keep",
		Long: `Check appenders against the laws that every appender must keep: order, what a
bounded one drops, what an acknowledgement survives, what errors mean, and others.
Laws that do not apply are skipped, with the reason. A law that is broken is shown
with the smallest case found, in words, and the command that shows it again.

noop and buffering are checked in memory. filelog is checked on the real disk, in
--dir or a temporary directory, and on simulated ones, whose power fails, which
fill up, fail to sync and rot. For jetstream a server runs in this process, with
--replicas a cluster whose leaders are stopped; --url names servers elsewhere.
What is checked lives in directories and streams of its own, which are removed in
the end. An appender of your own is checked by package props/appendertest.

Exit status: 0 every law was kept, 1 one was broken, 2 usage, or an appender that
cannot be opened, 3 interrupted, and none was broken so far, 4 internal error.`,
		Example: `  meshsim appender check
  meshsim appender check --appender filelog --dir /mnt/disk --cases 1000
  meshsim appender check --appender jetstream --url nats://127.0.0.1:4222
  meshsim appender check --appender jetstream --replicas 3
  meshsim appender check --law fifo-drop --law order --seed 17`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if c.seed, err = seedFrom(cmd, seed); err != nil {
				return err
			}
			if err := c.complete(cmd); err != nil {
				return err
			}
			return a.check(cmd.Context(), &c)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&c.kinds, "appender", nil, "`KIND` to check: noop, buffering, filelog or jetstream (repeatable; default all)")
	f.StringVar(&c.dir, "dir", "", "`directory` for filelog and for the server of jetstream (default a temporary one)")
	c.registerURL(f)
	c.servers.register(f)
	c.registerReplicas(f)
	f.IntVar(&c.cases, "cases", 0, fmt.Sprintf("how many cases of each law are tried (default %d, or %d where a disk or a server is waited for)", fastCases, slowCases))
	f.StringVar(&seed, "seed", "", "the `seed` of the cases, decimal or 0x (default random)")
	f.StringArrayVar(&c.only, "law", nil, "check this `law` alone (repeatable)")
	f.BoolVar(&c.json, "json", false, "print one JSON object instead of the report")
	// The flags are there: these calls cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("appender", completeSinks)
	_ = cmd.RegisterFlagCompletionFunc("law", completeLaws)
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

func completeLaws(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var words []string
	for _, l := range laws.All() {
		words = append(words, l.Name+"\t"+l.Says)
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// complete checks the flags, and fills in what they leave open.
func (c *checking) complete(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	for _, kind := range c.kinds {
		if err := checkKind(kind); err != nil {
			return err
		}
	}
	if len(c.kinds) == 0 {
		c.kinds = sinkKinds
		if changed("url") || changed("replicas") {
			c.kinds = []string{kindJetstream} // what else could be meant
		}
	}
	slices.SortFunc(c.kinds, func(x, y string) int { return slices.Index(sinkKinds, x) - slices.Index(sinkKinds, y) })
	c.kinds = slices.Compact(c.kinds)
	has := func(kind string) bool { return slices.Contains(c.kinds, kind) }
	switch {
	case changed("cases") && c.cases < 1:
		return usage("--cases %d: expected at least 1", c.cases)
	case changed("dir") && c.dir == "":
		return usage(`--dir "": expected a directory`)
	case changed("url") && c.url == "":
		return usage(`--url "": expected a URL such as nats://host:4222`)
	case c.url != "" && !has(kindJetstream):
		return usage("--url %s: %s knows no servers; --appender jetstream does", redacted(c.url), c.kinds[0])
	case changed("replicas") && !has(kindJetstream):
		return usage("--replicas: %s knows no servers; --appender jetstream does", c.kinds[0])
	case c.dir != "" && c.url != "" && !has(kindFilelog):
		return usage("--dir and --url: records are kept in a directory here or by servers elsewhere; give one of them")
	case c.dir != "" && !has(kindFilelog) && !has(kindJetstream):
		return usage("--dir %s: %s keeps nothing in a directory; --appender filelog and --appender jetstream do", c.dir, c.kinds[0])
	}
	if err := checkDir(c.dir); err != nil {
		return err
	}
	for _, name := range c.only {
		var names []string
		for _, l := range laws.All() {
			names = append(names, l.Name)
		}
		if !slices.Contains(names, name) {
			return usage("--law %s: no such law%s", name, didYouMean(name, names, "they are "+strings.Join(names, ", ")))
		}
	}
	return c.check(c.url != "")
}

// checked is a subject and what was found.
type checked struct {
	subject
	cases  int
	report *laws.Report
	wall   time.Duration
}

func (a *app) check(ctx context.Context, c *checking) error {
	ctx, release := interruptible(ctx, a.err)
	defer release()
	defer outlivePipe()()
	if err := a.announce(c.seed, &shape{json: c.json}); err != nil {
		return err
	}
	var (
		all         []checked
		interrupted bool
	)
	for _, kind := range c.kinds {
		some, err := a.checkKind(ctx, kind, c, func(x *checked) error {
			if c.json {
				return nil
			}
			a.table(x)
			return a.out.Flush()
		})
		all = append(all, some...)
		if err != nil {
			return err
		}
	}
	verdict := sim.Held
	for i := range all {
		interrupted = interrupted || all[i].report.Interrupted
		if all[i].report.Err() != nil {
			verdict = sim.Violated
		}
	}
	if interrupted && verdict == sim.Held {
		verdict = sim.Inconclusive
	}
	a.status = statusOf(verdict)
	if c.json {
		return json.NewEncoder(a.out).Encode(a.checkedJSON(c, all, verdict))
	}
	a.sum(c, all, verdict)
	return nil
}

// checkKind checks an appender in every way there is, and tells of each.
func (a *app) checkKind(ctx context.Context, kind string, c *checking, tell func(*checked) error) (all []checked, err error) {
	subjects, err := a.subjects(kind, c)
	defer func() {
		for i := range subjects {
			if closing := subjects[i].close(); closing != nil && err == nil {
				err = &failure{status: exitInternal, err: fmt.Errorf("what was checked could not be removed: %w", closing)}
			}
		}
	}()
	if err != nil {
		return nil, err
	}
	for _, s := range subjects {
		if ctx.Err() != nil {
			all = append(all, checked{subject: s, report: &laws.Report{Interrupted: true}})
			continue
		}
		x := checked{subject: s, cases: c.casesOf(&s)}
		began := time.Now()
		if x.report, err = a.ask(ctx, &x, c); err != nil {
			return all, err
		}
		x.wall = time.Since(began)
		all = append(all, x)
		if err := tell(&x); err != nil {
			return all, err
		}
	}
	return all, nil
}

func (c *checking) casesOf(s *subject) int {
	switch {
	case c.cases > 0:
		return c.cases
	case s.slow:
		return slowCases
	}
	return fastCases
}

// ask asks the laws of one subject, behind a bar.
func (a *app) ask(ctx context.Context, x *checked, c *checking) (r *laws.Report, err error) {
	defer func() {
		if v := recover(); v != nil {
			r, err = nil, crash(v)
		}
	}()
	names := c.only
	if len(names) == 0 {
		for _, l := range laws.All() {
			names = append(names, l.Name)
		}
	}
	progress, done := a.watchCount(x.Name, int64(len(names)))
	defer done()
	cfg, refused := x.Config, func() bool { return false }
	if x.kind == kindJetstream {
		cfg, refused = endingWith(ctx, cfg)
	}
	r = &laws.Report{}
	for i, name := range names {
		if progress != nil {
			progress(i)
		}
		// One by one, so that an opening that is given up takes no verdict along.
		one, err := laws.Check(ctx, cfg, laws.Options{Seed: c.seed, Cases: x.cases, Only: []string{name}})
		switch {
		case err != nil && !refused():
			return nil, &failure{status: exitUsage, err: errors.Unwrap(err)}
		case err == nil && !(refused() && one.Err() != nil): // else it may be broken by that alone
			r.Verdicts = append(r.Verdicts, one.Verdicts...)
		}
		// A law that was interrupted was not asked of all its cases.
		if r.Interrupted = ctx.Err() != nil; r.Interrupted {
			break
		}
	}
	return r, nil
}

// endingWith makes openings end with ctx, and tells whether any was refused so.
func endingWith(ctx context.Context, cfg laws.Config) (_ laws.Config, refused func() bool) {
	var some atomic.Bool
	until := func(open appender.Opener) appender.Opener {
		return func(own context.Context, env appender.Env) (appender.Appender, error) {
			own, cancel := context.WithCancel(own)
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			a, err := open(own, env)
			if err != nil && ctx.Err() != nil {
				some.Store(true)
			}
			return a, err
		}
	}
	cfg.New, cfg.Reopen = until(cfg.New), until(cfg.Reopen)
	if of := cfg.NewOf; of != nil {
		cfg.NewOf = func(capacity int) appender.Opener { return until(of(capacity)) }
	}
	return cfg, some.Load
}

// again is the words that check one subject's kind again, by one law if it is
// not "".
func (c *checking) again(kind, law string, cases int) []string {
	words := []string{"appender", "check"}
	if kind != "" {
		words = append(words, "--appender", kind)
	} else if !slices.Equal(c.kinds, sinkKinds) {
		for _, k := range c.kinds {
			words = append(words, "--appender", k)
		}
	}
	if c.dir != "" && kind != kindNoop && kind != kindBuffering {
		words = append(words, "--dir", c.dir)
	}
	if kind == kindJetstream || kind == "" {
		if c.url != "" {
			words = append(words, "--url", redacted(c.url))
		}
		words = append(append(words, c.servers.again()...), c.againReplicas()...)
	}
	if law != "" {
		words = append(words, "--law", law)
	} else {
		for _, l := range c.only {
			words = append(words, "--law", l)
		}
	}
	if cases > 0 {
		words = append(words, "--cases", fmt.Sprint(cases))
	}
	return append(words, "--seed", fmt.Sprint(c.seed))
}
