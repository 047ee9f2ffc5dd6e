package filelog

import (
	"errors"
	"io"
)

// Errors of a file system, to be found with [errors.Is]; besides them,
// fs.ErrNotExist and fs.ErrExist mean what they mean for package os.
var (
	// ErrLocked: another log has this directory open.
	ErrLocked = errors.New("filelog: directory is in use by another log")
	// ErrNoSpace: the disk is full. What the write returned as n was written.
	ErrNoSpace = errors.New("filelog: no space left on device")
)

// FS is the part of a file system that a log needs: one flat directory. The
// real one is [Dir]; meshsim/sim/disk has one whose faults are scripted.
//
// Durability is that of POSIX at its least: what was written to a file
// survives a power failure once Sync on the file has returned nil; a creation,
// a rename and a removal survive once SyncDir has returned nil. Before that,
// any part of it may survive, in any order, by sectors.
type FS interface {
	// Create makes a file that must not exist yet, readable by its owner alone
	// (0600).
	Create(name string) (File, error)
	// Open opens a file that exists, to read and to write.
	Open(name string) (File, error)
	// OpenRead opens a file that exists, to read alone.
	OpenRead(name string) (File, error)
	// List returns the names of all files, sorted.
	List() ([]string, error)
	// Remove removes a file. Handles that are open stay readable.
	Remove(name string) error
	// Rename gives a file another name, which must be free.
	Rename(from, to string) error
	// SyncDir makes creations, renames and removals durable.
	SyncDir() error
	// Lock keeps every other log out, of this process and of any other, until
	// the closer is closed or the process dies. If one is in, it fails at once
	// with [ErrLocked].
	Lock() (io.Closer, error)
	// Path is how messages name a file.
	Path(name string) string
}

// File is an open file of an [FS]. Reads may run beside everything else; the
// other methods are called one at a time.
type File interface {
	io.ReaderAt
	// WriteAt writes p at off and returns how much of it was written, n < len(p)
	// always with an error. Writing behind the end fills the gap with zeros.
	io.WriterAt
	// Truncate cuts or extends (with zeros) the file to size bytes.
	Truncate(size int64) error
	// Sync makes content and size durable, as fdatasync. After an error nothing
	// is known about what was written since the last success, and a later
	// success says nothing about it either (fsyncgate, 2018).
	Sync() error
	// Size is the length in bytes.
	Size() (int64, error)
	io.Closer
}
