package appender

import "context"

// Filter passes on the records that a function keeps, and acknowledges the
// others without storing them: who appends them need not know. It counts them.
type Filter struct {
	dropping
	keep func(Record) bool
}

var (
	_ BatchAppender = (*Filter)(nil)
	_ Flusher       = (*Filter)(nil)
	_ Statser       = (*Filter)(nil)
)

// NewFilter keeps the records of which keep is true. keep must depend on the
// record alone.
func NewFilter(inner Appender, keep func(Record) bool) *Filter {
	return &Filter{dropping: dropping{wrapped: wrapped{inner: inner}}, keep: keep}
}

// AtLeast keeps records that are as severe as l or more.
func AtLeast(l Level) func(Record) bool {
	least := l.Severity()
	return func(rec Record) bool { return rec.Level.Severity() >= least }
}

// Append stores rec, or counts it as filtered.
func (f *Filter) Append(ctx context.Context, rec Record) error {
	if !f.keep(rec) {
		return f.left(ctx)
	}
	return f.answeredOne(f.inner.Append(ctx, rec))
}

// AppendBatch stores what is kept of recs, in one call of the appender inside.
func (f *Filter) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	return f.batch(ctx, recs, f.keep)
}

// Filtered counts the records that were not kept.
func (f *Filter) Filtered() uint64 { return f.dropped.Load() }
