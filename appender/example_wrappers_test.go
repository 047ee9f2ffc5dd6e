package appender_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"meshsim/appender"
)

// failing is an appender that fails so many times, then is well.
type failing struct {
	*appender.Buffering
	times int
}

func newFailing(times int) *failing { return &failing{appender.NewBuffering(100), times} }

func (f *failing) Append(ctx context.Context, rec appender.Record) error {
	if f.times > 0 {
		f.times--
		return errors.New("disk full")
	}
	return f.Buffering.Append(ctx, rec)
}

// AppendBatch hides that of Buffering.
func (f *failing) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	for i := range recs {
		if err := f.Append(ctx, recs[i]); err != nil {
			return i, err
		}
	}
	return len(recs), nil
}

// instant is a clock on which no sleep takes real time.
type instant struct{ appender.ManualClock }

func (c *instant) Sleep(ctx context.Context, d time.Duration) error {
	c.Advance(d)
	return ctx.Err()
}

var background = context.Background()

func ExampleTee() {
	disk, memory := newFailing(1), appender.NewBuffering(100)
	tee := appender.NewTee(disk, memory)
	rec := appender.Record{Node: "n1", Incarnation: 1, Seq: 1}
	fmt.Println(tee.Append(background, rec))
	fmt.Println(tee.Append(background, rec)) // to the one that lacks it
	fmt.Println(len(disk.Captured()), len(memory.Captured()))
	// Output:
	// appender: outcome unknown: stored by some: tee: sink 1: disk full
	// <nil>
	// 1 1
}

func ExampleRetry() {
	inner := newFailing(2)
	clock := new(instant)
	r := appender.NewRetry(inner, appender.Env{Seed: 1, Clock: clock}, appender.RetryOptions{Attempts: 3})
	n, err := r.AppendBatch(background, []appender.Record{{Seq: 1}, {Seq: 2}})
	fmt.Println(n, err, r.Stats().Retried, clock.Now() <= 150*time.Millisecond)
	// Output: 2 <nil> 2 true
}

func ExampleBreaker() {
	clock := new(appender.ManualClock)
	b := appender.NewBreaker(newFailing(2), appender.Env{Clock: clock}, appender.BreakerOptions{Failures: 2, Probe: time.Second})
	for range 3 {
		fmt.Println(b.Append(background, appender.Record{}), b.State())
	}
	clock.Advance(time.Second)
	fmt.Println(b.Append(background, appender.Record{}), b.State())
	// Output:
	// disk full closed
	// disk full open
	// appender: circuit open open
	// <nil> closed
}

func ExampleFilter() {
	inner := appender.NewBuffering(100)
	f := appender.NewFilter(inner, appender.AtLeast(appender.Warn))
	_, _ = f.AppendBatch(background, []appender.Record{{Seq: 1}, {Seq: 2, Level: appender.Error}, {Seq: 3}})
	fmt.Println(inner.Captured()[0].Seq, f.Filtered())
	// Output: 2 2
}

func ExampleSample() {
	inner := appender.NewBuffering(100)
	s := appender.NewSample(inner, appender.Env{Seed: 7}, appender.SampleOptions{OneIn: 10, Always: appender.AtLeast(appender.Error)})
	for seq := range uint64(100) {
		_ = s.Append(background, appender.Record{Seq: seq + 1})
	}
	_ = s.Append(background, appender.Record{Seq: 101, Level: appender.Error})
	held := inner.Captured()
	fmt.Println(held[len(held)-1].Seq, uint64(len(held))+s.Sampled())
	// Output: 101 101
}

func ExampleLimit() {
	clock := new(appender.ManualClock)
	inner := appender.NewBuffering(100)
	l := appender.NewLimit(inner, appender.Env{Clock: clock}, appender.LimitOptions{Rate: 1, Burst: 3})
	for seq := range uint64(10) {
		_ = l.Append(background, appender.Record{Seq: seq + 1})
	}
	clock.Advance(2 * time.Second)
	_ = l.Append(background, appender.Record{Seq: 11})
	for _, rec := range inner.Captured() {
		fmt.Print(rec.Seq, " ")
	}
	fmt.Println("limited", l.Limited())
	// Output: 1 2 3 11 limited 7
}

type panicking struct{}

func (panicking) Append(context.Context, appender.Record) error { panic("index out of range") }

func ExampleGuard() {
	g := appender.NewGuard(panicking{})
	err := g.Append(background, appender.Record{Node: "n1", Seq: 4})
	var p *appender.PanicError
	fmt.Println(err)
	fmt.Println(errors.As(err, &p), errors.Is(err, appender.ErrUnknownOutcome), g.Panics())
	// Output:
	// guard: append n1#4: appender: outcome unknown: appender: panic: index out of range
	// true true 1
}

// The usual order: panics become errors inside, a circuit in front of that, and
// retries around it.
func ExampleWrap() {
	open := func(context.Context, appender.Env) (appender.Appender, error) { return newFailing(1), nil }
	open = appender.Wrap(open, func(a appender.Appender, env appender.Env) appender.Appender {
		a = appender.NewBreaker(appender.NewGuard(a), env, appender.BreakerOptions{})
		return appender.NewRetry(a, env, appender.RetryOptions{})
	})
	a, err := open(background, appender.Env{Node: "n1", Clock: new(instant)})
	fmt.Println(err, a.Append(background, appender.Record{Seq: 1}))
	// Output: <nil> <nil>
}

func ExampleSlogHandler() {
	sink := appender.NewBuffering(100)
	log := slog.New(appender.NewSlogHandler(sink, appender.Env{Node: "n1", Incarnation: 1}, nil))
	log.With("daemon", 7).WithGroup("http").Warn("slow answer", "path", "/a b", "ms", 950)
	rec := sink.Captured()[0]
	fmt.Println(rec.Node, rec.Seq, rec.Level, rec.Message)
	// Output: n1 1 warn slow answer daemon=7 http.path="/a b" http.ms=950
}

func ExampleParseSlog() {
	message, attrs, err := appender.ParseSlog(`slow answer daemon=7 http.path="/a b"`)
	fmt.Println(message, attrs, err)
	// Output: slow answer [daemon=7 http.path=/a b] <nil>
}

func ExampleSlog() {
	a := appender.NewSlog(slog.NewTextHandler(os.Stdout, nil))
	_ = a.Append(background, appender.Record{Node: "n1", Incarnation: 2, Seq: 5, Level: appender.Error, Message: "went off", Daemon: 7})
	// Output: level=ERROR msg="went off" node=n1 incarnation=2 seq=5 daemon=7
}
