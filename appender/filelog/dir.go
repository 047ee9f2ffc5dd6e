package filelog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"
)

// lockName is the file that keeps a second opener out.
const lockName = "lock"

// Dir is a directory of the operating system as an [FS]. It is made, with its
// parents, if it is not there, for its owner alone (0700). Its name is durable
// when Dir returns: the log in it is no safer than that.
func Dir(path string) (FS, error) {
	fail := func(err error) (FS, error) {
		return nil, fmt.Errorf("filelog: making directory %s: %w", path, err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return fail(err)
	}
	// Those that were there are synced up to the first parent: whoever made them
	// may have died before.
	var parents []string
	for child := abs; ; {
		parent := filepath.Dir(child)
		if parent == child {
			break
		}
		_, err := os.Stat(child)
		if err == nil && len(parents) > 0 {
			break
		}
		parents = append(parents, parent)
		if err == nil {
			break
		}
		child = parent
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return fail(err)
	}
	for _, parent := range parents {
		// A parent that may be passed through but not read cannot be synced.
		if err := dir(parent).SyncDir(); err != nil && !errors.Is(err, os.ErrPermission) {
			return fail(err)
		}
	}
	return dir(path), nil
}

// ExistingDir is [Dir] of a directory that must be there.
func ExistingDir(path string) (FS, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("filelog: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("filelog: %s is not a directory", path)
	}
	return dir(path), nil
}

// NodeDir is the directory of a node's log in dir. A name that is no file name
// is escaped as in a URL's path.
func NodeDir(parent, node string) (FS, error) {
	return Dir(filepath.Join(parent, escape(node)))
}

// escape makes any name a file name: bytes that are not letters, digits, '-' or
// '_', and a '.' in front, become %XX.
func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if b.Len() == 0 {
		return "%"
	}
	return b.String()
}

type dir string

func (d dir) Path(name string) string { return filepath.Join(string(d), name) }

func (d dir) Create(name string) (File, error) {
	return d.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func (d dir) Open(name string) (File, error) { return d.open(name, os.O_RDWR) }

func (d dir) OpenRead(name string) (File, error) { return d.open(name, os.O_RDONLY) }

func (d dir) open(name string, flag int) (File, error) {
	f, err := os.OpenFile(d.Path(name), flag, 0o600)
	if err != nil {
		return nil, full(err)
	}
	return &file{f}, nil
}

func (d dir) List() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func (d dir) Remove(name string) error { return os.Remove(d.Path(name)) }

func (d dir) Rename(from, to string) error {
	if _, err := os.Lstat(d.Path(to)); err == nil {
		return &os.LinkError{Op: "rename", Old: d.Path(from), New: d.Path(to), Err: os.ErrExist}
	}
	return os.Rename(d.Path(from), d.Path(to))
}

func (d dir) SyncDir() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(syncDir(f), f.Close())
}

// Lock takes a lock that the kernel lets go of when the process dies. It belongs
// to the open file, so a second opener in this process is kept out as well.
func (d dir) Lock() (io.Closer, error) {
	lock := flock.New(d.Path(lockName), flock.SetPermissions(0o600))
	switch taken, err := lock.TryLock(); {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("locking %s: %w", lock.Path(), err), lock.Close())
	case !taken:
		return nil, errors.Join(fmt.Errorf("locking %s: %w", lock.Path(), ErrLocked), lock.Close())
	}
	return lock, nil
}

type file struct{ *os.File }

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	return n, full(err)
}

func (f *file) Sync() error { return full(datasync(f.File)) }

func (f *file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// full makes errors that tell of a full disk findable by ErrNoSpace.
func full(err error) error {
	if err != nil && noSpace(err) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}
