package filelog

import (
	"errors"
	"io/fs"
	"os"
	"slices"
)

// IsLog reports whether dir is the directory of a log: whether a regular file in
// it has a segment's name, 20 digits and .seg. A link to a log is one; what is
// not there, or no directory, is none. It fails if dir cannot be looked into, as
// without the permission: it may be a log then. It opens and locks nothing.
func IsLog(dir string) (bool, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		_, ok := segmentNumber(e.Name())
		return ok && e.Type().IsRegular()
	}), nil
}
