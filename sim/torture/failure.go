package torture

import (
	"fmt"
	"strings"
)

// Failure is a case in which a log broke its word.
type Failure struct {
	Seed uint64
	Kind Kind
	// Options and Steps tell the smallest history found that fails, in words;
	// the last step is where it showed.
	Options string
	Steps   []string
	// Err is what was wrong.
	Err error
	// Systematic is set if the case is one of [Systematic], and Seed is its
	// campaign's.
	Systematic bool
}

// Command is the command line that runs the case again.
func (f *Failure) Command() string {
	if f.Systematic {
		return fmt.Sprintf("meshsim appender torture --systematic --seed %d", f.Seed)
	}
	return fmt.Sprintf("meshsim appender torture --seed %d --cases 1", f.Seed)
}

// Error tells the whole story, on several lines.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "torture: seed %d (%s): %v\n  %s\n", f.Seed, f.Kind, f.Err, f.Options)
	for i, s := range f.Steps {
		fmt.Fprintf(&b, "  %2d. %s\n", i+1, s)
	}
	fmt.Fprintf(&b, "  again: %s", f.Command())
	return b.String()
}

// Unwrap returns Err.
func (f *Failure) Unwrap() error { return f.Err }
