package filelog

import (
	"errors"
	"fmt"
)

var (
	// ErrTooLarge: the record is beyond Options.MaxRecordBytes. It is not
	// stored.
	ErrTooLarge = errors.New("filelog: record too large")
	// ErrSync: the file system failed to make records durable. What a call
	// that fails with it was to store is unknown; what was acknowledged
	// earlier is carried over to a new segment.
	ErrSync = errors.New("filelog: sync failed")
)

// CorruptError says that records that a log held are damaged or gone, and
// where. Nothing of what it names is ever returned.
type CorruptError struct {
	Path   string // the file
	Offset int64  // where in it the damage begins
	// First and Records are the position (see appender.Positioner) of the
	// first record lost, from 0, and how many are lost. Records is 0 if that
	// cannot be told.
	First, Records uint64
	// Seq is the sequence number of the last record in front of the damage, 0
	// if there is none.
	Seq    uint64
	Reason string
}

func (e *CorruptError) Error() string {
	n := "some records"
	switch {
	case e.Records == 1:
		n = "1 record"
	case e.Records > 1:
		n = fmt.Sprintf("%d records", e.Records)
	}
	return fmt.Sprintf("filelog: %s: damaged at offset %d, after seq %d: %s lost: %s", e.Path, e.Offset, e.Seq, n, e.Reason)
}
