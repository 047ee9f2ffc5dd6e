package appender

import (
	"context"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rig is a faulty appender over a Buffering, on a clock that stands still.
type rig struct {
	clock   *ManualClock
	sink    *Buffering
	control *Control
	faulty  *Faulty
}

func newRig(seed uint64, rules ...Rule) rig {
	r := rig{clock: new(ManualClock), sink: new(Buffering), control: NewControl(seed, rules...)}
	r.faulty = NewFaulty(r.sink, Env{Node: "n1", Incarnation: 1, Epoch: 1, Clock: r.clock}, r.control)
	return r
}

// stored is the numbers of what the sink holds.
func (r rig) stored() []uint64 { return seqs(r.sink.Captured()) }

func seqs(recs []Record) []uint64 {
	out := []uint64{}
	for _, rec := range recs {
		out = append(out, rec.Seq)
	}
	return out
}

// chain is n records of one node, numbered from first.
func chain(first uint64, n int) []Record {
	recs := make([]Record, n)
	for i := range recs {
		recs[i] = Record{Seq: first + uint64(i), Node: "n1", Incarnation: 1}
	}
	return recs
}

// goBatch appends recs on another goroutine.
func (r rig) goBatch(ctx context.Context, recs []Record) <-chan appended {
	done := make(chan appended, 1)
	go func() {
		n, err := r.faulty.AppendBatch(ctx, recs)
		done <- appended{n, err}
	}()
	return done
}

type appended struct {
	n   int
	err error
}

// at makes a rule that strikes record number k alone.
func at(kind string, k uint64) Rule { return Rule{Kind: kind, Fault: Fault{From: k, To: k}} }

func TestWithoutRulesFaultyIsTheAppenderInside(t *testing.T) {
	r := newRig(1)
	require.NoError(t, r.faulty.Append(context.Background(), chain(1, 1)[0]))
	n, err := r.faulty.AppendBatch(context.Background(), chain(2, 3))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, []uint64{1, 2, 3, 4}, r.stored())
	for _, kind := range FaultKinds() {
		require.Zero(t, r.control.Struck(kind), kind)
	}
	require.NoError(t, r.faulty.Flush(context.Background()))
	require.NoError(t, r.faulty.Close())
	require.ErrorIs(t, r.faulty.Append(context.Background(), chain(5, 1)[0]), ErrClosed)
}

func TestAnErrorEndsABatchAtItsRecord(t *testing.T) {
	r := newRig(1, at(FaultAppendError, 3))
	n, err := r.faulty.AppendBatch(context.Background(), chain(1, 5))
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, ErrInjected)
	require.NotErrorIs(t, err, ErrUnknownOutcome)
	var ae *AppendError
	require.ErrorAs(t, err, &ae)
	require.Equal(t, AppendError{Sink: "faulty", Node: "n1", Seq: 3, Err: ErrInjected}, *ae)
	require.Equal(t, []uint64{1, 2}, r.stored())
	require.Equal(t, uint64(1), r.control.Struck(FaultAppendError))
}

func TestTheCauseOfAFaultCanBeChosen(t *testing.T) {
	full := errors.New("no space left on device")
	r := newRig(1, Rule{Kind: FaultAppendError, Fault: Fault{Err: full}})
	require.ErrorIs(t, r.faulty.Append(context.Background(), chain(1, 1)[0]), full)
}

func TestAppliedThenErrorStoresAndSaysUnknown(t *testing.T) {
	r := newRig(1, at(FaultAppliedThenError, 3))
	n, err := r.faulty.AppendBatch(context.Background(), chain(1, 5))
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, ErrUnknownOutcome)
	require.ErrorIs(t, err, ErrInjected)
	require.Equal(t, []uint64{1, 2, 3}, r.stored())
	require.Equal(t, uint64(1), r.control.Struck(FaultAppliedThenError))
}

func TestAppliedThenErrorDoesNotStrikeWhatWasNotApplied(t *testing.T) {
	r := newRig(1, at(FaultAppliedThenError, 1))
	require.NoError(t, r.sink.Close())
	err := r.faulty.Append(context.Background(), chain(1, 1)[0])
	require.ErrorIs(t, err, ErrClosed)
	require.NotErrorIs(t, err, ErrUnknownOutcome)
	require.Zero(t, r.control.Struck(FaultAppliedThenError))
}

