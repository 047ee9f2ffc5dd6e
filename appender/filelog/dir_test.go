package filelog_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// TestALogIsItsOwnersAlone: every file may be read and written by its owner,
// every directory that is made entered, and nothing by anybody else.
func TestALogIsItsOwnersAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // it has no such modes
	}
	t.Parallel()
	root := t.TempDir()
	a, err := filelog.DirOpener(filepath.Join(root, "a", "b"), filelog.Options{SegmentBytes: filelog.MinSegmentBytes})(ctx, env())
	require.NoError(t, err)
	l := a.(*filelog.Log)
	store(t, l, records(1, 100)...)
	store(t, l, records(101, 200)...)
	seen := 0
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "a"), func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		require.Equal(t, want, info.Mode().Perm(), path)
		seen++
		return nil
	}))
	require.GreaterOrEqual(t, seen, 3+2+1) // directories, segments, the lock
	require.NoError(t, l.Close())
}

// TestNamesOfNodesAreNamesOfDirectories: whatever a node is called, its log has a
// directory of its own, in the parent and nowhere else.
func TestNamesOfNodesAreNamesOfDirectories(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	owner := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		node := rapid.OneOf(
			rapid.String(), rapid.SampledFrom([]string{"", ".", "..", "a/b", "../x", "a\x00b", "%", "%2E", ".%", "n1", "/", `c:\x`}),
		).Draw(t, "node")
		if len(node) > 60 {
			node = node[:60]
		}
		fsys, err := filelog.NodeDir(root, node)
		require.NoError(t, err)
		path := fsys.Path("")
		require.Equal(t, root, filepath.Dir(path))
		require.False(t, strings.HasPrefix(filepath.Base(path), "."))
		if other, taken := owner[path]; taken {
			require.Equal(t, other, node)
		}
		owner[path] = node
	})
}

// TestNodesHaveLogsOfTheirOwn: openers of one directory, for two nodes.
func TestNodesHaveLogsOfTheirOwn(t *testing.T) {
	t.Parallel()
	opener := filelog.DirOpener(t.TempDir(), filelog.Options{})
	one, two := env(), env()
	two.Node = "n2"
	a, err := opener(ctx, one)
	require.NoError(t, err)
	b, err := opener(ctx, two)
	require.NoError(t, err)
	_, err = opener(ctx, one)
	require.ErrorIs(t, err, filelog.ErrLocked)
	require.NoError(t, a.Append(ctx, record(1)))
	require.NoError(t, b.Append(ctx, record(2)))
	holds(t, a.(*filelog.Log), records(1, 1))
	holds(t, b.(*filelog.Log), records(2, 2))
	require.NoError(t, appender.Close(a))
	require.NoError(t, appender.Close(b))
}

// TestOtherFilesAreLeftAlone: what is not a segment's name is none.
func TestOtherFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	others := []string{"notes.txt", "1.seg", "00000000000000000000.seg", "0000000000000000000x.seg", "00000000000000000001.seg.bak", "99999999999999999999.seg"}
	for _, name := range others {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte("mine"), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(root, "00000000000000000007.seg"), 0o700))
	fsys, err := filelog.ExistingDir(root)
	require.NoError(t, err)
	l := open(t, filelog.Options{FS: fsys, MaxRecords: 1, SegmentBytes: filelog.MinSegmentBytes})
	feed(t, l, records(1, 300))
	require.NoError(t, l.Close())
	for _, name := range others {
		b, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.Equal(t, "mine", string(b), name)
	}
}

func TestADirectoryThatIsToBeThereIsNotMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	_, err := filelog.ExistingDir(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoDirExists(t, path)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = filelog.ExistingDir(path)
	require.Error(t, err)
	_, err = filelog.Dir(path)
	require.Error(t, err)
}
