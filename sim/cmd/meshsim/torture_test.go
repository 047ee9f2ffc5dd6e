package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/sim"
	"meshsim/sim/torture"
)

func TestATortureIsAFunctionOfItsSeed(t *testing.T) {
	args := []string{"appender", "torture", "--cases", "150", "--seed", "0x11"}
	out, errs, status := call(append(args, "--workers", "1")...)
	require.Equal(t, exitHeld, status, "%s%s", out, errs)
	require.Contains(t, out, "seed 17\n")
	require.Contains(t, out, "\nheld: every log kept its word in 150 cases")
	require.Contains(t, out, "\nreproduce: meshsim appender torture --cases 150 --seed 17\n")
	for k := range torture.NumKinds {
		require.Regexp(t, `\n +`+torture.Kind(k).String()+` +[1-9]`, out)
	}
	again, _, _ := call(append(args, "--workers", "3")...)
	require.Equal(t, digestOf.FindStringSubmatch(out), digestOf.FindStringSubmatch(again))

	text, errs, status := call(append(args, "--json")...)
	require.Equal(t, exitHeld, status)
	require.Equal(t, "seed 17\n", errs)
	var r tortureJSON
	require.NoError(t, json.Unmarshal([]byte(text), &r))
	require.EqualValues(t, 150, r.Cases)
	require.Equal(t, digestOf.FindStringSubmatch(out)[1], r.Digest)
	sum := uint64(0)
	for _, k := range r.Kinds {
		sum += k.Cases
	}
	require.EqualValues(t, 150, sum)
}

func TestASystematicTortureHasItsOwnReproduceLine(t *testing.T) {
	out, _, status := call("appender", "torture", "--systematic", "--cases", "64", "--seed", "1")
	require.Equal(t, exitHeld, status, out)
	require.Contains(t, out, "\nreproduce: meshsim appender torture --systematic --cases 64 --seed 1\n")
}

// Logs that fail are for the tests of package torture: here, what is said of one.
func TestALogThatBrokeItsWordIsToldInWordsWithACommand(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: bufio.NewWriter(&out), program: "meshsim"}
	r := torture.Report{Seed: 3, Failure: &torture.Failure{
		Seed: 9, Kind: torture.Cut, Options: "sync always", Steps: []string{"append 2 records", "the power fails"}, Err: errors.New("record 2\nis gone"),
	}}
	r.Kinds[torture.Cut].Cases = 7
	a.tortured(&campaign{seed: 3, cases: 100}, &r, sim.Violated, time.Second)
	require.NoError(t, a.out.Flush())
	require.Contains(t, out.String(), "\nseed 9 (cut) failed: record 2; is gone\nthe smallest history found that fails so:\n"+
		"  sync always\n   1. append 2 records\n   2. the power fails\n")
	require.Contains(t, out.String(), "\nviolated: a log broke its word; 7 cases were run")
	require.Contains(t, out.String(), "\nreproduce: meshsim appender torture --cases 1 --seed 9\n")
	j := a.torturedJSON(&campaign{seed: 3, cases: 100}, &r, sim.Violated, time.Second)
	require.Equal(t, "meshsim appender torture --cases 1 --seed 9", j.Failure.Reproduce)
	r.Failure.Systematic = true
	require.Equal(t, []string{"appender", "torture", "--systematic", "--seed", "9"}, againFailed(r.Failure))
}

func TestWrongFlagsOfTortureGetOneLineAndStatus2(t *testing.T) {
	for _, args := range [][]string{{"--cases", "0"}, {"--cases", "many"}, {"--workers", "-1"}, {"--seed", "x"}, {"more"}} {
		out, err, status := call(append([]string{"appender", "torture"}, args...)...)
		require.Equal(t, exitUsage, status, "%v", args)
		require.Empty(t, out)
		require.Contains(t, err, args[0])
	}
}
