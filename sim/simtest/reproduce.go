package simtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// reproduce is the line that runs the subtest name, and it alone, again.
func reproduce(name string, seed uint64) string {
	return fmt.Sprintf("reproduce: go test %s -run %s -sim.seed=%d", packagePath(), quote(pattern(name)), seed)
}

// pattern matches the subtest: go test splits it at slashes and takes each
// part as a regular expression.
func pattern(name string) string { return regexp.QuoteMeta(name) + "$" }

// quote makes s one word of a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// packagePath is the tested package as go test wants to be told it from the
// module's root: a test runs in the directory of its package.
func packagePath() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for root := dir; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			rel, err := filepath.Rel(root, dir)
			if err != nil || rel == "." {
				return "."
			}
			return "./" + filepath.ToSlash(rel)
		}
		if root == filepath.Dir(root) {
			return "."
		}
	}
}
