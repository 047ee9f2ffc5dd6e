package appender

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// plain is an appender without any optional interface, which fails at one
// record.
type plain struct {
	got  []uint64
	fail uint64
}

func (p *plain) Append(_ context.Context, rec Record) error {
	if rec.Seq == p.fail {
		return ErrFull
	}
	p.got = append(p.got, rec.Seq)
	return nil
}

// flushing counts its flushes and closings.
type flushing struct {
	plain
	flushed, closed int
}

func (f *flushing) Flush(context.Context) error { f.flushed++; return ErrFull }
func (f *flushing) Close() error                { f.closed++; return ErrClosed }

func TestBatchesOfAPlainAppenderAreAppendedOneByOne(t *testing.T) {
	p := &plain{fail: 4}
	n, err := AppendBatch(context.Background(), p, chain(1, 6))
	require.Equal(t, 3, n)
	require.ErrorIs(t, err, ErrFull)
	require.Equal(t, []uint64{1, 2, 3}, p.got)

	p = &plain{}
	n, err = AppendBatch(context.Background(), p, chain(1, 6))
	require.NoError(t, err)
	require.Equal(t, 6, n)
}

func TestFlushAndCloseReachWhoeverHasThem(t *testing.T) {
	require.NoError(t, Flush(context.Background(), &plain{}))
	require.NoError(t, Close(&plain{}))
	f := &flushing{}
	faulty := NewFaulty(f, Env{Clock: new(ManualClock)}, new(Control))
	require.ErrorIs(t, Flush(context.Background(), faulty), ErrFull)
	require.ErrorIs(t, Close(faulty), ErrClosed)
	require.Equal(t, 1, f.flushed)
	require.Equal(t, 1, f.closed)
}
