package main

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"meshsim/sim"
	"meshsim/sim/explore"
	"meshsim/sim/scenario"
)

// choice is the flags that choose a scenario and change it.
type choice struct {
	set      []string
	nodes    int
	duration time.Duration
	records  string
	sink     sink // of the commands that take its flags

	cmd  *cobra.Command
	name string // what the scenario was asked for by
}

func (c *choice) register(cmd *cobra.Command) {
	c.cmd = cmd
	f := cmd.Flags()
	f.StringArrayVar(&c.set, "set", nil, "change a scenario's field, as in `key=value` (repeatable): network.loss=0.05")
	f.IntVar(&c.nodes, "nodes", 0, "how many nodes the mesh has")
	f.DurationVar(&c.duration, "duration", 0, "how long faults strike, in virtual time")
	f.StringVar(&c.records, "records", "", "replay a real log `file` as the load, instead of the scenario's")
	cmd.ValidArgsFunction = completeScenarios
	cmd.Args = atMostOne("scenario")
}

// completeScenarios offers the built-in names, and files.
func completeScenarios(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return scenario.Names(), cobra.ShellCompDirectiveDefault
}

// load reads the scenario that args name, or else byDefault, and applies the
// flags in this order: --records, --nodes, --duration, --appender, --set. All its errors
// are the reader's to mend.
func (c *choice) load(args []string, byDefault string) (sim.Config, error) {
	c.name = byDefault
	if len(args) > 0 {
		c.name = args[0]
	}
	cfg, err := c.source()
	if err == nil {
		err = c.change(&cfg)
	}
	if err != nil {
		var f *failure
		if errors.As(err, &f) {
			return cfg, err
		}
		return cfg, &failure{status: exitUsage, err: err}
	}
	return cfg, nil
}

// source finds the scenario: what looks like a file is one.
func (c *choice) source() (sim.Config, error) {
	if !looksLikeFile(c.name) {
		if cfg, err := scenario.Builtin(c.name); err == nil {
			return cfg, nil
		}
		if _, err := os.Stat(c.name); err != nil {
			return sim.Config{}, usage("unknown scenario %q%s", c.name,
				didYouMean(c.name, scenario.Names(), "`meshsim scenarios` lists what is built in, and a file's name ends in .yaml"))
		}
	}
	if err := readable("scenario", c.name); err != nil {
		return sim.Config{}, err
	}
	return scenario.Load(c.name)
}

func looksLikeFile(name string) bool {
	ext := filepath.Ext(name)
	return ext == ".yaml" || ext == ".yml" || strings.ContainsAny(name, `/\`)
}

// readable says in one line why a file cannot be read, if so.
func readable(what, name string) error {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return usage("%s file %s does not exist", what, name)
	case err != nil:
		return usage("%s file cannot be read: %w", what, err)
	case info.IsDir():
		return usage("%s file expected, and %s is a directory", what, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return usage("%s file cannot be read: %w", what, err)
	}
	return f.Close()
}

func (c *choice) change(cfg *sim.Config) error {
	changed := c.cmd.Flags().Changed
	if changed("records") {
		if err := readable("records", c.records); err != nil {
			return err
		}
		cfg.Load = []sim.Load{{Kind: "replay", File: c.records}}
	}
	if changed("nodes") {
		if c.nodes < 1 {
			return usage("--nodes %d: expected at least 1", c.nodes)
		}
		cfg.Nodes = c.nodes
	}
	if changed("duration") {
		if c.duration <= 0 {
			return usage("--duration %v: expected more than 0", c.duration)
		}
		cfg.Duration = c.duration
	}
	if err := c.sink.choose(cfg); err != nil {
		return err
	}
	for _, kv := range c.set {
		if err := scenario.Set(cfg, kv); err != nil {
			return usage("--set %s: %w", kv, err)
		}
	}
	return c.sink.check(cfg)
}

// again is the words that make the same choice, for a reproduce line.
func (c *choice) again() []string {
	words := []string{c.name}
	changed := c.cmd.Flags().Changed
	if changed("records") {
		words = append(words, "--records", c.records)
	}
	if changed("nodes") {
		words = append(words, "--nodes", strconv.Itoa(c.nodes))
	}
	if changed("duration") {
		words = append(words, "--duration", c.duration.String())
	}
	words = append(words, c.sink.again()...)
	for _, kv := range c.set {
		words = append(words, "--set", kv)
	}
	return words
}

// command is a line for a shell that calls this command with words.
func (a *app) command(words ...string) string {
	line := a.program
	for _, w := range words {
		line += " " + shellWord(w)
	}
	return line
}

// shellWord quotes w for a POSIX shell where it must be.
func shellWord(w string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./,:@%+"
	if w != "" && strings.Trim(w, plain) == "" { // every byte is plain
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

// seedFrom reads --seed, or draws one.
func seedFrom(cmd *cobra.Command, flag string) (uint64, error) {
	if !cmd.Flags().Changed("seed") {
		// Below 2^53, so that a JSON reader with floating-point numbers keeps it.
		return 1 + rand.Uint64N(1<<53-1), nil
	}
	seed, err := explore.ParseSeed(flag)
	if err != nil {
		return 0, usage("--seed %s: expected a 64-bit number, decimal or 0x", flag)
	}
	return seed, nil
}
