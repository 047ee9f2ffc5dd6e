package filelog_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// childDir and childSync are in the environment of a child process that appends
// until it is killed.
const (
	childDir  = "FILELOG_CHILD_DIR"
	childSync = "FILELOG_CHILD_SYNC"
)

const (
	killCapacity = 700
	killBatch    = 9
)

func killOptions(fsys filelog.FS, policy filelog.SyncPolicy) filelog.Options {
	return filelog.Options{FS: fsys, SegmentBytes: 4 * filelog.MinSegmentBytes, MaxRecords: killCapacity, Sync: policy}
}

func TestMain(m *testing.M) {
	if path := os.Getenv(childDir); path != "" {
		fmt.Fprintln(os.Stderr, appendForEver(path, os.Getenv(childSync)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendForEver goes on where the log ends, and writes to its output the number
// of each record that is acknowledged, when it is. Closing it and opening it
// again, and flushing, are among what a kill may strike.
func appendForEver(path, policy string) error {
	p, err := filelog.ParseSync(policy)
	if err != nil {
		return err
	}
	fsys, err := filelog.ExistingDir(path)
	if err != nil {
		return err
	}
	var word [8]byte
	for {
		l, err := filelog.Open(ctx, killOptions(fsys, p), env())
		if err != nil {
			return err
		}
		if r := l.Recovery(); len(r.Damage) > 0 {
			return r.Damage[0]
		}
		end, _ := l.Position()
		for i := range uint64(60) {
			recs := records(end+1, end+1+(end+i)%killBatch)
			if _, err := l.AppendBatch(ctx, recs); err != nil {
				return err
			}
			end += uint64(len(recs))
			binary.LittleEndian.PutUint64(word[:], end)
			if _, err := os.Stdout.Write(word[:]); err != nil {
				return err
			}
			if i%17 == 16 {
				if err := l.Flush(ctx); err != nil {
					return err
				}
			}
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
}

// TestWhatWasAcknowledgedSurvivesKills: a process that appends to a log is killed
// at random moments, again and again, on the same log. Every record that it
// acknowledged is there, as it was; beyond those, whole batches at most, and
// nothing is damaged. The operating system lives on, so this holds whatever the
// sync policy.
func TestWhatWasAcknowledgedSurvivesKills(t *testing.T) {
	if testing.Short() {
		survivesKills(t, filelog.SyncNever(), 20)
		return
	}
	for policy, kills := range map[filelog.SyncPolicy]int{filelog.SyncNever(): 100, filelog.SyncAlways(): 60, filelog.SyncEvery(50): 50} {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			survivesKills(t, policy, kills)
		})
	}
}

func survivesKills(t *testing.T, policy filelog.SyncPolicy, kills int) {
	self, err := os.Executable()
	require.NoError(t, err)
	fsys := dir(t)
	draw := rand.New(rand.NewPCG(1, uint64(kills)))
	acked, torn, inFlight := uint64(0), 0, 0
	for kill := range kills {
		was := acked
		acked = max(acked, runChild(t, self, fsys.Path(""), policy, draw))
		end := checkKilled(t, fsys, acked)
		if end > acked {
			inFlight++
			acked = end // what was found once stays
		}
		if kill%3 == 0 {
			continue // the next process finds it as this one left it
		}
		l := open(t, killOptions(fsys, policy))
		r := l.Recovery()
		require.Empty(t, r.Damage)
		if r.Torn > 0 {
			torn++
		}
		got, _ := l.Position()
		require.GreaterOrEqual(t, got, acked, "kill %d", kill)
		require.Equal(t, end, got)
		require.NoError(t, l.Close())
		require.GreaterOrEqual(t, acked, was)
	}
	require.Greater(t, acked, uint64(killCapacity), "the children did not get far")
	t.Logf("%s: %d kills, %d records acknowledged, %d times a batch in flight was found, %d tails were torn", policy, kills, acked, inFlight, torn)
}

// runChild starts a child and kills it: some time after its first
// acknowledgement, or after its start. It returns the last number acknowledged.
func runChild(t *testing.T, self, path string, policy filelog.SyncPolicy, draw *rand.Rand) (acked uint64) {
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childDir+"="+path, childSync+"="+policy.String())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	wait := time.Duration(draw.IntN(12_000)) * time.Microsecond
	early := draw.IntN(8) == 0 // while it opens the log
	in := bufio.NewReader(out)
	if !early {
		_, err := in.Peek(8)
		require.NoError(t, err, stderr.String())
	}
	time.Sleep(wait)
	require.NoError(t, cmd.Process.Kill())
	b, err := io.ReadAll(in)
	require.NoError(t, err)
	for ; len(b) >= 8; b = b[8:] {
		acked = binary.LittleEndian.Uint64(b)
	}
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, -1, exit.ExitCode(), "the child ended by itself: %s", stderr.String())
	return acked
}

// checkKilled reads a log without its lock, as its dead writer left it, and
// returns where it ends.
func checkKilled(t *testing.T, fsys filelog.FS, acked uint64) uint64 {
	end, first := uint64(0), uint64(0)
	for rec, err := range filelog.Read(ctx, fsys, nil, appender.Cursor{}, false) {
		var corrupt *filelog.CorruptError
		require.False(t, errors.As(err, &corrupt), "damaged: %v", err)
		require.NoError(t, err)
		if first == 0 {
			first, end = rec.Seq, rec.Seq-1
		}
		end++
		require.Equal(t, record(end), rec)
	}
	require.GreaterOrEqual(t, end, acked)
	require.LessOrEqual(t, end, acked+killBatch, "more than the batch in flight")
	if end > 0 {
		require.Equal(t, uint64(max(1, int(end)-killCapacity+1)), first)
	}
	return end
}
