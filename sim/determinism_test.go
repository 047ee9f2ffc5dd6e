package sim_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/props"
	"meshsim/sim"
)

// One seed gives one digest. The golden file holds the digests of the first
// goldenSeeds swarm seeds: every build (-race or not), process and machine must
// reproduce it. A change that means to change runs regenerates it by
//
//	go test ./sim -run TestGoldenDigests -update
var update = flag.Bool("update", false, "rewrite the golden digests")

const (
	determinismSeeds = 1000
	goldenSeeds      = determinismSeeds
	goldenFile       = "testdata/digests.golden"
)

// small is a swarm scenario cut short, so that a thousand of them take
// seconds.
var small = sim.Config{Swarm: true, Duration: 300 * time.Millisecond, Recovery: 400 * time.Millisecond}

// digest runs one small scenario.
func digest(seed uint64) (string, error) {
	r, err := sim.Run(context.Background(), small, seed)
	if err != nil {
		return "", fmt.Errorf("seed %d: %w", seed, err)
	}
	return fmt.Sprintf("%s %d", r.Digest, r.Steps), nil
}

// digests runs seeds 0..n-1 in the order that order gives.
func digests(t *testing.T, n int, order func(i int) int) []string {
	t.Helper()
	out := make([]string, n)
	for i := range n {
		seed := order(i)
		d, err := digest(uint64(seed))
		require.NoError(t, err)
		out[seed] = d
	}
	return out
}

func TestOneSeedGivesOneDigest(t *testing.T) {
	want := digests(t, determinismSeeds, func(i int) int { return i })

	distinct := map[string]bool{}
	for _, d := range want {
		distinct[d] = true
	}
	require.Greater(t, len(distinct), determinismSeeds*9/10, "different seeds are different runs")

	t.Run("after any other seed, in parallel with others", func(t *testing.T) {
		got := make([]string, determinismSeeds)
		var wg sync.WaitGroup
		workers := max(4, runtime.GOMAXPROCS(0))
		for w := range workers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := w; i < determinismSeeds; i += workers {
					seed := (i*619 + 17) % determinismSeeds // a permutation: 619 is prime to 1000
					d, err := digest(uint64(seed))
					if err != nil {
						d = err.Error()
					}
					got[seed] = d
				}
			}()
		}
		wg.Wait()
		require.Equal(t, want, got)
	})

	t.Run("judged", func(t *testing.T) {
		for seed := range uint64(100) {
			r, err := sim.Run(context.Background(), small, seed, props.All()...)
			require.NoError(t, err)
			require.Equal(t, want[seed], fmt.Sprintf("%s %d", r.Digest, r.Steps))
		}
	})

	t.Run("in other processes", func(t *testing.T) {
		for _, procs := range []string{"1", "2"} {
			require.Equal(t, want[:goldenSeeds], childDigests(t, procs), "GOMAXPROCS=%s", procs)
		}
	})
}

// childDigests has another process of this test binary compute the first
// digests.
func childDigests(t *testing.T, procs string) []string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "digests")
	cmd := exec.Command(os.Args[0], "-test.run=^TestDigestsOfAChild$", "-test.count=1")
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+procs, childEnv+"="+out)
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)
	got, err := os.ReadFile(out)
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(got)), "\n")
}

const childEnv = "MESHSIM_TEST_DIGESTS"

// TestDigestsOfAChild is the other process of TestOneSeedGivesOneDigest, which
// walks the seeds backwards. Run by itself it only checks that it can.
func TestDigestsOfAChild(t *testing.T) {
	n := goldenSeeds
	out := os.Getenv(childEnv)
	if out == "" {
		n = 1
	}
	ds := digests(t, n, func(i int) int { return n - 1 - i })
	if out != "" {
		require.NoError(t, os.WriteFile(out, []byte(strings.Join(ds, "\n")+"\n"), 0o600))
	}
}

// The golden digests are those of a build without -race and must come out of
// one with it as well, and on any machine.
func TestGoldenDigests(t *testing.T) {
	got := strings.Join(digests(t, goldenSeeds, func(i int) int { return i }), "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(goldenFile, []byte(got), 0o600))
	}
	want, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "runs have changed; if that is meant, regenerate with -update")
}
