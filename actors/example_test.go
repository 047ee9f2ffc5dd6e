package actors_test

import (
	"context"
	"fmt"
	"time"

	"meshsim/actors"
	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/kernel"
	"meshsim/sim/trace"
)

// greeter logs whom it hears from.
type greeter struct{}

func (greeter) Step(in loop.Input, out *loop.Ready) error {
	out.Log(loop.LogLine{Message: fmt.Sprintf("heard %v from %d", in.Msg, in.From)})
	return nil
}
func (greeter) Tick(time.Duration, *loop.Ready)               {}
func (greeter) Next(time.Duration) (t time.Duration, ok bool) { return 0, false }

// A simulated node whose first append hangs, deaf to its context: the host gives
// the call up after a second and a quarter, and goes on with a fresh appender.
func ExampleNewSimulated() {
	k := kernel.New(kernel.Options{Isolate: func(f func()) {
		done := make(chan struct{})
		go func() { defer close(done); f() }()
		<-done
	}})
	rt := actors.NewSimulated(k)
	store := appender.NewBuffering(100)
	open := func(context.Context, appender.Env) (appender.Appender, error) { return store, nil }
	hang := appender.NewControl(1, appender.Rule{Kind: appender.FaultAppendDeaf, Fault: appender.Fault{Times: 1}})
	n, err := rt.Spawn(actors.NodeOptions{
		ID: 1, Name: "n1", Incarnation: 1,
		Host:  actors.Host{Open: appender.FaultyOpener(open, hang)},
		Wants: trace.Kinds(trace.WorkerAbandoned, trace.RecordSettled),
		Observe: func(e *trace.Event) {
			if e.Kind == trace.WorkerAbandoned {
				fmt.Println(e.Time, "epoch", e.Epoch, "is abandoned")
				return
			}
			fmt.Println(e.Time, "record", e.Seq, "is", appender.Outcome(e.Outcome))
		},
	}, greeter{})
	if err != nil {
		fmt.Println(err)
		return
	}
	n.Deliver(2, "hello")
	if err := k.Run(time.Minute); err != nil {
		fmt.Println(err)
	}
	fmt.Println(store.CapturedInto(nil)[0].Message)
	_ = rt.Close(context.Background())
	_ = k.Unwind()
	// Output:
	// 1.25s epoch 1 is abandoned
	// 1.25s record 1 is appended
	// heard hello from 2
}

// The same model live, stopped in order.
func ExampleNewLive() {
	rt := actors.NewLive()
	store := appender.NewBuffering(100)
	n, err := rt.Spawn(actors.NodeOptions{
		ID: 1, Name: "n1", Incarnation: 1,
		Host: actors.Host{Open: func(context.Context, appender.Env) (appender.Appender, error) { return store, nil }},
	}, greeter{})
	if err != nil {
		fmt.Println(err)
		return
	}
	n.Deliver(2, "hello")
	n.Log(loop.LogLine{Message: "a line of a daemon"})
	n.Stop(time.Second)
	<-n.Done()
	for _, r := range store.CapturedInto(nil) {
		fmt.Println(r.Seq, r.Message)
	}
	fmt.Println(rt.Close(context.Background()))
	// Output:
	// 1 heard hello from 2
	// 2 a line of a daemon
	// <nil>
}
