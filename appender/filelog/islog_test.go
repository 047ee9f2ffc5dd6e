package filelog_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender/filelog"
)

func TestADirectoryIsALogsByItsSegments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	is := func(path string) bool {
		log, err := filelog.IsLog(path)
		require.NoError(t, err)
		return log
	}
	require.False(t, is(dir))
	require.False(t, is(filepath.Join(dir, "not there")))
	for _, name := range []string{"y.seg", "00000000000000000000.seg", "lock"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	require.False(t, is(dir))
	require.False(t, is(filepath.Join(dir, "lock")))
	fsys, err := filelog.Dir(filepath.Join(dir, "log"))
	require.NoError(t, err)
	require.NoError(t, open(t, filelog.Options{FS: fsys}).Close())
	require.True(t, is(filepath.Join(dir, "log")))
	loop := filepath.Join(dir, "loop")
	require.NoError(t, os.Symlink("loop", loop))
	_, err = filelog.IsLog(loop)
	require.Error(t, err, "it may be one")
}
