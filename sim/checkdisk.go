package sim

import (
	"fmt"
	"strconv"

	"meshsim/appender/filelog"
)

// The bounds of a simulated disk and of what is on it.
const (
	SectorMin      = 16
	SectorMax      = 1 << 16
	DiskMax        = 1 << 40 // bytes
	SegmentMin     = filelog.MinSegmentBytes
	SegmentMax     = 1 << 30
	diskMin        = 1 << 12
	segmentDefault = 64 << 10
	sectorDefault  = 512
)

// syncAlways is the policy under which what a log acknowledges is safe.
const syncAlways = "always"

// logs reports whether nodes have an appender to which a filelog's fields mean
// something: a filelog, or the user's own.
func (c *Config) logs() bool { return c.Appender.Kind == appenderFilelog || c.Open != nil }

// simulatesDisks reports whether nodes have simulated disks.
func (c *Config) simulatesDisks() bool { return c.Appender.Kind == appenderFilelog && c.Open == nil }

func (k *checks) appender(a Appender) {
	k.word("appender.kind", a.Kind, appenderNoOp, appenderBuffering, appenderFilelog)
	k.count("appender.capacity", a.Capacity, 0, QueueMax)
	k.dist("appender.latency", a.Latency)
	if !k.c.logs() {
		k.unused(a.Sync != "", "appender", ".sync", a.Kind)
		k.unused(a.SegmentBytes != 0, "appender", ".segment_bytes", a.Kind)
		return
	}
	if a.Sync != "" {
		if _, err := filelog.ParseSync(a.Sync); err != nil {
			k.that(false, "appender.sync", strconv.Quote(clip(a.Sync)), `"always", "never", "every N" (records) or "interval D" such as "interval 100ms"`)
		}
	}
	if a.SegmentBytes != 0 {
		k.count("appender.segment_bytes", a.SegmentBytes, SegmentMin, SegmentMax)
	}
}

func (k *checks) disk(d Disk) {
	k.dist("disk.read", d.Read)
	k.dist("disk.write", d.Write)
	k.dist("disk.sync", d.Sync)
	if s := d.Sector; s != 0 && (s < SectorMin || s > SectorMax || s&(s-1) != 0) {
		k.that(false, "disk.sector", strconv.Itoa(s), fmt.Sprintf("a power of two from %d to %d", SectorMin, SectorMax))
	}
	if d.Loss != "" {
		k.word("disk.loss", d.Loss, lossDraw, lossAll, lossNone)
	}
	if d.Capacity != 0 {
		k.count("disk.capacity", d.Capacity, diskMin, DiskMax)
	}
	if k.c.Appender.Kind == appenderFilelog || k.err != nil {
		return
	}
	kind := k.c.Appender.Kind
	k.unused(!d.Read.IsZero(), "disk", ".read", kind)
	k.unused(!d.Write.IsZero(), "disk", ".write", kind)
	k.unused(!d.Sync.IsZero(), "disk", ".sync", kind)
	k.unused(d.Sector != 0, "disk", ".sector", kind)
	k.unused(d.Tear, "disk", ".tear", kind)
	k.unused(d.Loss != "", "disk", ".loss", kind)
	k.unused(d.Capacity != 0, "disk", ".capacity", kind)
}

// onDisk checks that there is a disk for a fault of one to strike.
func (k *checks) onDisk(path, kind string) {
	if traits[kind].class == classDisk && k.c.Appender.Kind != appenderFilelog {
		k.that(false, path+".kind", strconv.Quote(kind), "no such fault: it strikes the disk under appender.kind filelog")
	}
}

// slows reports whether a kind of fault makes something slower.
func slows(kind string) bool { return kind == kindSlow || kind == kindDiskSlow }
