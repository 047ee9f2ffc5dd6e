//go:build unix

package embedded

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// lockFile keeps every other server out of a directory, which NATS itself does
// not: two of them in one directory destroy each other's streams. The lock goes
// when the process dies.
func lockFile(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		return nil, ErrDirInUse
	}
	return f, nil
}
