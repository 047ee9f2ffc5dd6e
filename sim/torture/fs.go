package torture

import (
	"errors"
	"io"

	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// errHang: a call on the log made more calls of the file system than any that
// ends would. It is what counting panics with.
var errHang = errors.New("torture: the call does not end")

// counting is a file system that counts its calls, and stops a log that would
// make them for ever.
type counting struct {
	filelog.FS
	calls uint64 // since the case began
	limit uint64 // of calls
	// failedSyncs counts syncs that failed, of files and of the directory.
	failedSyncs uint64
	// spring is called in front of the call of number trap.
	trap   uint64
	spring func()
	// watch, if set, sees every call in front of it.
	watch func(op disk.Op)
}

func (c *counting) synced(err error) error {
	if err != nil {
		c.failedSyncs++
	}
	return err
}

func (c *counting) count(op disk.Op) {
	c.calls++
	if c.calls > c.limit {
		panic(errHang)
	}
	if c.watch != nil {
		c.watch(op)
	}
	if c.calls == c.trap {
		c.spring()
	}
}

func (c *counting) file(f filelog.File, err error) (filelog.File, error) {
	if err != nil {
		return nil, err
	}
	return &countedFile{f, c}, nil
}

// Create implements [filelog.FS].
func (c *counting) Create(name string) (filelog.File, error) {
	c.count(disk.OpCreate)
	return c.file(c.FS.Create(name))
}

// Open implements [filelog.FS].
func (c *counting) Open(name string) (filelog.File, error) {
	c.count(disk.OpOpen)
	return c.file(c.FS.Open(name))
}

// OpenRead implements [filelog.FS].
func (c *counting) OpenRead(name string) (filelog.File, error) {
	c.count(disk.OpOpen)
	return c.file(c.FS.OpenRead(name))
}

// List implements [filelog.FS].
func (c *counting) List() ([]string, error) {
	c.count(disk.OpList)
	return c.FS.List()
}

// Remove implements [filelog.FS].
func (c *counting) Remove(name string) error {
	c.count(disk.OpRemove)
	return c.FS.Remove(name)
}

// Rename implements [filelog.FS].
func (c *counting) Rename(from, to string) error {
	c.count(disk.OpRename)
	return c.FS.Rename(from, to)
}

// SyncDir implements [filelog.FS].
func (c *counting) SyncDir() error {
	c.count(disk.OpSyncDir)
	return c.synced(c.FS.SyncDir())
}

// Lock implements [filelog.FS].
func (c *counting) Lock() (io.Closer, error) {
	c.count(disk.OpLock)
	return c.FS.Lock()
}

type countedFile struct {
	filelog.File
	c *counting
}

// ReadAt implements [io.ReaderAt].
func (f *countedFile) ReadAt(p []byte, off int64) (int, error) {
	f.c.count(disk.OpRead)
	return f.File.ReadAt(p, off)
}

// WriteAt implements [io.WriterAt].
func (f *countedFile) WriteAt(p []byte, off int64) (int, error) {
	f.c.count(disk.OpWrite)
	return f.File.WriteAt(p, off)
}

// Truncate implements [filelog.File].
func (f *countedFile) Truncate(size int64) error {
	f.c.count(disk.OpTruncate)
	return f.File.Truncate(size)
}

// Sync implements [filelog.File].
func (f *countedFile) Sync() error {
	f.c.count(disk.OpSync)
	return f.c.synced(f.File.Sync())
}
