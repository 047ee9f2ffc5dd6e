package sim

import (
	"context"
	"fmt"
	"time"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// The built-in appenders.
const (
	appenderNoOp      = "noop"
	appenderBuffering = "buffering"
	appenderFilelog   = "filelog"
)

// recorder stands between the faults and the appender proper, so that what it
// sees stored was stored: the run's ground truth, whatever was answered to the
// host afterwards. The stack under every host is
//
//	host -> Faulty -> recorder -> the built-in appender or the user's
//
// Of an appender that is a log, which can replay what it stored, it also tells
// what that holds when it is opened, and what it says is safe.
//
// It is used as its appender is, one call at a time.
type recorder struct {
	inner   appender.Appender
	log     *logWatch // nil unless inner is a log
	env     appender.Env
	node    *node
	latency Dist   // of the built-in appenders; zero under a user's
	key     uint64 // of the latency's draws
	calls   uint64
	shared  bool // inner outlives the epoch: it is not to be closed
	own     *tenancy
	one     [1]appender.Record
	ev      trace.Event
}

var (
	_ appender.BatchAppender = (*recorder)(nil)
	_ appender.Flusher       = (*recorder)(nil)
)

// Append stores rec and reports it.
func (r *recorder) Append(ctx context.Context, rec appender.Record) error {
	r.one[0] = rec
	_, err := r.store(ctx, r.one[:], false)
	return err
}

// AppendBatch stores recs, or a prefix, and reports what was stored.
func (r *recorder) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	return r.store(ctx, recs, true)
}

// store is a call that the faults have let through.
func (r *recorder) store(ctx context.Context, recs []appender.Record, batch bool) (n int, err error) {
	if !r.own.enter() {
		return 0, appender.ErrClosed
	}
	r.node.tried.Add(uint64(len(recs)))
	there, back := r.trip()
	if err = r.wait(ctx, there); err == nil {
		n, err = r.pass(ctx, recs, batch)
		if late := r.wait(ctx, back); late != nil && n > 0 {
			n, err = 0, fmt.Errorf("%w: stored, but the answer is late: %w", appender.ErrUnknownOutcome, late)
		}
	}
	r.own.leave()
	return n, err
}

// pass hands recs to the appender.
func (r *recorder) pass(ctx context.Context, recs []appender.Record, batch bool) (n int, err error) {
	b, ok := r.inner.(appender.BatchAppender)
	switch {
	case !batch || !ok:
		// One by one, each reported as soon as it is stored: the call may
		// panic or hang in the middle.
		for i := range recs {
			if err := r.appendOne(ctx, recs[i:i+1]); err != nil {
				return i, err
			}
		}
		return len(recs), nil
	case r.log != nil:
		return r.appendLog(ctx, recs, true)
	}
	n, err = b.AppendBatch(ctx, recs)
	for i := range recs[:n] {
		r.report(&recs[i])
	}
	return n, err
}

// appendOne stores the one record of recs.
func (r *recorder) appendOne(ctx context.Context, recs []appender.Record) error {
	if r.log != nil {
		_, err := r.appendLog(ctx, recs, false)
		return err
	}
	if err := r.inner.Append(ctx, recs[0]); err != nil {
		return err
	}
	r.report(&recs[0])
	return nil
}

// trip draws what one call costs when no fault adds to it, a batch being one
// call: before anything is stored, or before the answer comes. So what was stored
// may never be acknowledged, as with any store that is not in the same process.
// Which of the two is drawn, rather than how much of each: a call wakes up once.
func (r *recorder) trip() (there, back time.Duration) {
	r.calls++
	d := draw(r.latency, r.key, purposeLatency, r.calls)
	if chance(r.key, purposeTrip, r.calls, 0.5) {
		return d, 0
	}
	return 0, d
}

func (r *recorder) wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	return r.env.Clock.Sleep(ctx, d)
}

func (r *recorder) report(rec *appender.Record) {
	c := r.node.w.court
	if !c.wants.Has(trace.SinkStored) {
		return
	}
	r.ev = trace.Event{
		Kind: trace.SinkStored, Node: r.node.id, Incarnation: rec.Incarnation,
		Stream: rec.Stream, Seq: rec.Seq, Epoch: r.env.Epoch,
	}
	c.observe(&r.ev)
}

// Flush flushes the appender proper.
func (r *recorder) Flush(ctx context.Context) error {
	err := appender.Flush(ctx, r.inner)
	r.saved(err)
	return err
}

// Close closes it, unless it outlives its epoch.
func (r *recorder) Close() error {
	if r.shared {
		return nil
	}
	if !r.own.leaveForGood() {
		return nil
	}
	err := appender.Close(r.inner)
	r.saved(err)
	return err
}

// opener makes the stack under the node's host, but for the faults around it.
// A buffering appender is one per node, like a store elsewhere: it survives
// epochs and crashes, so that what an abandoned call still stores lands in the
// same place as everything else.
func (n *node) opener() appender.Opener {
	cfg := &n.w.cfg
	key := mix(n.key, rootSinks)
	return func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		r := &recorder{env: env, node: n, key: mix(mix(key, uint64(env.Incarnation)), env.Epoch)}
		var quiet *quietClock
		switch {
		case cfg.Open != nil:
			n.evict(env.Incarnation)
			inner, err := cfg.Open(ctx, env)
			if err != nil {
				return nil, err
			}
			r.inner, r.own = inner, n.tenant(inner, env.Incarnation)
		case cfg.Appender.Kind == appenderNoOp:
			r.inner, r.latency = appender.NoOp{}, cfg.Appender.Latency
		case cfg.Appender.Kind == appenderFilelog:
			quiet = &quietClock{Clock: env.Clock}
			inner, err := n.openFilelog(ctx, env, quiet)
			if err != nil {
				return nil, err
			}
			r.inner, r.latency = inner, cfg.Appender.Latency
		default:
			r.inner, r.latency, r.shared = n.store, cfg.Appender.Latency, true
		}
		r.watch(ctx, quiet)
		return r, nil
	}
}
