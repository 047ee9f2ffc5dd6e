package sim

import (
	"fmt"
	"slices"
	"time"
)

// namesDisk reports whether something is set that only a filelog has.
func (c *Config) namesDisk() bool {
	return c.Disk != Disk{} || c.Appender.Sync != "" || c.Appender.SegmentBytes != 0 ||
		slices.ContainsFunc(c.Faults, func(f Fault) bool { return traits[f.Kind].class == classDisk }) ||
		slices.ContainsFunc(c.Chaos, func(x Chaos) bool { return traits[x.Kind].class == classDisk })
}

// drawDisk draws a filelog and the disk that it is on. Its operations stay far
// below any deadline that a swarm draws, or no log could be opened; disk-slow
// is there for the rest.
func (c *Config) drawDisk(r dice) {
	a, d := &c.Appender, &c.Disk
	if a.Sync == "" {
		a.Sync = pick(r, "policy", syncAlways, syncAlways, "never",
			fmt.Sprintf("every %d", r.logBetween("every", 2, 200)),
			fmt.Sprintf("interval %v", milli(r.span("interval", 5*time.Millisecond, 500*time.Millisecond))))
	}
	orElse(&a.SegmentBytes, r.logBetween("segment", SegmentMin, 128<<10))
	orElse(&d.Write, r.dist("write", 5*time.Microsecond, 300*time.Microsecond))
	orElse(&d.Sync, r.dist("sync", 50*time.Microsecond, 3*time.Millisecond))
	if r.chance("reads cost", 0.3) {
		orElse(&d.Read, r.dist("read", time.Microsecond, 20*time.Microsecond))
	}
	orElse(&d.Sector, 1<<r.between("sector", 5, 12))
	d.Tear = d.Tear || r.chance("tear", 0.3)
	if d.Loss == "" && r.chance("loss", 0.2) {
		d.Loss = lossAll
	}
}
