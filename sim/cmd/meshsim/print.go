package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"meshsim/sim"
	"meshsim/sim/report"
)

// timelineLines is how long a story may be.
const timelineLines = 40

// story prints what happened and what every invariant says of it.
func (a *app) story(r *sim.Result, timeline *report.Timeline) {
	fmt.Fprintln(a.out)
	fmt.Fprintln(a.out, a.style.paint(bold, "what happened"))
	if timeline.Empty() {
		fmt.Fprintln(a.out, "  nothing out of the ordinary")
	}
	_ = timeline.Write(a.out, timelineLines) // a.out keeps its error until it is flushed
	fmt.Fprintln(a.out)
	rows := make([]judgement, 0, len(r.Invariants))
	for _, inv := range r.Invariants {
		j := judgement{name: inv.Name, quantifier: inv.Quantifier, checked: inv.Checked}
		if j.violated = inv.ViolatedAt != nil; j.violated {
			j.how = fmt.Sprintf("at step %d: %s", *inv.ViolatedAt, inv.Violation)
		}
		rows = append(rows, j)
	}
	a.invariants(rows)
	fmt.Fprintln(a.out)
	a.records(r.Records)
	a.counts("faults", r.Faults)
	a.marks(r.Sometimes)
	for _, s := range r.Skipped {
		fmt.Fprintf(a.out, "skipped   %s\n", s)
	}
	if r.Digest == "" { // live
		fmt.Fprintf(a.out, "work      %s messages delivered in %v\n", number(r.Delivered), r.Wall.Round(time.Millisecond))
		return
	}
	fmt.Fprintf(a.out, "work      %s steps, %s messages delivered, %v simulated in %v\n",
		number(r.Steps), number(r.Delivered), r.Virtual.Round(time.Millisecond), r.Wall.Round(time.Millisecond))
}

// judgement is a row of the table of invariants.
type judgement struct {
	name, quantifier string
	checked          uint64
	violated         bool
	how              string // it was violated
}

// invariants prints the table of judgements.
func (a *app) invariants(js []judgement) {
	name, quantifier := len("invariant"), len("quantifier")
	for _, j := range js {
		name, quantifier = max(name, len(j.name)), max(quantifier, len(j.quantifier))
	}
	row := func(cols ...string) {
		fmt.Fprintf(a.out, "  %-*s  %-*s  %12s  %s\n", name, cols[0], quantifier, cols[1], cols[2], cols[3])
	}
	row("invariant", "quantifier", "checked", "verdict")
	for _, j := range js {
		verdict := a.style.verdict(sim.Held, "held")
		switch {
		case j.violated:
			verdict = a.style.verdict(sim.Violated, "violated") + " " + j.how
		case j.checked == 0:
			verdict = a.style.verdict(sim.Inconclusive, "nothing to judge")
		}
		row(j.name, j.quantifier, number(j.checked), verdict)
	}
}

// records prints the accounting, as the sum that it is.
func (a *app) records(r sim.Records) {
	fmt.Fprintf(a.out, "records   %s emitted = %s appended + %s failed + %s unknown + %s dropped + %s lost + %s pending\n",
		number(r.Emitted), number(r.Appended), number(r.Failed), number(r.Unknown), number(r.Dropped), number(r.Lost), number(r.Pending))
}

func (a *app) counts(what string, m map[string]uint64) {
	words := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		words = append(words, fmt.Sprintf("%s %s", k, number(m[k])))
	}
	a.list(what, words)
}

func (a *app) marks(ms []sim.Mark) {
	words := make([]string, 0, len(ms))
	for _, m := range ms {
		if m.Count == 0 {
			continue // who was promised it reads of it below the verdict
		}
		words = append(words, fmt.Sprintf("%s %s", m.Name, number(m.Count)))
	}
	a.list("sometimes", words)
}

// listWidth is where a list's lines break.
const listWidth = 100

// list prints words behind a heading, broken into lines.
func (a *app) list(what string, words []string) {
	if len(words) == 0 {
		fmt.Fprintf(a.out, "%-9s none\n", what)
		return
	}
	line := fmt.Sprintf("%-9s", what)
	for i, w := range words {
		if i < len(words)-1 {
			w += ","
		}
		if len(line)+1+len(w) > listWidth {
			fmt.Fprintln(a.out, line)
			line = strings.Repeat(" ", 9)
		}
		line += " " + w
	}
	fmt.Fprintln(a.out, line)
}

// conclude prints the verdict, in words.
func (a *app) conclude(r *sim.Result, doublechecked bool) {
	var held, violated, unjudged int
	for _, inv := range r.Invariants {
		switch {
		case inv.ViolatedAt != nil:
			violated++
		case inv.Checked > 0:
			held++
		default:
			unjudged++
		}
	}
	fmt.Fprintf(a.out, "\n%s: %d invariants held, %d violated", a.style.verdict(r.Verdict, string(r.Verdict)), held, violated)
	if unjudged > 0 {
		fmt.Fprintf(a.out, ", %d had nothing to judge", unjudged)
	}
	if r.Digest != "" {
		fmt.Fprintf(a.out, "; digest %s", r.Digest)
	}
	if doublechecked {
		fmt.Fprint(a.out, ", twice")
	}
	fmt.Fprintln(a.out)
	for _, why := range r.Why {
		fmt.Fprintf(a.out, "  because %s\n", why)
	}
}

// number writes n with its thousands apart.
func number(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
