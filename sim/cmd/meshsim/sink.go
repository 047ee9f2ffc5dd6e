package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"meshsim/sim"
)

// The appenders that --appender knows.
const (
	kindNoop      = "noop"
	kindBuffering = "buffering"
	kindFilelog   = "filelog"
	kindJetstream = "jetstream"
)

var sinkKinds = []string{kindNoop, kindBuffering, kindFilelog, kindJetstream}

// completeSinks offers the values of --appender.
func completeSinks(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{
		kindNoop + "\tkeeps nothing", kindBuffering + "\tkeeps the newest in memory",
		kindFilelog + "\ta log in files, for each node", kindJetstream + "\ta stream on NATS servers, for each node",
	}, cobra.ShellCompDirectiveNoFileComp
}

// checkKind finds what is no appender's name.
func checkKind(kind string) error {
	if slices.Contains(sinkKinds, kind) {
		return nil
	}
	return usage("--appender %s: expected %s%s", kind, strings.Join(sinkKinds[:len(sinkKinds)-1], ", ")+" or "+kindJetstream,
		didYouMean(kind, sinkKinds, "`meshsim appender --help` says more"))
}

// sink is the flags that choose the appender of a run, and where it keeps what
// it is given.
type sink struct {
	kind string
	dir  string
	servers

	cmd  *cobra.Command
	left []string // what of the scenario was left out
}

// sinkHelp is what the commands that take these flags say of them.
const sinkHelp = `--appender sets the scenario's appender aside: noop, buffering, filelog or
jetstream. A filelog lives on a simulated disk for each node, or with --dir D in
D/<node>, on the real one. For jetstream a NATS server runs in this process, with
its streams in D, or in a temporary directory without --dir; --url names servers
elsewhere, which answer in real time: such a run is not a function of its seed
alone. What is in D or on the servers stays, and a later run goes on behind it:
its nodes begin under a higher incarnation. Logs in D that are damaged, or cannot
be opened, are refused before the run.`

func (s *sink) register(cmd *cobra.Command) {
	s.cmd = cmd
	f := cmd.Flags()
	f.StringVar(&s.kind, "appender", "", "`KIND` of the appender: noop, buffering, filelog or jetstream (default the scenario's)")
	f.StringVar(&s.dir, "dir", "", "`directory` in which filelog or jetstream keep the records")
	s.registerURL(f)
	s.servers.register(f)
	s.registerPrefix(f)
	s.registerReplicas(f)
	// The flags are there: these calls cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("appender", completeSinks)
	_ = cmd.MarkFlagDirname("dir")
}

// choose puts the kind that was chosen into the scenario.
func (s *sink) choose(cfg *sim.Config) error {
	if s.cmd == nil || !s.cmd.Flags().Changed("appender") {
		return nil
	}
	if err := checkKind(s.kind); err != nil {
		return err
	}
	s.put(cfg)
	return nil
}

// check finds what is wrong with the flags and the scenario that they changed.
// It touches nothing outside.
func (s *sink) check(cfg *sim.Config) error {
	if s.cmd == nil {
		return nil
	}
	changed := s.cmd.Flags().Changed
	if changed("dir") && s.dir == "" {
		return usage(`--dir "": expected a directory`)
	}
	if changed("url") && s.url == "" {
		return usage(`--url "": expected a URL such as nats://host:4222`)
	}
	if err := checkDir(s.dir); err != nil {
		return err
	}
	if s.kind != "" && cfg.Appender.Kind != scenarioKind(s.kind) {
		return usage("--appender %s and --set appender.kind=%s: give one of them", s.kind, cfg.Appender.Kind)
	}
	if err := s.combination(cfg); err != nil {
		return err
	}
	if err := s.servers.check(s.url != ""); err != nil {
		return err
	}
	if s.replicas > 1 && s.url == "" {
		return usage("--replicas %d: the server in this process is one; give the --url of a cluster", s.replicas)
	}
	return nil
}