func TestAPanicLeavesTheRecordsBeforeItStored(t *testing.T) {
	r := newRig(1, at(FaultAppendPanic, 4))
	var pe *PanicError
	func() {
		defer func() { pe = &PanicError{Value: recover()} }()
		_, _ = r.faulty.AppendBatch(context.Background(), chain(1, 6))
	}()
	require.ErrorIs(t, pe, ErrInjected)
	var ae *AppendError
	require.ErrorAs(t, pe, &ae)
	require.Equal(t, uint64(4), ae.Seq)
	require.Equal(t, []uint64{1, 2, 3}, r.stored())
	require.Equal(t, uint64(1), r.control.Struck(FaultAppendPanic))
}

func TestLatencyDelaysACallOnce(t *testing.T) {
	r := newRig(1, Rule{Kind: FaultAppendLatency, Fault: Fault{Latency: 40 * time.Millisecond, From: 2}})
	done := r.goBatch(context.Background(), chain(1, 4))
	r.clock.AwaitSleepers(1)
	require.Equal(t, []uint64{1}, r.stored(), "what comes before the delay is stored before it")
	r.clock.Advance(39 * time.Millisecond)
	require.Empty(t, done)
	r.clock.Advance(time.Millisecond)
	require.Equal(t, appended{4, nil}, <-done)
	require.Equal(t, []uint64{1, 2, 3, 4}, r.stored())
	require.Equal(t, uint64(1), r.control.Struck(FaultAppendLatency))
}

// batchCounter counts the batches that arrive.
type batchCounter struct {
	NoOp
	sizes []int
}

func (b *batchCounter) AppendBatch(_ context.Context, recs []Record) (int, error) {
	b.sizes = append(b.sizes, len(recs))
	return len(recs), nil
}

func TestWhatIsNotStruckStaysABatch(t *testing.T) {
	sink, clock := new(batchCounter), new(ManualClock)
	c := NewControl(1, at(FaultAppendError, 200), Rule{Kind: FaultAppendLatency, Fault: Fault{From: 65}})
	n, err := NewFaulty(sink, Env{Clock: clock}, c).AppendBatch(context.Background(), chain(1, 128))
	require.NoError(t, err)
	require.Equal(t, 128, n)
	require.Equal(t, []int{64, 63}, sink.sizes, "64, the delayed one alone, and the rest")
}

func TestALatencyBeyondTheDeadlineStoresNothing(t *testing.T) {
	r := newRig(1, Rule{Kind: FaultAppendLatency, Fault: Fault{Latency: time.Minute}})
	ctx, cancel := r.clock.WithTimeout(context.Background(), time.Second)
	defer cancel()
	done := r.goBatch(ctx, chain(1, 2))
	r.clock.AwaitSleepers(1)
	r.clock.Advance(time.Second)
	got := <-done
	require.Zero(t, got.n)
	require.ErrorIs(t, got.err, context.DeadlineExceeded)
	require.Empty(t, r.stored())
}

func TestAHangEndsWithItsContext(t *testing.T) {
	r := newRig(1, at(FaultAppendHang, 3))
	ctx, cancel := r.clock.WithTimeout(context.Background(), time.Second)
	defer cancel()
	done := r.goBatch(ctx, chain(1, 5))
	r.clock.AwaitSleepers(1)
	require.Equal(t, 1, r.control.Hanging())
	require.Equal(t, []uint64{1, 2}, r.stored())
	r.clock.Advance(time.Second)
	got := <-done
	require.Equal(t, 2, got.n)
	require.ErrorIs(t, got.err, context.DeadlineExceeded)
	require.Equal(t, []uint64{1, 2}, r.stored())
	require.Zero(t, r.control.Hanging())
	require.Equal(t, uint64(1), r.control.Struck(FaultAppendHang))
}

