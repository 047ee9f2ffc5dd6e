package filelog_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

var update = flag.Bool("update", false, "rewrite the golden file of the format on disk")

const goldenFile = "testdata/format.golden"

// goldenLog is a log of two segments with every kind of frame: batches, a
// single record, an empty message, and the seal of a log that was closed.
func goldenLog(t *testing.T, fsys filelog.FS) []appender.Record {
	o := filelog.Options{FS: fsys, Sync: filelog.SyncEvery(1000), MaxRecords: 9, SegmentBytes: filelog.MinSegmentBytes}
	long := record(4)
	long.Message = strings.Repeat("0123456789abcdef", 240)
	recs := append(records(1, 3), long)
	recs = append(recs, appender.Record{}, record(6), edges()[2])
	recs = append(recs, records(7, 12)...)
	l := open(t, o)
	store(t, l, recs[:3]...)
	require.NoError(t, l.Flush(ctx))
	store(t, l, recs[3])
	store(t, l, recs[4:7]...)
	require.NoError(t, l.Append(ctx, recs[7]))
	require.NoError(t, l.Close())
	l = open(t, o)
	store(t, l, recs[8:]...)
	require.NoError(t, l.Close())
	return recs[len(recs)-9:]
}

// TestTheFormatOnDiskIsTheGoldenOne: what logs of this version write is, byte
// for byte, what those before wrote. A change needs another version, by which
// both are told apart. After an intended one:
//
//	go test ./appender/filelog -run TestTheFormatOnDiskIsTheGoldenOne -update
func TestTheFormatOnDiskIsTheGoldenOne(t *testing.T) {
	fsys := dir(t)
	goldenLog(t, fsys)
	var got strings.Builder
	for name, content := range contents(t, fsys) {
		fmt.Fprintf(&got, "segment %s of %d bytes\n%s", name, len(content), dump(content))
	}
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(goldenFile, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	require.Equal(t, strings.Split(string(want), "\n"), strings.Split(got.String(), "\n"))
}

// TestTheGoldenLogIsRead: a log that was written when the golden file was is
// read, whatever this version would write.
func TestTheGoldenLogIsRead(t *testing.T) {
	want := goldenLog(t, dir(t))
	golden, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	fsys := dir(t)
	for part := range strings.SplitSeq(strings.TrimPrefix(string(golden), "segment "), "\nsegment ") {
		head, lines, ok := strings.Cut(part, "\n")
		require.True(t, ok)
		var name string
		var size int
		_, err := fmt.Sscanf(head, "%s of %d bytes", &name, &size)
		require.NoError(t, err)
		f, err := fsys.Create(name)
		require.NoError(t, err)
		_, err = f.WriteAt(undump(t, lines, size), 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	l := open(t, filelog.Options{FS: fsys, MaxRecords: 9})
	r := l.Recovery()
	require.True(t, r.Clean(), r.String())
	holds(t, l, want)
	require.NoError(t, l.Close())
}

// dump is a hex dump in which "*" stands for lines equal to the one above.
func dump(b []byte) string {
	var out strings.Builder
	last, stars := "", false
	for line := range strings.Lines(hex.Dump(b)) {
		if same := line[8:] == last; !same {
			out.WriteString(line)
			stars = false
		} else if !stars {
			out.WriteString("*\n")
			stars = true
		}
		last = line[8:]
	}
	return out.String()
}

// undump is what dump was given.
func undump(t *testing.T, lines string, size int) []byte {
	b := make([]byte, 0, size)
	for line := range strings.Lines(lines) {
		if line == "*\n" {
			continue
		}
		var off int
		_, err := fmt.Sscanf(line[:8], "%x", &off)
		require.NoError(t, err)
		for len(b) < off {
			b = append(b, b[len(b)-16:]...)
		}
		part, err := hex.DecodeString(strings.ReplaceAll(line[10:58], " ", ""))
		require.NoError(t, err)
		b = append(b, part...)
	}
	require.Len(t, b, size)
	return b
}
