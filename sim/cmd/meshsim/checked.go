package main

import (
	"fmt"
	"strings"
	"time"

	"meshsim/props/laws"
	"meshsim/sim"
)

// table prints what became of every law that one subject was asked.
func (a *app) table(x *checked) {
	name := len("law")
	for _, v := range x.report.Verdicts {
		name = max(name, len(v.Law.Name))
	}
	fmt.Fprintf(a.out, "\n%s\n", a.style.paint(bold, x.Name))
	row := func(law, cases, verdict, padding, says string) {
		lines := wrap(says, max(listWidth-name-21, 30))
		for i, line := range lines {
			if i > 0 {
				law, cases, verdict, padding = "", "", "", "       "
			}
			fmt.Fprintf(a.out, "  %-*s  %6s  %s%s  %s\n", name, law, cases, verdict, padding, line)
		}
	}
	row("law", "cases", "verdict", "", "what it says")
	for _, v := range x.report.Verdicts {
		if v.Lacks == "" {
			word, kind := verdictOf(&v)
			row(v.Law.Name, number(uint64(v.Cases)), a.style.verdict(kind, word), strings.Repeat(" ", 7-len(word)), v.Law.Says)
		}
	}
	a.skipped(x)
}

// skipped lists the laws that do not apply, by the reason.
func (a *app) skipped(x *checked) {
	var reasons []string
	names := make(map[string][]string)
	for _, v := range x.report.Verdicts {
		if v.Lacks == "" {
			continue
		}
		if names[v.Lacks] == nil {
			reasons = append(reasons, v.Lacks)
		}
		names[v.Lacks] = append(names[v.Lacks], v.Law.Name)
	}
	for _, why := range reasons {
		text := fmt.Sprintf("skipped, %s: %s", why, strings.Join(names[why], ", "))
		for i, line := range wrap(text, listWidth-4) {
			indent := "  "
			if i > 0 {
				indent = "    "
			}
			fmt.Fprintln(a.out, a.style.paint(dim, indent+line))
		}
	}
}

// verdictOf is the word for what became of a law.
func verdictOf(v *laws.Verdict) (string, sim.Verdict) {
	switch {
	case v.Broken != nil:
		return "BROKEN", sim.Violated
	case v.Lacks != "" || v.Cases == 0:
		return "skipped", sim.Inconclusive
	}
	return "held", sim.Held
}

// sum tells every law that was broken in words, and the verdict.
func (a *app) sum(c *checking, all []checked, verdict sim.Verdict) {
	var held, broken, skipped int
	var wall time.Duration
	for i := range all {
		x := &all[i]
		wall += x.wall
		for j := range x.report.Verdicts {
			v := &x.report.Verdicts[j]
			switch word, _ := verdictOf(v); word {
			case "held":
				held++
			case "skipped":
				skipped++
			default:
				broken++
				a.broken(c, x, v)
			}
		}
	}
	subjects := "subjects"
	if len(all) == 1 {
		subjects = "subject"
	}
	fmt.Fprintf(a.out, "\n%s: %d held, %d broken, %d skipped; %d %s in %v\n",
		a.style.verdict(verdict, string(verdict)), held, broken, skipped, len(all), subjects, wall.Round(time.Millisecond))
	if verdict == sim.Inconclusive {
		fmt.Fprintln(a.out, "  because it was interrupted: not every law was asked")
	}
	fmt.Fprintf(a.out, "reproduce: %s\n", a.command(c.again("", "", c.cases)...))
}

// broken tells of one law what was done, what was wrong, and how to see it again.
func (a *app) broken(c *checking, x *checked, v *laws.Verdict) {
	fmt.Fprintf(a.out, "\n%s %s of %s\n", a.style.verdict(sim.Violated, "BROKEN"), a.style.paint(bold, v.Law.Name), x.Name)
	for _, line := range wrap(v.Law.Says, listWidth-2) {
		fmt.Fprintf(a.out, "  %s\n", line)
	}
	if len(v.Broken.Case) > 0 {
		fmt.Fprintln(a.out, "  the smallest case found:")
	}
	for i, step := range v.Broken.Case {
		fmt.Fprintf(a.out, "  %3d. %s\n", i+1, oneLine(fmt.Errorf("%s", step)))
	}
	for i, line := range wrap("wrong: "+oneLine(v.Broken.Err), listWidth-4) {
		indent := "  "
		if i > 0 {
			indent = "    "
		}
		fmt.Fprintln(a.out, indent+line)
	}
	fmt.Fprintf(a.out, "  reproduce: %s\n", a.command(c.again(x.kind, v.Law.Name, x.cases)...))
}

// checkJSON is what --json prints.
type checkJSON struct {
	Seed     uint64        `json:"seed"`
	Verdict  sim.Verdict   `json:"verdict"`
	Subjects []subjectJSON `json:"subjects"`
}

type subjectJSON struct {
	Name     string        `json:"name"`
	Appender string        `json:"appender"`
	WallNs   time.Duration `json:"wall_ns"`
	Laws     []lawJSON     `json:"laws"`
}

type lawJSON struct {
	Name      string   `json:"name"`
	Says      string   `json:"says"`
	Cases     int      `json:"cases"`
	Verdict   string   `json:"verdict"` // held, broken or skipped
	Why       string   `json:"why,omitempty"`
	Case      []string `json:"case,omitempty"`
	Wrong     string   `json:"wrong,omitempty"`
	Reproduce string   `json:"reproduce,omitempty"`
}

func (a *app) checkedJSON(c *checking, all []checked, verdict sim.Verdict) *checkJSON {
	j := &checkJSON{Seed: c.seed, Verdict: verdict, Subjects: []subjectJSON{}}
	for i := range all {
		x := &all[i]
		s := subjectJSON{Name: x.Name, Appender: x.kind, WallNs: x.wall, Laws: []lawJSON{}}
		for k := range x.report.Verdicts {
			v := &x.report.Verdicts[k]
			word, _ := verdictOf(v)
			l := lawJSON{Name: v.Law.Name, Says: v.Law.Says, Cases: v.Cases, Verdict: strings.ToLower(word), Why: v.Lacks}
			if b := v.Broken; b != nil {
				l.Case, l.Wrong, l.Reproduce = b.Case, b.Err.Error(), a.command(c.again(x.kind, v.Law.Name, x.cases)...)
			}
			s.Laws = append(s.Laws, l)
		}
		j.Subjects = append(j.Subjects, s)
	}
	return j
}
