package disk

import (
	"errors"
	"time"

	"meshsim/appender/filelog"
)

var (
	// ErrCrashed: the mount is from before a power failure or the death of its
	// process. The call changed nothing.
	ErrCrashed = errors.New("disk: the process that mounted it is dead")
	// ErrInjected: a rule made the call fail.
	ErrInjected = errors.New("disk: input/output error")
	// ErrClosed: the file is closed.
	ErrClosed = errors.New("disk: file is closed")
	// ErrReadOnly: the file was opened to read alone.
	ErrReadOnly = errors.New("disk: file is open to read alone")
)

// DefaultSector is the sector's default size, in bytes: what a disk writes whole
// or not at all, unless Options.Tear says otherwise.
const DefaultSector = 512

// Options shape a disk. The zero value of each field means its default.
type Options struct {
	// Seed is what every draw comes from.
	Seed uint64
	// Sector is the sector's size in bytes. Default [DefaultSector].
	Sector int
	// Tear lets a power failure leave a sector written in part.
	Tear bool
	// Capacity bounds the bytes of all files together. 0 means no limit.
	Capacity int64
	// Latency, if set, is what the n-th call (from 1) of op takes, by the clock
	// of its mount, before it does anything; bytes is how many it reads or
	// writes.
	Latency func(op Op, bytes int, n uint64) time.Duration
}

// Op is a kind of call.
type Op uint8

// The kinds of call, those that change something last.
const (
	OpOpen Op = iota
	OpRead
	OpList
	OpLock
	OpCreate
	OpWrite
	OpTruncate
	OpSync
	OpRemove
	OpRename
	OpSyncDir
	NumOps = int(OpSyncDir) + 1
)

var opNames = [NumOps]string{
	"open", "read", "list", "lock", "create", "write", "truncate", "sync", "remove", "rename", "syncdir",
}

func (o Op) String() string { return opNames[o] }

// Kind is what a rule does to a call.
type Kind uint8

const (
	// Fail makes the call fail with [ErrInjected], having done nothing. Of a
	// sync this is what kernels do since 2018 at the latest (Rebello et al.,
	// USENIX ATC 2020): what was dirty is clean now, and every sector of it is
	// on the disk or lost, by draw; a later sync knows nothing of it. What is
	// lost may still be read from the cache, or not any more, by draw.
	Fail Kind = iota
	// Short makes a write stop within, having written less than all of it, or
	// nothing.
	Short
	// Full makes a write stop within with [filelog.ErrNoSpace], and a creation
	// fail with it.
	Full
	// Flip turns one bit of what a read returns, not of what is stored.
	Flip
	// PowerFailure is a [Disk.Crash] with [Draw] in front of the call, which
	// fails with [ErrCrashed]; of a write or a sync, in the middle of it.
	PowerFailure
	// Death is a [Disk.Kill] in front of the call; of a write, in the middle.
	Death
	NumKinds = int(Death) + 1
)

var kindNames = [NumKinds]string{"fail", "short", "full", "flip", "power-failure", "death"}

func (k Kind) String() string { return kindNames[k] }

// Rule says which calls are struck, and how. Its conditions must hold together.
type Rule struct {
	Op Op
	// Any makes it calls of every kind, whatever Op says.
	Any  bool
	Kind Kind
	// Prefix is how the file's name begins.
	Prefix string
	// After lets that many calls that would be struck pass.
	After uint64
	// Times bounds how many are struck; 0 means no bound.
	Times uint64
	// Prob is the chance of each. 0 means 1.
	Prob float64
}

// Loss says what a power failure does to what was not synced.
type Loss uint8

const (
	// Draw keeps or loses every sector, size and name on its own, by draw.
	Draw Loss = iota
	// LoseAll loses all of it.
	LoseAll
	// KeepAll loses none of it.
	KeepAll
)

// Piece is a part of what was not synced that is kept or lost on its own: a
// sector of a write, a change of a file's size, or of a name.
type Piece struct {
	Index int
	// Name is the file's, at the time.
	Name string
	Op   Op // OpWrite, OpTruncate, OpCreate, OpRemove or OpRename
	// Offset and Bytes are a write's, within one sector. Of a change of size,
	// Offset is the size, and Bytes is 1 as for names: there are no halves.
	Offset int64
	Bytes  int
}

var (
	_ filelog.FS   = (*Mount)(nil)
	_ filelog.File = (*handle)(nil)
)
