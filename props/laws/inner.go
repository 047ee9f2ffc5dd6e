package laws

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"meshsim/appender"
)

// errInner is what the appender inside a wrapper fails with.
var errInner = errors.New("the appender inside fails")

// mood is what the appender inside does with a call.
type mood uint8

const (
	fine mood = iota
	failing
	unknown // stores, and answers that it does not know
	hanging // until its context ends
	panicking
)

// inner is the appender that a wrapper is put around: it stores in memory, and
// is in the moods that a law wants.
type inner struct {
	mu       sync.Mutex
	sink     []appender.Record
	moods    []mood // of the calls to come
	then     mood   // of all after them
	partial  int    // a call that fails stores so many of its batch
	calls    int
	closed   int
	flushed  int
	env      *clock
	onCall   func()
	cause    error // what it fails with, instead of errInner
	panicked atomic.Bool
}

func (i *inner) fails() error {
	if i.cause != nil {
		return i.cause
	}
	return errInner
}

func (i *inner) held() []appender.Record {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]appender.Record(nil), i.sink...)
}

func (i *inner) Append(ctx context.Context, rec appender.Record) error {
	_, err := i.AppendBatch(ctx, []appender.Record{rec})
	return err
}

func (i *inner) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	i.mu.Lock()
	if i.closed > 0 {
		i.mu.Unlock()
		return 0, appender.ErrClosed
	}
	i.calls++
	if i.onCall != nil {
		i.onCall()
	}
	m := i.then
	if len(i.moods) > 0 {
		m, i.moods = i.moods[0], i.moods[1:]
	}
	n := len(recs)
	if m == failing || m == panicking || m == hanging {
		n = min(i.partial, len(recs)-1)
	}
	i.sink = append(i.sink, recs[:max(n, 0)]...)
	i.mu.Unlock()
	n = max(n, 0)
	if n == len(recs) && m != unknown {
		return n, nil
	}
	rec := &recs[min(n, len(recs)-1)]
	err := i.fails()
	switch m {
	case unknown:
		n, err = 0, errors.Join(appender.ErrUnknownOutcome, i.fails())
		rec = &recs[0]
	case hanging:
		_ = i.env.Sleep(ctx, -1)
		err = errors.Join(ctx.Err(), i.fails())
	case panicking:
		i.panicked.Store(true)
		panic(i.fails())
	}
	return n, &appender.AppendError{Sink: "inner", Node: rec.Node, Seq: rec.Seq, Err: err}
}

func (i *inner) Flush(context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.flushed++
	return nil
}

func (i *inner) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed++
	return nil
}
