package sim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrConfig is wrapped by every [*FieldError].
var ErrConfig = errors.New("sim: invalid configuration")

// FieldError says which field of a [Config] is wrong, and how. Its path is
// written as in a scenario file: "faults[2].nodes[0]".
type FieldError struct {
	Path            string
	Found, Expected string
	// Err is the cause, if there is one (an unreadable file).
	Err error
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("sim: %s: found %s, expected %s", e.Path, e.Found, e.Expected)
}

// Unwrap gives [ErrConfig] and the cause to errors.Is and errors.As.
func (e *FieldError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrConfig}
	}
	return []error{ErrConfig, e.Err}
}

// InputError says where in a file something is wrong. Line and Column count
// from 1, columns in bytes; a Line of 0 means that there is none to point at.
type InputError struct {
	File            string
	Line, Column    int
	Found, Expected string
	// Err is a sentinel that says which kind of input it is.
	Err error
}

// Error is one line whatever the input contains.
func (e *InputError) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
	}
	return fmt.Sprintf("%s: found %s, expected %s", where, e.Found, e.Expected)
}

func (e *InputError) Unwrap() error { return e.Err }

// clip shortens what an error quotes.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}

// oneOf says what is allowed, and what was probably meant.
func oneOf(found string, allowed []string) string {
	if meant := Nearest(found, allowed); meant != "" {
		return fmt.Sprintf("%q (did you mean that?)", meant)
	}
	if len(allowed) > 28 {
		return fmt.Sprintf("one of %s, ... (%d in all)", strings.Join(allowed[:28], ", "), len(allowed))
	}
	return "one of " + strings.Join(allowed, ", ")
}

// Nearest is the allowed word that was probably meant by word, or "": the one
// at the smallest edit distance, if that is at most a third of its length.
func Nearest(word string, allowed []string) string {
	best, bestCost := "", 0
	if len(word) > 64 {
		return ""
	}
	word = strings.ToLower(word)
	for _, a := range allowed {
		if len(a) > 64 {
			continue
		}
		cost := editDistance(word, a)
		if cost <= max(1, len(a)/3) && cost < len(a) && (best == "" || cost < bestCost) {
			best, bestCost = a, cost
		}
	}
	return best
}

// editDistance is Damerau's, restricted (optimal string alignment): insert,
// delete, replace, or swap neighbours.
func editDistance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	var beforeLast []int
	for i := 1; i <= len(a); i++ {
		beforeLast, before, row = before, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(before[j]+1, row[j-1]+1, before[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], beforeLast[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

// allNodes is the reference to every node.
const allNodes = "all"

// NodeName is the name of a node, counted from 1: "n1".
func NodeName(node int) string { return "n" + strconv.Itoa(node) }

// isNodeName reports whether s looks like a node's name, existing or not.
func isNodeName(s string) bool {
	if len(s) < 2 || s[0] != 'n' {
		return false
	}
	return strings.Trim(s[1:], "0123456789") == ""
}

// nodeNumber is the number of the node with this name, if there is one.
func nodeNumber(s string, nodes int) (int, bool) {
	if !isNodeName(s) || s[1] == '0' {
		return 0, false
	}
	n, err := strconv.Atoi(s[1:])
	return n, err == nil && n >= 1 && n <= nodes
}

// NodesOf are the numbers of the nodes that refs name, ascending and each
// once. A reference is a node's name ("n3"), a region's name if m is not nil,
// or "all"; no reference at all names nobody. Its error is a [*FieldError]
// with the path "[i]".
func NodesOf(refs []string, nodes int, m *Matrix) ([]int, error) {
	var out []int
	for i, ref := range refs {
		if ref == allNodes {
			for n := 1; n <= nodes; n++ {
				out = append(out, n)
			}
			continue
		}
		if n, ok := nodeNumber(ref, nodes); ok {
			out = append(out, n)
			continue
		}
		region := -1
		if m != nil {
			region = slices.Index(m.regions, ref)
		}
		if region < 0 || region >= nodes {
			return nil, unknownNode(i, ref, nodes, m)
		}
		for n := region + 1; n <= nodes; n += len(m.regions) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func unknownNode(i int, ref string, nodes int, m *Matrix) error {
	expected := fmt.Sprintf("a node from n1 to n%d", nodes)
	if m != nil {
		inhabited := m.regions[:min(nodes, len(m.regions))]
		if meant := Nearest(ref, inhabited); meant != "" {
			return &FieldError{Path: fmt.Sprintf("[%d]", i), Found: fmt.Sprintf("unknown node %q", clip(ref)),
				Expected: fmt.Sprintf("%q (did you mean that?)", meant)}
		}
		expected += ", a region with nodes"
	}
	return &FieldError{Path: fmt.Sprintf("[%d]", i), Found: fmt.Sprintf("unknown node %q", clip(ref)),
		Expected: expected + `, or "all"`}
}
