package scenario

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"meshsim/sim"
)

//go:embed builtin/*.yaml
var builtinFiles embed.FS

// builtins are the scenarios that ship with the program, in the order in which
// a newcomer should meet them.
var builtins = []string{
	"quickstart",
	"calm",
	"hung-appender",
	"panicking-appender",
	"overload",
	"partition",
	"crash-restart",
	"ten-regions",
	"thousand-nodes",
	"swarm",
}

// Names are the built-in scenarios, the one to start with first.
func Names() []string { return slices.Clone(builtins) }

// Source is a built-in scenario's YAML, with its comments; nil if there is
// none of this name.
func Source(name string) []byte {
	if !slices.Contains(builtins, name) {
		return nil
	}
	data, err := builtinFiles.ReadFile("builtin/" + name + ".yaml")
	if err != nil {
		panic("scenario: a built-in one is missing: " + err.Error())
	}
	return data
}

// Builtin parses a built-in scenario. Its error says which ones there are.
func Builtin(name string) (sim.Config, error) {
	data := Source(name)
	if data != nil {
		return Parse(name+".yaml", data)
	}
	expected := "one of " + strings.Join(builtins, ", ")
	if meant := sim.Nearest(name, builtins); meant != "" {
		expected = fmt.Sprintf("%q (did you mean that?)", meant)
	}
	return sim.Config{}, &sim.InputError{File: clip(name), Found: "no built-in scenario of this name",
		Expected: expected, Err: ErrScenario}
}
