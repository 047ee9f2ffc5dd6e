package main

import (
	"fmt"
	"strings"
	"time"

	"meshsim/sim"
)

// header prints what is going to run: the configuration as the seed leaves it.
// span is how long faults strike live; 0 means in virtual time. k is where its
// records are kept.
func (a *app) header(cfg sim.Config, seed uint64, span time.Duration, k *keep) error {
	if cfg.Swarm {
		cfg = cfg.Draw(seed)
	}
	cfg, err := cfg.Resolve()
	if err != nil {
		return runError(err, "")
	}
	fmt.Fprintf(a.out, "\n%s\n", a.style.paint(bold, cfg.Name))
	for _, line := range wrap(cfg.About, listWidth-2) {
		fmt.Fprintf(a.out, "  %s\n", line)
	}
	row := func(name, text string) { fmt.Fprintf(a.out, "%-9s %s\n", name, text) }
	row("nodes", nodes(&cfg))
	if regions := regions(&cfg); regions != "" {
		row("", regions)
	}
	row("duration", fmt.Sprintf("%v under faults, then the heal, then at most %v until all is well", cfg.Duration, cfg.Recovery))
	if span > 0 {
		row("live", fmt.Sprintf("on real clocks and goroutines, the timetable of %v scaled to %v", cfg.Duration, span))
	}
	row("network", network(&cfg.Network))
	row("appender", sinkOf(&cfg, k))
	if k.holds != "" {
		row("holds", k.holds)
	}
	if len(k.left) > 0 {
		row("left out", strings.Join(k.left, ", "))
	}
	rows := func(name string, lines []string) {
		for i, line := range lines {
			if i == headerLines {
				row("", fmt.Sprintf("... and %d more", len(lines)-i))
				break
			}
			row(name, line)
			name = ""
		}
	}
	var loads, faults, chances []string
	for i := range cfg.Load {
		loads = append(loads, load(&cfg.Load[i]))
	}
	for i := range cfg.Faults {
		faults = append(faults, fault(&cfg.Faults[i]))
	}
	for i := range cfg.Chaos {
		chances = append(chances, chance(&cfg.Chaos[i]))
	}
	rows("load", loads)
	rows("faults", faults)
	rows("by chance", chances)
	if cfg.Schedule.Kind != "default" || cfg.Schedule.Hold > 0 {
		row("schedule", fmt.Sprintf("%s, holding at most %v", cfg.Schedule.Kind, cfg.Schedule.Hold))
	}
	return a.out.Flush()
}

// headerLines bounds each list of a header.
const headerLines = 12

func nodes(cfg *sim.Config) string {
	s := fmt.Sprintf("%d, each ticking every %v", cfg.Nodes, cfg.Loop.Tick)
	if cfg.Mesh.Heartbeat > 0 && cfg.Model == nil {
		peers := "all peers"
		if cfg.Mesh.Peers > 0 {
			peers = fmt.Sprintf("%d peers", cfg.Mesh.Peers)
		}
		s += fmt.Sprintf(", heartbeats to %s every %v", peers, cfg.Mesh.Heartbeat)
	}
	return s
}

// regions says who lives where, as far as it fits a line.
func regions(cfg *sim.Config) string {
	if cfg.Network.Matrix == "" {
		return ""
	}
	m, err := sim.LoadMatrix(cfg.Network.Matrix)
	if err == nil && len(cfg.Network.Regions) > 0 {
		m, err = m.Select(cfg.Network.Regions)
	}
	if err != nil {
		return "" // Resolve has read it a moment ago
	}
	var s string
	for n := 1; n <= cfg.Nodes; n++ {
		word := sim.NodeName(n) + " " + m.Regions()[m.Region(n)]
		if len(s)+len(word) > listWidth-20 {
			return s + ", ..."
		}
		if s != "" {
			s += ", "
		}
		s += word
	}
	return s
}

