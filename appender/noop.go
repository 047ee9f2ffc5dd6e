package appender

import "context"

// NoOp accepts every record and keeps none: the default appender. Its zero
// value is ready, costs no memory and is safe for concurrent use. Like every
// appender it refuses when ctx has ended before the call.
type NoOp struct{}

var (
	_ Appender      = NoOp{}
	_ BatchAppender = NoOp{}
)

// Append returns ctx's error, if it has one.
func (NoOp) Append(ctx context.Context, _ Record) error { return ctx.Err() }

// AppendBatch accepts all of recs, or none if ctx has ended.
func (NoOp) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return len(recs), nil
}
