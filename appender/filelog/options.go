package filelog

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The defaults of [Options].
const (
	// DefaultSegmentBytes is 16 MiB: some 80,000 records of 200 bytes.
	DefaultSegmentBytes = 16 << 20
	// DefaultMaxRecordBytes is 16 MiB.
	DefaultMaxRecordBytes = 16 << 20
	// MinSegmentBytes is the smallest segment that can be asked for.
	MinSegmentBytes = 4 << 10
)

// Options shape a log. The zero value of each field means its default, but FS
// must be set.
type Options struct {
	// FS is where the log lives: [Dir], or a simulated one.
	FS FS
	// Sync says when what was appended is made to survive a power failure.
	// The default is [SyncAlways]: an acknowledgement then means the disk.
	Sync SyncPolicy
	// MaxRecords is how many records the log holds; beyond it the oldest are
	// dropped, exactly. 0 means no limit, below 0 means 1. Lowered, it takes
	// effect with the next record; raised, it brings nothing back.
	MaxRecords int
	// MaxBytes and MaxAge drop whole segments, oldest first, while the
	// segments together are larger, or while the newest record of the oldest
	// is older (by the wall clock of the Env against the records' TimeMs) than
	// this. The segment that is written to is never dropped. 0 means no limit.
	MaxBytes int64
	MaxAge   time.Duration
	// SegmentBytes is where a segment ends and the next begins. A frame larger
	// than that has a segment of its own. Default [DefaultSegmentBytes]; below
	// [MinSegmentBytes] it is raised to it.
	SegmentBytes int64
	// MaxRecordBytes bounds node and message of a record together; a larger
	// one is refused, alone, with [ErrTooLarge]. Default
	// [DefaultMaxRecordBytes].
	MaxRecordBytes int
	// Damage says what opening a log does that is damaged other than by a torn
	// tail. Default [Quarantine].
	Damage DamagePolicy
}

// DamagePolicy says what becomes of a damaged log. Damage is never repaired
// and never hidden: what is lost, is named by a [CorruptError].
type DamagePolicy uint8

const (
	// Quarantine opens the log. The damaged segment is not written any more,
	// and stays until retention drops it; reading yields the CorruptError in
	// the place of the records that are lost, and goes on behind it.
	Quarantine DamagePolicy = iota
	// Refuse makes opening fail with the CorruptError.
	Refuse
)

// withDefaults is o with every zero field resolved.
func (o Options) withDefaults() Options {
	if o.FS == nil {
		panic("filelog: Options.FS is nil: set it to filelog.Dir(path)")
	}
	if o.MaxRecords < 0 {
		o.MaxRecords = 1
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	o.SegmentBytes = max(o.SegmentBytes, MinSegmentBytes)
	if o.MaxRecordBytes <= 0 {
		o.MaxRecordBytes = DefaultMaxRecordBytes
	}
	o.MaxRecordBytes = min(o.MaxRecordBytes, maxPayload/2)
	return o
}

// SyncPolicy says when a log calls fdatasync. The zero value is [SyncAlways].
// Flush and Close sync whatever the policy.
type SyncPolicy struct {
	kind  syncKind
	every uint64
	after time.Duration
}

type syncKind uint8

const (
	syncAlways syncKind = iota
	syncNever
	syncEvery
	syncInterval
)

// SyncAlways syncs before it acknowledges: every record acknowledged survives a
// power failure. Concurrent callers share a sync.
func SyncAlways() SyncPolicy { return SyncPolicy{} }

// SyncNever leaves it to the operating system: what is acknowledged survives
// the death of the process, and is lost with the power. A log that drops what
// Flush or an earlier Close made durable syncs when it begins a new segment: or
// it could not give the room back.
func SyncNever() SyncPolicy { return SyncPolicy{kind: syncNever} }

// SyncEvery syncs with the append by which n records or more are unsynced.
// Below 2 it is [SyncAlways].
func SyncEvery(n int) SyncPolicy {
	if n < 2 {
		return SyncAlways()
	}
	return SyncPolicy{kind: syncEvery, every: uint64(n)}
}

// SyncInterval syncs with the first append that comes d or more after the last
// sync. It starts no timer: what was appended before a log falls idle is synced
// by Flush, which the host calls when it stops. At or below 0 it is
// [SyncAlways].
func SyncInterval(d time.Duration) SyncPolicy {
	if d <= 0 {
		return SyncAlways()
	}
	return SyncPolicy{kind: syncInterval, after: d}
}

// String is what [ParseSync] takes.
func (p SyncPolicy) String() string {
	switch p.kind {
	case syncNever:
		return "never"
	case syncEvery:
		return "every " + strconv.FormatUint(p.every, 10)
	case syncInterval:
		return "interval " + p.after.String()
	}
	return "always"
}

// ParseSync reads "always", "never", "every 64" or "interval 100ms".
func ParseSync(s string) (SyncPolicy, error) {
	word, arg, _ := strings.Cut(strings.TrimSpace(s), " ")
	arg = strings.TrimSpace(arg)
	switch word {
	case "always", "never":
		if arg != "" {
			break
		}
		if word == "never" {
			return SyncNever(), nil
		}
		return SyncAlways(), nil
	case "every":
		if n, err := strconv.ParseUint(arg, 10, 31); err == nil && n > 0 {
			return SyncEvery(int(n)), nil
		}
	case "interval":
		if d, err := time.ParseDuration(arg); err == nil && d > 0 {
			return SyncInterval(d), nil
		}
	}
	return SyncPolicy{}, fmt.Errorf(`filelog: sync policy %q: expected always, never, "every 64" or "interval 100ms"`, s)
}
