package laws

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
)

// cases counts cases: the goroutines of each carry a label of its own. They hand
// it on to those that they start, so that the subject's are told from all others
// in the process: those of a server within it, or of other tests.
var cases atomic.Uint64

const labelKey = "meshsim/props/laws"

func newLabel() (context.Context, string) {
	value := strconv.FormatUint(cases.Add(1), 10)
	return pprof.WithLabels(context.Background(), pprof.Labels(labelKey, value)), value
}

// profileLine is a call in the text form of a profile of goroutines: its address,
// function and offset, file and line.
var profileLine = regexp.MustCompile(`(?m)^#\t0x[0-9a-f]+\t(\S+)\+0x[0-9a-f]+\t`)

// goroutines says of each that the subject's calls have started, and that still
// runs, which function it is in.
func (s *subject) goroutines() []string {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		panic(err) // a buffer takes everything
	}
	var all []string
	mine := fmt.Sprintf("# labels: {%q:%q}", labelKey, s.labelled)
	for _, g := range strings.Split(b.String(), "\n\n") {
		if !strings.Contains(g, mine) {
			continue
		}
		in := "a function without a name"
		for _, m := range profileLine.FindAllStringSubmatch(g, -1) {
			in = m[1]
			if !ours(in) {
				break
			}
		}
		n, _, _ := strings.Cut(g, " ")
		count, _ := strconv.Atoi(n[strings.LastIndexByte(n, '\n')+1:])
		for range max(count, 1) {
			all = append(all, in)
		}
	}
	return all
}

// ours reports whether a function is of the runtime, or of this package.
func ours(name string) bool {
	return strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "sync.") ||
		strings.HasPrefix(name, "internal/") || strings.HasPrefix(name, "meshsim/props/laws.")
}
