package sim

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// nodeDisk is the simulated disk of a node, the same for all its incarnations,
// and what spoils it.
type nodeDisk struct {
	*disk.Disk
	cfg    *Disk
	key    uint64 // of the latencies' draws
	drag   atomic.Pointer[float64]
	drags  []float64 // factors of the slows in force
	failed [2]atomic.Uint64
}

// What failed counts: errors that were injected into writes, and into syncs.
const (
	failedWrites = iota
	failedSyncs
)

// How a power failure treats what was not synced: see [Disk.Loss].
const (
	lossDraw = "draw"
	lossAll  = "all"
	lossNone = "none"
)

// sinkDisk makes the key of a node's disk another than that of its sinks.
const sinkDisk = 0xd15c

func newNodeDisk(cfg *Disk, key uint64) *nodeDisk {
	d := &nodeDisk{cfg: cfg, key: key}
	d.Disk = disk.New(disk.Options{
		Seed: key, Sector: cfg.Sector, Tear: cfg.Tear, Capacity: int64(cfg.Capacity), Latency: d.latency,
	})
	return d
}

// latency is what the num-th operation of a kind costs.
func (d *nodeDisk) latency(op disk.Op, _ int, num uint64) time.Duration {
	var of Dist
	switch op {
	case disk.OpOpen, disk.OpRead, disk.OpList:
		of = d.cfg.Read
	case disk.OpSync, disk.OpSyncDir:
		of = d.cfg.Sync
	case disk.OpLock:
		return 0
	default:
		of = d.cfg.Write
	}
	t := draw(of, mix(d.key, uint64(op)), purposeLatency, num)
	if f := d.drag.Load(); f != nil {
		t = bounded(float64(t) * *f)
	}
	return t
}

// fail is a power failure.
func (d *nodeDisk) fail() {
	switch d.cfg.Loss {
	case lossAll:
		d.Crash(disk.LoseAll)
	case lossNone:
		d.Crash(disk.KeepAll)
	default:
		d.Crash(disk.Draw)
	}
}

// strike begins a fault of the disk. undo ends it; struck is false if there was
// nothing to strike.
func (d *nodeDisk) strike(f *Fault) (undo func(), struck bool) {
	inject := func(rules ...disk.Rule) func() {
		var removes []func()
		for _, r := range rules {
			r.Prob = f.Prob
			removes = append(removes, d.Inject(r))
		}
		return func() {
			for _, remove := range removes {
				remove()
			}
		}
	}
	switch f.Kind {
	case kindDiskFull:
		return inject(disk.Rule{Op: disk.OpWrite, Kind: disk.Full}, disk.Rule{Op: disk.OpCreate, Kind: disk.Full}), true
	case kindDiskError:
		return inject(disk.Rule{Op: disk.OpWrite, Kind: disk.Fail}), true
	case kindDiskShort:
		return inject(disk.Rule{Op: disk.OpWrite, Kind: disk.Short}), true
	case kindDiskSyncError:
		return inject(disk.Rule{Op: disk.OpSync, Kind: disk.Fail}), true
	case kindDiskSlow:
		d.drags = append(d.drags, f.Factor)
		d.slow()
		return func() {
			d.drags = without(d.drags, f.Factor)
			d.slow()
		}, true
	case kindDiskFlip:
		_, _, struck = d.FlipSome("")
	}
	return func() {}, struck
}

// slow puts the largest of the slows into force.
func (d *nodeDisk) slow() {
	if len(d.drags) == 0 {
		d.drag.Store(nil)
		return
	}
	f := 1.0
	for _, x := range d.drags {
		f = max(f, x)
	}
	d.drag.Store(&f)
}

// struck counts the operations that faults of a kind have spoilt, and occasions
// those that they might have.
func (d *nodeDisk) struck(kind string) (struck, occasions uint64) {
	writes := d.Calls(disk.OpWrite)
	switch kind {
	case kindDiskFull:
		return d.Struck(disk.Full), writes + d.Calls(disk.OpCreate)
	case kindDiskError:
		return d.failed[failedWrites].Load(), writes
	case kindDiskShort:
		return d.Struck(disk.Short), writes
	case kindDiskSyncError:
		return d.failed[failedSyncs].Load(), d.Calls(disk.OpSync)
	case kindDiskSlow:
		n := writes + d.Calls(disk.OpSync)
		return n, n
	}
	return 0, 0
}

// openFilelog opens the node's log on its disk, mounted anew: a crash makes
// mounts from before dead.
func (n *node) openFilelog(ctx context.Context, env appender.Env, clock appender.Clock) (appender.Appender, error) {
	a := &n.w.cfg.Appender
	policy, err := filelog.ParseSync(a.Sync)
	if err != nil {
		panic(fmt.Sprintf("sim: a resolved configuration with the sync policy %q", a.Sync))
	}
	l, err := filelog.Open(ctx, filelog.Options{
		FS: &countedFS{FS: n.disk.Mount(clock), d: n.disk}, MaxRecords: a.Capacity, SegmentBytes: int64(a.SegmentBytes), Sync: policy,
	}, env)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// countedFS tells injected errors of writes from those of syncs.
type countedFS struct {
	filelog.FS
	d *nodeDisk
}

// Create implements filelog.FS.
func (c *countedFS) Create(name string) (filelog.File, error) { return c.counted(c.FS.Create(name)) }

// Open implements filelog.FS.
func (c *countedFS) Open(name string) (filelog.File, error) { return c.counted(c.FS.Open(name)) }

func (c *countedFS) counted(f filelog.File, err error) (filelog.File, error) {
	if err != nil {
		return nil, err
	}
	return &countedFile{File: f, d: c.d}, nil
}

type countedFile struct {
	filelog.File
	d *nodeDisk
}

// WriteAt implements filelog.File.
func (f *countedFile) WriteAt(p []byte, off int64) (int, error) {
	short := f.d.Struck(disk.Short)
	n, err := f.File.WriteAt(p, off)
	if errors.Is(err, disk.ErrInjected) && f.d.Struck(disk.Short) == short {
		f.d.failed[failedWrites].Add(1)
	}
	return n, err
}

// Sync implements filelog.File.
func (f *countedFile) Sync() error {
	err := f.File.Sync()
	if errors.Is(err, disk.ErrInjected) {
		f.d.failed[failedSyncs].Add(1)
	}
	return err
}
