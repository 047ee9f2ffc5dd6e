//go:build !unix

package filelog

import (
	"errors"
	"os"
	"syscall"
)

func noSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) }

// syncDir does nothing: what is no unix makes names durable by itself.
func syncDir(*os.File) error { return nil }
