package appender_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshsim/appender"
)

func ExampleRing() {
	r := appender.NewRing[string](2)
	for _, s := range []string{"a", "b", "c"} {
		if old, dropped := r.Push(s); dropped {
			fmt.Println("dropped", old)
		}
	}
	for i, s := range r.All() {
		fmt.Println(i, s)
	}
	fmt.Println(r.Len(), r.Cap(), r.Dropped())
	// Output:
	// dropped a
	// 0 b
	// 1 c
	// 2 2 1
}

// An entry is found by its number and flagged in place, as a loop flags what
// its appender acknowledged.
func ExampleRing_Ptr() {
	type entry struct {
		seq     uint64
		pending bool
	}
	r := appender.NewRing[entry](3)
	for seq := uint64(1); seq <= 5; seq++ {
		r.Push(entry{seq, true})
	}
	oldest, _ := r.Front()
	r.Ptr(int(4 - oldest.seq)).pending = false
	fmt.Println(r.AppendTo(nil))
	// Output: [{3 true} {4 false} {5 true}]
}

// A queue is drained in batches into a slice that is used again.
func ExampleRing_PopInto() {
	r := appender.NewRing[int](10)
	for i := range 5 {
		r.Push(i)
	}
	batch := make([]int, 3)
	for n := r.PopInto(batch); n > 0; n = r.PopInto(batch) {
		fmt.Println(batch[:n])
	}
	// Output:
	// [0 1 2]
	// [3 4]
}

func ExampleBuffering() {
	b := appender.NewBuffering(2)
	for seq := uint64(1); seq <= 3; seq++ {
		rec := appender.Record{Seq: seq, Node: "n1", Incarnation: 1, Message: "tick"}
		if err := b.Append(context.Background(), rec); err != nil {
			fmt.Println(err)
		}
	}
	for _, rec := range b.Captured() {
		fmt.Println(rec)
	}
	fmt.Println("dropped", b.Dropped())
	// Output:
	// n1@1#2 t=0 info "tick"
	// n1@1#3 t=0 info "tick"
	// dropped 1
}

func ExampleNoOp() {
	fmt.Println(appender.NoOp{}.Append(context.Background(), appender.Record{}))
	// Output: <nil>
}

func ExampleAppendBatch() {
	b := new(appender.Buffering)
	n, err := appender.AppendBatch(context.Background(), b, []appender.Record{{Seq: 1}, {Seq: 2}})
	fmt.Println(n, err, b.Stats().Depth)
	// Output: 2 <nil> 2
}

func ExampleAppendError() {
	b := appender.NewBuffering(8)
	_ = appender.Close(b)
	err := b.Append(context.Background(), appender.Record{Node: "n1", Seq: 7})
	var failed *appender.AppendError
	if errors.As(err, &failed) {
		fmt.Println(failed.Sink, failed.Node, failed.Seq)
	}
	fmt.Println(errors.Is(err, appender.ErrClosed), errors.Is(err, appender.ErrUnknownOutcome))
	// Output:
	// buffering n1 7
	// true false
}

func ExampleAs() {
	env := appender.Env{Clock: new(appender.ManualClock)}
	var a appender.Appender = appender.NewFaulty(appender.NewBuffering(8), env, new(appender.Control))
	_ = a.Append(context.Background(), appender.Record{Seq: 1})
	if c, ok := appender.As[appender.Capturer](a); ok {
		fmt.Println(len(c.CapturedInto(nil)))
	}
	// Output: 1
}

// The second record's first attempt panics; from then on the appender is well.
func ExampleFaultyOpener() {
	control := appender.NewControl(1, appender.Rule{
		Kind:  appender.FaultAppendPanic,
		Fault: appender.Fault{From: 2, Times: 1},
	})
	control.OnStrike(func(kind string) { fmt.Println("strike:", kind) })
	open := appender.FaultyOpener(func(context.Context, appender.Env) (appender.Appender, error) {
		return appender.NewBuffering(100), nil
	}, control)

	a, err := open(context.Background(), appender.Env{Node: "n1", Epoch: 1, Clock: new(appender.ManualClock)})
	if err != nil {
		fmt.Println(err)
		return
	}
	attempt := func(seq uint64) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = &appender.PanicError{Value: v}
			}
		}()
		return a.Append(context.Background(), appender.Record{Node: "n1", Seq: seq})
	}
	fmt.Println(attempt(1))
	fmt.Println(attempt(2))
	fmt.Println(attempt(2))
	// Output:
	// <nil>
	// strike: append-panic
	// appender: panic: faulty: append n1#2: appender: injected fault
	// <nil>
}

// A switch that a simulator flips while the appender runs.
func ExampleControl_Set() {
	control := new(appender.Control)
	a := appender.NewFaulty(appender.NoOp{}, appender.Env{Clock: new(appender.ManualClock)}, control)
	attempt := func() { fmt.Println(a.Append(context.Background(), appender.Record{Node: "n1", Seq: 1})) }
	attempt()
	control.Set(appender.FaultAppendError, appender.Fault{Err: errors.New("disk full")})
	attempt()
	control.Clear(appender.FaultAppendError)
	attempt()
	fmt.Println(control.Struck(appender.FaultAppendError))
	// Output:
	// <nil>
	// faulty: append n1#1: disk full
	// <nil>
	// 1
}

// An appender's deadline is met without waiting for it.
func ExampleManualClock() {
	clock := new(appender.ManualClock)
	control := appender.NewControl(1, appender.Rule{Kind: appender.FaultAppendHang})
	a := appender.NewFaulty(appender.NoOp{}, appender.Env{Clock: clock}, control)

	ctx, cancel := clock.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	done := make(chan error)
	go func() { done <- a.Append(ctx, appender.Record{Node: "n1", Seq: 1}) }()
	clock.AwaitSleepers(1)
	clock.Advance(time.Hour)
	fmt.Println(<-done)
	// Output: faulty: append n1#1: context deadline exceeded
}

func ExampleParseLevel() {
	for _, s := range []string{"WARNING", "fatal", "loud"} {
		l, err := appender.ParseLevel(s)
		fmt.Println(l, err)
	}
	// Output:
	// warn <nil>
	// error <nil>
	// info appender: level "loud": want trace, debug, info, warn or error
}
