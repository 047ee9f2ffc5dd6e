package props_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/sim/scenario"
)

// fenced is every code block of the README in a language, without its fence.
func fenced(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// What the README shows as a complete example is the file that is compiled and
// run as a test, to the letter.
func TestTheReadmesExamplesAreTheOnesThatAreTested(t *testing.T) {
	shown := map[string]bool{}
	for _, block := range fenced(t, "go") {
		if !strings.HasPrefix(block, "package ") {
			continue
		}
		for _, file := range []string{
			"../sim/simtest/example_model_test.go", "../sim/simtest/example_appender_test.go",
			"appendertest/example_newcomer_test.go",
		} {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			if string(source) == block {
				shown[file] = true
			}
		}
	}
	require.Len(t, shown, 3, "the README's complete examples differ from the files that they are said to be")
}

func TestTheReadmesScenariosAreValid(t *testing.T) {
	blocks := fenced(t, "yaml")
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		cfg, err := scenario.Parse("README.md", []byte(block))
		require.NoError(t, err)
		_, err = cfg.Resolve()
		require.NoError(t, err)
	}
}
