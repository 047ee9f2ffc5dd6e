package filelog

import (
	"errors"
	"os"
	"syscall"
)

// datasync makes a file's bytes and size durable, and spares its times.
func datasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