// scenarioKind is appender.kind of the scenario for an appender: to streams the
// fields of a log mean the same.
func scenarioKind(kind string) string {
	if kind == kindJetstream {
		return kindFilelog
	}
	return kind
}

// combination finds flags that do not go together.
func (s *sink) combination(cfg *sim.Config) error {
	kind := s.kind
	if kind == "" {
		kind = cfg.Appender.Kind
		if kind == "" {
			kind = kindBuffering
		}
	}
	given := ""
	for _, f := range append(s.secrets(), flagValue{"prefix", s.changed("prefix")}, flagValue{"replicas", s.changed("replicas")}) {
		if f.value != "" {
			given = f.name
		}
	}
	switch {
	case s.dir != "" && s.url != "":
		return usage("--dir and --url: records are kept in a directory here or by servers elsewhere; give one of them")
	case s.dir != "" && kind != kindFilelog && kind != kindJetstream:
		return usage("--dir %s: %s keeps nothing in a directory; --appender filelog and --appender jetstream do", s.dir, kind)
	case s.url != "" && kind != kindJetstream:
		return usage("--url %s: %s knows no servers; --appender jetstream does", redacted(s.url), kind)
	case given != "" && kind != kindJetstream:
		return usage("--%s: %s knows no servers; --appender jetstream does", given, kind)
	}
	return nil
}

// changed is a flag's text if it was given.
func (s *sink) changed(name string) string {
	if f := s.cmd.Flags().Lookup(name); f.Changed {
		return f.Value.String()
	}
	return ""
}

// put makes cfg one of the kind chosen. What the scenario says of disks means
// nothing to an appender that has none.
func (s *sink) put(cfg *sim.Config) {
	a := &cfg.Appender
	if scenarioKind(s.kind) == kindFilelog {
		a.Kind = kindFilelog
		return
	}
	if a.Kind == kindFilelog {
		s.left = append(s.left, "appender.sync, appender.segment_bytes, disk")
	}
	a.Kind, a.Sync, a.SegmentBytes = s.kind, "", 0
	if s.kind == kindNoop {
		a.Capacity = 0
	}
	cfg.Disk = sim.Disk{}
	without := func(kind string) bool { return strings.HasPrefix(kind, "disk-") }
	before := len(cfg.Faults) + len(cfg.Chaos)
	cfg.Faults = slices.DeleteFunc(slices.Clone(cfg.Faults), func(f sim.Fault) bool { return without(f.Kind) })
	cfg.Chaos = slices.DeleteFunc(slices.Clone(cfg.Chaos), func(c sim.Chaos) bool { return without(c.Kind) })
	if n := before - len(cfg.Faults) - len(cfg.Chaos); n > 0 {
		s.left = append(s.left, fmt.Sprintf("%d faults of disks", n))
	}
	s.unpromise(cfg, "log-")
}

// unpromise takes back marks that cannot occur.
func (s *sink) unpromise(cfg *sim.Config, prefixes ...string) {
	var kept []string
	for _, mark := range cfg.Sometimes {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(mark, p) }) {
			s.left = append(s.left, "the mark "+mark)
		} else {
			kept = append(kept, mark)
		}
	}
	cfg.Sometimes = kept
}

// real reports whether records go somewhere that is not simulated.
func (s *sink) real() bool { return s.dir != "" || s.kind == kindJetstream }

// again is the words that make the same choice.
func (s *sink) again() (words []string) {
	if s.cmd == nil {
		return nil
	}
	if s.kind != "" {
		words = append(words, "--appender", s.kind)
	}
	if s.dir != "" {
		words = append(words, "--dir", s.dir)
	}
	if s.url != "" {
		words = append(words, "--url", redacted(s.url))
	}
	return append(append(words, s.servers.again()...), s.againReplicas()...)
}

// realFlag is the flag that makes it real.
func (s *sink) realFlag() string {
	if s.dir != "" {
		return "--dir"
	}
	return "--appender " + s.kind
}
