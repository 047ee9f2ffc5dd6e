//go:build !linux

package filelog

import "os"

// datasync makes a file durable; on Darwin that is F_FULLFSYNC.
func datasync(f *os.File) error { return f.Sync() }
