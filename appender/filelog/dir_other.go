//go:build !unix

package filelog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// lockFile makes a file that must not be there. Unlike a lock of the kernel's
// it stays when the process dies: whoever is sure that no log is open removes
// it.
func lockFile(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%w (if its process is dead, remove %s)", ErrLocked, path)
	}
	if err != nil {
		return nil, err
	}
	return &exclusive{f}, nil
}

type exclusive struct{ *os.File }

func (e *exclusive) Close() error {
	return errors.Join(e.File.Close(), os.Remove(e.Name()))
}

func noSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) }

// syncDir does nothing: what is no unix makes names durable by itself.
func syncDir(*os.File) error { return nil }
