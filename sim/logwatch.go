package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/trace"
)

// logWatch is what a recorder knows of an appender that is a log.
type logWatch struct {
	replayer appender.Replayer
	position appender.Positioner // nil if it has none
	opening  uint32              // its number at the node
	end      uint64              // where the log is said to end
	synced   uint64              // up to where it was told to be safe
	promised bool                // what is acknowledged is to be safe, whatever the log says
}

// What a log may say that it misses.
const (
	damaged  = "damage"
	tornTail = "a torn tail"
)

// quietClock is the clock of a simulated disk. While it is quiet nothing takes
// time: what the recorder reads to tell of it is no part of the run.
type quietClock struct {
	appender.Clock
	quiet bool
}

// Sleep implements appender.Clock.
func (c *quietClock) Sleep(ctx context.Context, d time.Duration) error {
	if c.quiet {
		return ctx.Err()
	}
	return c.Clock.Sleep(ctx, d)
}

// watch looks whether the appender that was opened is a log, and if so tells
// what it holds. Only what the appender itself offers counts: a wrapper may
// acknowledge what it does not pass on. It replays whether or not anybody
// listens, so that those who do change nothing.
func (r *recorder) watch(ctx context.Context, quiet *quietClock) {
	replayer, ok := r.inner.(appender.Replayer)
	if !ok {
		return
	}
	cfg := &r.node.w.cfg
	l := &logWatch{replayer: replayer, opening: uint32(r.node.opens.Load()), promised: cfg.Appender.Sync == syncAlways}
	l.position, _ = r.inner.(appender.Positioner)
	r.log = l
	if quiet != nil {
		quiet.quiet = true
		defer func() { quiet.quiet = false }()
	}
	durable := uint64(0)
	if l.position != nil {
		l.end, durable = l.position.Position()
	}
	e := r.event(trace.ReplayStarted)
	e.Attempt, e.Count, e.Cap = l.opening, l.end, uint64(cfg.Appender.Capacity)
	r.tell(e)
	n, err := r.replay(ctx)
	e = r.event(trace.ReplayEnded)
	e.Attempt, e.Count, e.Err = l.opening, n, err
	r.tell(e)
	if l.position == nil {
		l.end = n
	}
	r.safe(durable)
}

// replay tells what the log holds of this run, and what it says that it lost.
func (r *recorder) replay(ctx context.Context) (n uint64, err error) {
	first := r.node.w.cfg.Incarnation
	for rec, err := range r.log.replayer.Replay(ctx, appender.Cursor{Incarnation: first}, false) {
		switch {
		case err != nil:
			var bad *filelog.CorruptError
			if !errors.As(err, &bad) {
				return n, err
			}
			r.missing(damaged, bad.Records, err)
		case rec.Incarnation >= first:
			n++
			e := r.event(trace.SinkReplayed)
			e.Attempt = r.log.opening
			r.tellOf(e, &rec)
		}
	}
	if l, ok := r.inner.(*filelog.Log); ok {
		if found := l.Recovery(); found.Torn > 0 {
			r.missing(tornTail, 0, fmt.Errorf("%d bytes of %s from offset %d on were cut off", found.Torn, found.TornPath, found.TornOffset))
		}
	}
	return n, nil
}

func (r *recorder) missing(what string, records uint64, err error) {
	e := r.event(trace.SinkDamaged)
	e.Attempt, e.Name, e.Count, e.Err = r.log.opening, what, records, err
	r.tell(e)
}

// appendLog hands recs to the log in one call, and tells how it goes.
func (r *recorder) appendLog(ctx context.Context, recs []appender.Record, batch bool) (n int, err error) {
	l := r.log
	end := l.end
	if l.position != nil {
		end, _ = l.position.Position()
	}
	for i := range recs {
		r.tellOf(r.event(trace.SinkTried), &recs[i])
	}
	if batch {
		n, err = r.inner.(appender.BatchAppender).AppendBatch(ctx, recs)
	} else if err = r.inner.Append(ctx, recs[0]); err == nil {
		n = 1
	}
	had := 0 // of those it acknowledges, so many had been there before: see SinkStored
	if l.position != nil {
		if now, _ := l.position.Position(); now < end+uint64(n) {
			had = n - int(now-min(end, now))
		}
	}
	for i := range recs[:n] {
		e := r.event(trace.SinkStored)
		if i >= had {
			end++
		}
		e.Count = end
		r.tellOf(e, &recs[i])
	}
	l.end = end
	if n < len(recs) {
		r.refused(ctx, recs[n:], err)
	}
	durable := uint64(0)
	if l.position != nil {
		_, durable = l.position.Position()
	}
	if l.promised && n > 0 {
		durable = max(durable, end)
	}
	r.safe(durable)
	return n, err
}

// refused tells of the records that the log did not acknowledge. An unknown
// outcome leaves them all open: a batch is often stored as one. Another error
// concerns the first, and the others were not stored; a call that comes back
// too late has said nothing of the first for certain, as its host takes it.
func (r *recorder) refused(ctx context.Context, recs []appender.Record, err error) {
	if err == nil {
		err = io.ErrShortWrite
	}
	for i := range recs {
		e := r.event(trace.SinkRefused)
		e.Err, e.Result = err, trace.ResultError
		switch {
		case errors.Is(err, appender.ErrUnknownOutcome):
			e.Result = trace.ResultUnknown
		case i == 0 && ctx.Err() != nil:
			e.Result = trace.ResultDeadline
		}
		r.tellOf(e, &recs[i])
	}
}

// saved tells what flushing or closing has made of a log.
func (r *recorder) saved(err error) {
	if r.log == nil {
		return
	}
	if err != nil {
		e := r.event(trace.SinkRefused)
		e.Result, e.Err = trace.ResultUnknown, err
		r.tell(e)
	}
	if r.log.position != nil {
		_, durable := r.log.position.Position()
		r.safe(durable)
	}
}

// safe tells up to where the log survives a power failure, if it is news.
func (r *recorder) safe(position uint64) {
	if position <= r.log.synced {
		return
	}
	r.log.synced = position
	e := r.event(trace.SinkSynced)
	e.Count = position
	r.tell(e)
}

// event is a fresh event of the opening.
func (r *recorder) event(k trace.Kind) *trace.Event {
	r.ev = trace.Event{Kind: k, Node: r.node.id, Incarnation: r.env.Incarnation, Epoch: r.env.Epoch}
	return &r.ev
}

func (r *recorder) tell(e *trace.Event) {
	if c := r.node.w.court; c.wants.Has(e.Kind) {
		c.observe(e)
	}
}

// tellOf tells of a record.
func (r *recorder) tellOf(e *trace.Event, rec *appender.Record) {
	if c := r.node.w.court; c.wants.Has(e.Kind) {
		e.Incarnation, e.Stream, e.Seq, e.Hash = rec.Incarnation, rec.Stream, rec.Seq, hashOf(rec)
		c.observe(e)
	}
}

// hashOf is a hash of everything in a record, never 0.
func hashOf(rec *appender.Record) uint64 {
	small := uint64(rec.Incarnation)<<24 | uint64(rec.Level)<<16 | uint64(rec.Stream)<<8 | uint64(rec.Flags)
	h := mix(mix(mix(mix(rec.Seq, rec.TimeMs), rec.Daemon), small), textHash(rec.Node))
	return max(mix(h, textHash(rec.Message)), 1)
}

// textHash is FNV-1a.
func textHash(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}
