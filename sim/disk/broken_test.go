package disk_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// brokenFS changes what a mount does. What is nil is as it should be.
type brokenFS struct {
	filelog.FS
	open    func(name string) (filelog.File, error)
	file    func(filelog.File) filelog.File
	syncDir func() error
	lock    func() (io.Closer, error)
}

func (b *brokenFS) Open(name string) (filelog.File, error) {
	if b.open != nil {
		return b.open(name)
	}
	f, err := b.FS.Open(name)
	if err != nil || b.file == nil {
		return f, err
	}
	return b.file(f), nil
}

func (b *brokenFS) SyncDir() error {
	if b.syncDir != nil {
		return b.syncDir()
	}
	return b.FS.SyncDir()
}

func (b *brokenFS) Lock() (io.Closer, error) {
	if b.lock != nil {
		return b.lock()
	}
	return b.FS.Lock()
}

type brokenFile struct {
	filelog.File
	sync  func() error
	write func(p []byte, off int64) (int, error)
}

func (f *brokenFile) Sync() error {
	if f.sync != nil {
		return f.sync()
	}
	return f.File.Sync()
}

func (f *brokenFile) WriteAt(p []byte, off int64) (int, error) {
	if f.write != nil {
		return f.write(p, off)
	}
	return f.File.WriteAt(p, off)
}

// breaking makes a subject of a disk whose mounts are broken.
func breaking(b func(d *disk.Disk, fsys filelog.FS) *brokenFS) func(d *disk.Disk) subject {
	return func(d *disk.Disk) subject {
		s := subjectOf(d)
		s.mount = func() filelog.FS {
			fsys := d.Mount(nil)
			b := b(d, fsys)
			b.FS = fsys
			return b
		}
		return s
	}
}

type nothing struct{}

func (nothing) Close() error { return nil }

var broken = map[string]func(d *disk.Disk) subject{
	"loses what was synced": func(d *disk.Disk) subject {
		s := subjectOf(d)
		s.crash = func(how disk.Loss) {
			d.Crash(how)
			if f, err := d.Mount(nil).Open("a"); err == nil {
				_ = errors.Join(f.Truncate(0), f.Sync())
			}
		}
		return s
	},
	"syncs another file": breaking(func(d *disk.Disk, fsys filelog.FS) *brokenFS {
		return &brokenFS{file: func(f filelog.File) filelog.File {
			return &brokenFile{File: f, sync: func() error {
				g, err := fsys.Open("a")
				if err != nil {
					return f.Sync()
				}
				return g.Sync()
			}}
		}}
	}),
	"loses names that were synced": breaking(func(d *disk.Disk, fsys filelog.FS) *brokenFS {
		return &brokenFS{syncDir: func() error { _, err := fsys.List(); return err }}
	}),
	"lets everybody in": breaking(func(d *disk.Disk, fsys filelog.FS) *brokenFS {
		return &brokenFS{lock: func() (io.Closer, error) { _, err := fsys.List(); return nothing{}, err }}
	}),
	"keeps the lock over a crash": func(d *disk.Disk) subject {
		s := subjectOf(d)
		held := false
		s.mount = func() filelog.FS {
			fsys := d.Mount(nil)
			return &brokenFS{FS: fsys, lock: func() (io.Closer, error) {
				if _, err := fsys.List(); err != nil {
					return nil, err
				}
				if held {
					return nil, filelog.ErrLocked
				}
				held = true
				return closing(func() { held = false }), nil
			}}
		}
		return s
	},
	"lets the dead write": breaking(func(d *disk.Disk, fsys filelog.FS) *brokenFS {
		return &brokenFS{open: func(name string) (filelog.File, error) {
			f, err := fsys.Open(name)
			if err != nil {
				return nil, err
			}
			return &brokenFile{File: f, write: func(p []byte, off int64) (int, error) {
				if g, err := d.Mount(nil).Open(name); err == nil {
					return g.WriteAt(p, off)
				}
				return f.WriteAt(p, off)
			}}, nil
		}}
	}),
	"writes less than it says": breaking(func(*disk.Disk, filelog.FS) *brokenFS {
		return &brokenFS{file: func(f filelog.File) filelog.File {
			return &brokenFile{File: f, write: func(p []byte, off int64) (int, error) {
				n, err := f.WriteAt(p[:len(p)-1], off)
				return min(n+1, len(p)), err
			}}
		}}
	}),
	"keeps what the caller passed": breaking(func(*disk.Disk, filelog.FS) *brokenFS {
		return &brokenFS{file: func(f filelog.File) filelog.File {
			var held []byte
			return &brokenFile{File: f,
				write: func(p []byte, _ int64) (int, error) { held = p; return len(p), nil },
				sync:  func() error { _, err := f.WriteAt(held, 0); return errors.Join(err, f.Sync()) },
			}
		}}
	}),
	"loses what is unsynced when the process dies": func(d *disk.Disk) subject {
		s := subjectOf(d)
		s.kill = func() { d.Crash(disk.LoseAll) }
		return s
	},
	"tears sectors": func(d *disk.Disk) subject {
		s := subjectOf(d)
		s.crash = func(disk.Loss) {
			d.CrashKeeping(func(p disk.Piece) int { return (p.Bytes + 1) / 2 })
		}
		return s
	},
	"makes bytes up": func(d *disk.Disk) subject {
		s := subjectOf(d)
		s.crash = func(how disk.Loss) {
			d.Crash(how)
			d.FlipSome("")
		}
		return s
	},
	"brings removed files back, synced or not": func(d *disk.Disk) subject {
		s := subjectOf(d)
		s.crash = func(how disk.Loss) {
			d.Crash(how)
			if f, err := d.Mount(nil).Create("c"); err == nil {
				_, _ = f.WriteAt([]byte("back"), 0)
			}
		}
		return s
	},
}

type closing func()

func (c closing) Close() error { c(); return nil }

func TestEveryBrokenDiskFailsTheModel(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		t.Run(name, func(t *testing.T) {
			run := func(of func(*disk.Disk) subject) error {
				var found error
				for seed := range 400 {
					found = rapid.Custom(func(t *rapid.T) error {
						x := newMachine(of(disk.New(options(t))))
						for range 40 {
							if err := x.step(t); err != nil {
								return err
							}
							if err := x.m.seen(x.fsys); err != nil {
								return err
							}
						}
						return nil
					}).Example(seed)
					if found != nil {
						return fmt.Errorf("history %d: %w", seed, found)
					}
				}
				return nil
			}
			err := run(broken[name])
			require.Error(t, err)
			t.Log(err)
		})
	}
}