func TestADeafHangOutlivesItsContextAndLandsWhenReleased(t *testing.T) {
	r := newRig(1, at(FaultAppendDeaf, 3))
	ctx, cancel := r.clock.WithTimeout(context.Background(), time.Second)
	defer cancel()
	done := r.goBatch(ctx, chain(1, 5))
	r.clock.AwaitSleepers(1)
	r.clock.Advance(24 * time.Hour)
	require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
	require.Empty(t, done)
	require.Equal(t, 1, r.control.Hanging())
	r.control.Clear(FaultAppendDeaf)
	require.Empty(t, done, "clearing the fault does not end the hang")
	r.control.Release()
	require.Equal(t, appended{5, nil}, <-done)
	require.Equal(t, []uint64{1, 2, 3, 4, 5}, r.stored(), "a deaf call ignores its context to the end")
	require.Zero(t, r.control.Hanging())
	require.Equal(t, uint64(1), r.control.Struck(FaultAppendDeaf))
	require.Zero(t, r.clock.Timers(), "no timer is left behind")
}

func TestAReleasedHangGoesOn(t *testing.T) {
	r := newRig(1, at(FaultAppendHang, 1))
	done := r.goBatch(context.Background(), chain(1, 2))
	r.clock.AwaitSleepers(1)
	r.control.Release()
	require.Equal(t, appended{2, nil}, <-done)
	require.Equal(t, []uint64{1, 2}, r.stored())
}

func TestAHangWithALatencyEndsByItself(t *testing.T) {
	r := newRig(1, Rule{Kind: FaultAppendDeaf, Fault: Fault{To: 1, Latency: time.Minute}})
	done := r.goBatch(context.Background(), chain(1, 2))
	r.clock.AwaitSleepers(1)
	r.clock.Advance(time.Minute)
	require.Equal(t, appended{2, nil}, <-done)
}

func TestAReleaseBetweenStrikeAndSleepIsNotMissed(t *testing.T) {
	r := newRig(1, at(FaultAppendDeaf, 1))
	r.control.OnStrike(func(string) { r.control.Release() })
	n, err := r.faulty.AppendBatch(context.Background(), chain(1, 2))
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

func TestReleaseWakesEveryHangingCall(t *testing.T) {
	r := newRig(1, Rule{Kind: FaultAppendDeaf})
	var done []<-chan appended
	for i := range 5 {
		done = append(done, r.goBatch(context.Background(), chain(uint64(i+1), 1)))
	}
	r.clock.AwaitSleepers(5)
	require.Equal(t, 5, r.control.Hanging())
	r.control.ClearAll()
	r.control.Release()
	require.Zero(t, r.control.Hanging(), "whoever is released no longer hangs")
	for _, d := range done {
		require.Equal(t, appended{1, nil}, <-d)
	}
	require.ElementsMatch(t, []uint64{1, 2, 3, 4, 5}, r.stored())
	require.Zero(t, r.control.Hanging())
}

func TestACancelledCallIsNeitherStoredNorStruck(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, kind := range FaultKinds() {
		r := newRig(1, Rule{Kind: kind})
		require.ErrorIs(t, r.faulty.Append(ctx, chain(1, 1)[0]), context.Canceled)
		_, err := r.faulty.AppendBatch(ctx, chain(1, 3))
		require.ErrorIs(t, err, context.Canceled)
		_, err = FaultyOpener(openNoOp, r.control)(ctx, Env{Clock: r.clock})
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, r.stored())
		require.Zero(t, r.control.Struck(kind))
	}
}

func openNoOp(context.Context, Env) (Appender, error) { return NoOp{}, nil }

// shortSink breaks the contract: it stores less than all without an error.
type shortSink struct{ NoOp }

func (shortSink) AppendBatch(_ context.Context, recs []Record) (int, error) {
	return len(recs) / 2, nil
}

func TestAnAppenderThatBreaksTheBatchContractDoesNotTrapTheCall(t *testing.T) {
	f := NewFaulty(shortSink{}, Env{Clock: new(ManualClock)}, NewControl(1, at(FaultAppendError, 100)))
	n, err := f.AppendBatch(context.Background(), chain(1, 8))
	require.Equal(t, 4, n)
	require.ErrorIs(t, err, io.ErrShortWrite)
}

