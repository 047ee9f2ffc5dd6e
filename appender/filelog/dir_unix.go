//go:build unix

package filelog

import (
	"errors"
	"os"
	"syscall"
)

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func syncDir(f *os.File) error { return f.Sync() }
