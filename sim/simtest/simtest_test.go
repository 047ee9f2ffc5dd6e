package simtest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/sim"
	"meshsim/sim/simtest"
)

const failing = "./sim/simtest/testdata/failing"

var failingBinary string

// TestMain builds the tests that fail on purpose once, for all that run them.
func TestMain(m *testing.M) { os.Exit(withFailing(m)) }

func withFailing(m *testing.M) int {
	dir, err := os.MkdirTemp("", "simtest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	failingBinary = filepath.Join(dir, "failing.test")
	build := exec.Command("go", "test", "-c", "-o", failingBinary, "./testdata/failing")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s%v\n", out, err)
		return 1
	}
	return m.Run()
}

// goTest runs tests of the package that fails on purpose, as go test does: in
// a process of its own, in the directory of the package.
func goTest(t *testing.T, env []string, args ...string) (out string, passed bool) {
	t.Helper()
	for i, arg := range args {
		if !strings.HasPrefix(arg, "-sim.") && strings.HasPrefix(arg, "-") {
			args[i] = "-test." + arg[1:]
		}
	}
	return command(t, "testdata/failing", env, failingBinary, args...)
}

// command runs name in dir and returns what it prints.
func command(t *testing.T, dir string, env []string, name string, args ...string) (string, bool) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "SIM_") { // the outer run's choice is not the inner one's
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out), err == nil
}

var reproduceLine = regexp.MustCompile(`(?m)^ *reproduce: (go test .*)$`)

func TestAFailureTellsWhatAndHowToReproduce(t *testing.T) {
	out, passed := goTest(t, nil, "-run", "TestPlanted$", "-sim.seeds=16-17")
	require.False(t, passed)
	require.Contains(t, out, "--- FAIL: TestPlanted/seed=17 ")
	require.Contains(t, out, "--- FAIL: TestPlanted/seed=16 ")
	require.Contains(t, out, "seed 17: violated\n")
	require.Regexp(t, `invariant planted \(always\) violated at step \d+: n2 settled a hundredth record\n`, out)
	require.Contains(t, out, "the last 20 events of n2:\n")
	require.NotContains(t, out, "the second run differs")
	require.Contains(t, out, "reproduce: go test "+failing+" -run 'TestPlanted/seed=17$' -sim.seed=17\n")

	// The tail ends with the event that the violation is about, and shows one
	// node alone.
	var tail []string
	_, rest, _ := strings.Cut(out, "events of n2:\n")
	for line := range strings.Lines(rest) {
		if strings.Contains(line, "reproduce: ") {
			break
		}
		tail = append(tail, line)
		require.Contains(t, line, " n2 ")
	}
	require.Len(t, tail, 20)
	require.Contains(t, strings.Join(tail[17:], ""), "record 100 is settled: appended")
}

func TestTheReproduceLineReproduces(t *testing.T) {
	out, passed := goTest(t, nil, "-run", "TestPlanted$", "-sim.seed=0x11")
	require.False(t, passed)
	line := reproduceLine.FindStringSubmatch(out)
	require.NotNil(t, line, out)
	again, passed := command(t, "../..", nil, "sh", "-c", line[1])
	require.False(t, passed)
	require.Equal(t, 1, strings.Count(again, "--- FAIL: TestPlanted/"))
	require.Equal(t, finding(t, out), finding(t, again))
}

// finding is what a failure says, without what go test says around it.
func finding(t *testing.T, out string) string {
	t.Helper()
	_, rest, found := strings.Cut(out, "seed 17: violated\n")
	require.True(t, found, out)
	text, _, found := strings.Cut(rest, "reproduce: ")
	require.True(t, found, out)
	return text
}

func TestInconclusiveFailsUnlessAllowed(t *testing.T) {
	out, passed := goTest(t, nil, "-v", "-run", "TestUnstruck")
	require.False(t, passed)
	require.Contains(t, out, "--- FAIL: TestUnstruck/seed=2 ")
	require.Contains(t, out, "seed 2: inconclusive\n")
	require.Contains(t, out, "append-panic")
	require.Contains(t, out, "--- PASS: TestUnstruckAllowed/seed=2 ")
	require.Contains(t, out, "--- PASS: TestUnstruckAllowed ")
}

func TestBadSeedsFail(t *testing.T) {
	for _, c := range []struct {
		env, flag, says string
	}{
		{"", "-sim.seed=abc", `simtest: -sim.seed: explore: not seeds: "abc"`},
		{"", "-sim.seeds=9-1", `simtest: -sim.seeds: explore: not seeds: "9-1" goes backwards`},
		{"SIM_SEED=1-2", "", `simtest: SIM_SEED: explore: not seeds: "1-2"`},
		{"SIM_SEEDS=x", "", `simtest: SIM_SEEDS: explore: not seeds: "x"`},
	} {
		args := []string{"-run", "TestUnstruckAllowed"}
		if c.flag != "" {
			args = append(args, c.flag)
		}
		out, passed := goTest(t, []string{c.env}, args...)
		require.False(t, passed, "%v", c)
		require.Contains(t, out, c.says)
	}
}

func TestTheEnvironmentChoosesSeedsAndAFlagWins(t *testing.T) {
	out, passed := goTest(t, []string{"SIM_SEEDS=4,7"}, "-v", "-run", "TestUnstruckAllowed")
	require.True(t, passed, out)
	require.Contains(t, out, "seed=4 ")
	require.Contains(t, out, "seed=7 ")
	require.NotContains(t, out, "seed=1 ")
	out, passed = goTest(t, []string{"SIM_SEED=4"}, "-v", "-run", "TestUnstruckAllowed", "-sim.seeds=8")
	require.True(t, passed, out)
	require.Contains(t, out, "seed=8 ")
	require.NotContains(t, out, "seed=4 ")
}

func TestAScenarioThatCannotBeRunFails(t *testing.T) {
	out, passed := goTest(t, nil, "-run", "TestImpossible")
	require.False(t, passed)
	require.Contains(t, out, "seed 1 could not be run: ")
	require.Contains(t, out, "nodes")
	require.NotContains(t, out, "panic")
}

func TestAPanicFailsItsSeedAlone(t *testing.T) {
	out, passed := goTest(t, nil, "-run", "TestPanic")
	require.False(t, passed)
	for _, seed := range []string{"1", "2"} {
		require.Contains(t, out, "--- FAIL: TestPanic/seed="+seed+" ")
		require.Contains(t, out, "seed "+seed+": panic: no checker today\n")
		require.Contains(t, out, "-run 'TestPanic/seed="+seed+"$' -sim.seed="+seed+"\n")
	}
}

// TestRun is what a user writes: three nodes under a hung appender, every
// invariant of package props.
func TestRun(t *testing.T) {
	simtest.Options{Seeds: 3}.Run(t, sim.Config{
		Nodes: 3, Duration: 3 * time.Second,
		Load:   []sim.Load{{Kind: "constant", Rate: 50}},
		Faults: []sim.Fault{{At: time.Second, For: time.Second, Kind: "append-hang", Nodes: []string{"n1"}}},
	})
}