func TestOpenFaultsStrikeTheOpeningAlone(t *testing.T) {
	clock := new(ManualClock)
	env := Env{Node: "n1", Incarnation: 1, Epoch: 1, Clock: clock}
	open := func(c *Control, ctx context.Context) <-chan error {
		done := make(chan error, 1)
		go func() {
			defer func() {
				if v := recover(); v != nil {
					done <- &PanicError{Value: v}
				}
			}()
			a, err := FaultyOpener(openNoOp, c)(ctx, env)
			if err == nil {
				err = a.Append(ctx, chain(1, 1)[0])
			}
			done <- err
		}()
		return done
	}
	t.Run("error", func(t *testing.T) {
		c := NewControl(1, Rule{Kind: FaultOpenError})
		require.ErrorIs(t, <-open(c, context.Background()), ErrInjected)
		require.Equal(t, uint64(1), c.Struck(FaultOpenError))
	})
	t.Run("panic", func(t *testing.T) {
		c := NewControl(1, Rule{Kind: FaultOpenPanic})
		var pe *PanicError
		err := <-open(c, context.Background())
		require.ErrorAs(t, err, &pe)
		require.ErrorIs(t, err, ErrInjected)
		require.Equal(t, uint64(1), c.Struck(FaultOpenPanic))
	})
	t.Run("hang", func(t *testing.T) {
		c := NewControl(1, Rule{Kind: FaultOpenHang})
		ctx, cancel := clock.WithTimeout(context.Background(), time.Second)
		defer cancel()
		done := open(c, ctx)
		clock.AwaitSleepers(1)
		clock.Advance(time.Second)
		require.ErrorIs(t, <-done, context.DeadlineExceeded)
		require.Equal(t, uint64(1), c.Struck(FaultOpenHang))
	})
	t.Run("deaf", func(t *testing.T) {
		c := NewControl(1, Rule{Kind: FaultOpenDeaf})
		ctx, cancel := clock.WithTimeout(context.Background(), time.Second)
		defer cancel()
		opened := make(chan Env, 1)
		done := make(chan error, 1)
		go func() {
			_, err := FaultyOpener(func(_ context.Context, env Env) (Appender, error) {
				opened <- env
				return NoOp{}, nil
			}, c)(ctx, env)
			done <- err
		}()
		clock.AwaitSleepers(1)
		clock.Advance(time.Hour)
		require.Empty(t, done)
		c.Release()
		require.NoError(t, <-done)
		require.Equal(t, env, <-opened)
		require.Equal(t, uint64(1), c.Struck(FaultOpenDeaf))
	})
	t.Run("the opener's own error passes", func(t *testing.T) {
		_, err := FaultyOpener(func(context.Context, Env) (Appender, error) { return nil, ErrFull }, new(Control))(context.Background(), env)
		require.ErrorIs(t, err, ErrFull)
	})
}

func TestOpenFaultsAreBoundedByEpoch(t *testing.T) {
	c := NewControl(1, Rule{Kind: FaultOpenError, Fault: Fault{From: 2, To: 3}})
	var failed []uint64
	for epoch := range uint64(5) {
		env := Env{Node: "n1", Incarnation: 1, Epoch: epoch + 1, Clock: new(ManualClock)}
		if _, err := FaultyOpener(openNoOp, c)(context.Background(), env); err != nil {
			failed = append(failed, env.Epoch)
		}
	}
	require.Equal(t, []uint64{2, 3}, failed)
}

func TestAsFindsWhatIsWrapped(t *testing.T) {
	r := newRig(1)
	outer := NewFaulty(r.faulty, r.faulty.env, r.control)
	c, ok := As[Capturer](outer)
	require.True(t, ok)
	require.Same(t, r.sink, c)
	f, ok := As[*Faulty](outer)
	require.True(t, ok)
	require.Same(t, outer, f)
	_, ok = As[Replayer](outer)
	require.False(t, ok)
	_, ok = As[Replayer](nil)
	require.False(t, ok)
}

func TestUnitCoversItsRange(t *testing.T) {
	require.Zero(t, unit(0))
	require.Less(t, unit(math.MaxUint64), 1.0)
}