func network(n *sim.Network) string {
	var parts []string
	if n.Matrix != "" {
		parts = append(parts, "half the round trips of "+n.Matrix)
	}
	if !n.Latency.IsZero() {
		parts = append(parts, "latency "+n.Latency.String())
	}
	if !n.Jitter.IsZero() {
		parts = append(parts, "jitter "+n.Jitter.String())
	}
	for _, p := range []struct {
		name string
		prob float64
	}{{"loss", n.Loss}, {"duplicates", n.Duplicate}, {"reorder", n.Reorder}} {
		if p.prob > 0 {
			parts = append(parts, fmt.Sprintf("%s %.3g %%", p.name, 100*p.prob))
		}
	}
	return strings.Join(parts, ", ")
}

func sinkOf(cfg *sim.Config, k *keep) string {
	s := cfg.Appender.Kind
	switch {
	case k.says != "":
		s = k.says
	default:
		if cfg.Appender.Capacity > 0 {
			s += fmt.Sprintf(" of %s records", number(uint64(cfg.Appender.Capacity)))
		}
		if cfg.Appender.Kind == kindFilelog {
			s += fmt.Sprintf(" on a simulated disk for each node, sync %s", cfg.Appender.Sync)
		}
		if !cfg.Appender.Latency.IsZero() {
			s += ", latency " + cfg.Appender.Latency.String()
		}
	}
	return s + fmt.Sprintf("; inbox %s, batches of %d, deadline %v, grace %v, %d attempts",
		number(uint64(cfg.Host.Inbox)), cfg.Host.Batch, cfg.Host.Deadline, cfg.Host.Grace, cfg.Host.Attempts)
}

func load(l *sim.Load) string {
	var s string
	switch l.Kind {
	case "replay":
		s = fmt.Sprintf("%s replayed at %.4g times its pace, gaps of at most %v", l.File, l.Speed, l.MaxGap)
	case "burst":
		s = fmt.Sprintf("bursts of %d lines every %v", l.Size, l.Every)
	case "ramp":
		s = fmt.Sprintf("ramp from %.4g to %.4g lines/s a node", l.Rate, l.To)
	default:
		s = fmt.Sprintf("%s, %.4g lines/s a node", l.Kind, l.Rate)
	}
	if names := strings.Join(l.Nodes, " "); names != "all" && names != "" {
		s += " on " + names
	}
	if l.Kind != "replay" && l.From > 0 {
		s += fmt.Sprintf(" from %v", l.From)
	}
	return s
}

func fault(f *sim.Fault) string {
	s := fmt.Sprintf("at %-6v %s", f.At, f.Kind)
	for i, g := range f.Groups {
		if i > 0 {
			s += " |"
		}
		s += " " + strings.Join(g, " ")
	}
	if len(f.Nodes) > 0 {
		s += " on " + strings.Join(f.Nodes, " ")
	}
	if f.Shape != "" && f.Shape != "symmetric" {
		s += ", " + f.Shape
	}
	s += strength(f.Factor, f.By, f.Prob)
	if f.Record > 0 {
		return s + fmt.Sprintf(", record %d", f.Record)
	}
	if f.For > 0 {
		return s + fmt.Sprintf(", for %v", f.For)
	}
	return s + ", until the heal"
}

func chance(c *sim.Chaos) string {
	s := fmt.Sprintf("%s every %v on average", c.Kind, c.Every)
	if names := strings.Join(c.Nodes, " "); names != "all" && names != "" {
		s += " on each of " + names
	}
	s += strength(c.Factor, c.By, c.Prob)
	if !c.For.IsZero() {
		s += ", for " + c.For.String()
	}
	return s
}

func strength(factor float64, by time.Duration, prob float64) string {
	var s string
	if factor != 0 {
		s += fmt.Sprintf(", %.4g times", factor)
	}
	if by != 0 {
		s += fmt.Sprintf(", by %v", by)
	}
	if prob != 0 && prob != 1 {
		s += fmt.Sprintf(", with probability %.3g", prob)
	}
	return s
}

// wrap breaks text into lines of at most width bytes, at spaces.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
