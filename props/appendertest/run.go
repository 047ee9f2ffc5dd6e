package appendertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"meshsim/props/laws"
)

// Config says what is checked: see [laws.Config].
type Config = laws.Config

// Run asks every law that applies, each in a subtest of its name and in as many
// cases as rapid's flags say (-rapid.checks, 100 by default), which it makes
// small when they fail. At the end it fails the test with one error that lists
// every broken law in words; laws that do not apply are logged, with the reason.
//
// A subject that cannot be opened ends the test.
func Run(t *testing.T, cfg Config) {
	t.Helper()
	if (cfg.New == nil) == (cfg.Wrap == nil) {
		t.Fatal("appendertest: either Config.New or Config.Wrap is to be set")
	}
	var broken []error
	var skipped []string
	for _, l := range laws.All() {
		why, err := l.Lacks(cfg)
		if err != nil {
			t.Fatalf("appendertest: opening it: %v", err)
		}
		if why != "" {
			skipped = append(skipped, l.Name+": "+why)
			continue
		}
		var last error // of the cases that failed: rapid ends with the smallest
		t.Run(l.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				if err := l.Check(cfg, draw{t}); err != nil {
					last = err
					t.Fatalf("%v", err)
				}
			})
		})
		if last != nil {
			broken = append(broken, last)
		}
	}
	if len(skipped) > 0 {
		t.Logf("laws that do not apply:\n  %s", strings.Join(skipped, "\n  "))
	}
	if err := joined(broken); err != nil {
		t.Error(err)
	}
}

// Check asks the same without a test: in so many cases of each law, drawn from a
// fixed seed. The error lists every broken law in words.
func Check(cfg Config, cases int) error {
	r, err := laws.Check(context.Background(), cfg, laws.Options{Cases: cases})
	if err != nil {
		return err
	}
	var broken []error
	for _, v := range r.Verdicts {
		if v.Broken != nil {
			broken = append(broken, v.Broken)
		}
	}
	return joined(broken)
}

func joined(broken []error) error {
	if len(broken) == 0 {
		return nil
	}
	n := "1 law is broken"
	if len(broken) > 1 {
		n = fmt.Sprintf("%d laws are broken", len(broken))
	}
	return fmt.Errorf("%s:\n%w", n, errors.Join(broken...))
}

// draw lets rapid make the choices of a law.
type draw struct{ t *rapid.T }

// Int implements [laws.Draw].
func (d draw) Int(label string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(d.t, label) }

// Uint64 implements [laws.Draw].
func (d draw) Uint64(label string) uint64 { return rapid.Uint64().Draw(d.t, label) }
