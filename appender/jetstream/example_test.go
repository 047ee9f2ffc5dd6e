package jetstream_test

import (
	"context"
	"fmt"
	"os"

	"meshsim/appender"
	"meshsim/appender/jetstream"
	"meshsim/appender/jetstream/embedded"
)

// serve runs a server for an example, and returns its URL and how to stop it.
func serve() (url string, stop func()) {
	dir, err := os.MkdirTemp("", "jetstream")
	if err != nil {
		panic(err)
	}
	srv, err := embedded.Start(embedded.Options{Dir: dir})
	if err != nil {
		panic(err)
	}
	return srv.URL(), func() {
		srv.Shutdown()
		_ = os.RemoveAll(dir) // it is a temporary one
	}
}

// A node's log keeps its newest records, over openings, and says how many it
// has dropped.
func ExampleOpen() {
	url, stop := serve()
	defer stop()
	ctx := context.Background()
	o := jetstream.Options{URL: url, MaxRecords: 3}

	a, err := jetstream.Open(ctx, appender.Env{Node: "n1", Incarnation: 1, Epoch: 1}, o)
	if err != nil {
		panic(err)
	}
	defer a.Close()
	var recs []appender.Record
	for seq := range uint64(5) {
		recs = append(recs, appender.Record{Node: "n1", Incarnation: 1, Seq: seq + 1, TimeMs: 1000 * seq, Message: fmt.Sprintf("tick %d", seq)})
	}
	n, err := a.AppendBatch(ctx, recs)
	fmt.Println("stored", n, err)
	n, err = a.AppendBatch(ctx, recs[4:]) // again: nothing happens
	fmt.Println("stored", n, err)
	for rec, err := range a.Replay(ctx, appender.Cursor{}, false) {
		fmt.Println(rec, err)
	}
	fmt.Println("dropped", a.Dropped())
	// Output:
	// stored 5 <nil>
	// stored 1 <nil>
	// n1@1#3 t=2000 info "tick 2" <nil>
	// n1@1#4 t=3000 info "tick 3" <nil>
	// n1@1#5 t=4000 info "tick 4" <nil>
	// dropped 2
}

// The next epoch of a node shuts out the one before.
func ExampleOpener() {
	url, stop := serve()
	defer stop()
	ctx := context.Background()
	open := jetstream.Opener(jetstream.Options{URL: url, MaxRecords: 100})
	first, err := open(ctx, appender.Env{Node: "n1", Incarnation: 1, Epoch: 1})
	if err != nil {
		panic(err)
	}
	defer appender.Close(first)
	second, err := open(ctx, appender.Env{Node: "n1", Incarnation: 1, Epoch: 2})
	if err != nil {
		panic(err)
	}
	defer appender.Close(second)
	fmt.Println(second.Append(ctx, appender.Record{Node: "n1", Incarnation: 1, Seq: 1}))
	fmt.Println(first.Append(ctx, appender.Record{Node: "n1", Incarnation: 1, Seq: 2}))
	// Output:
	// <nil>
	// jetstream: append n1#2: jetstream: fenced by another opening: log@n1 is with incarnation 1, epoch 2
}

// Nodes and Read look at chains from outside.
func ExampleRead() {
	url, stop := serve()
	defer stop()
	ctx := context.Background()
	o := jetstream.Options{URL: url, MaxRecords: 100}
	for _, node := range []string{"n1", "n2"} {
		a, err := jetstream.Open(ctx, appender.Env{Node: node, Incarnation: 1, Epoch: 1}, o)
		if err != nil {
			panic(err)
		}
		for seq := range uint64(3) {
			if err := a.Append(ctx, appender.Record{Node: node, Incarnation: 1, Seq: seq + 1, Message: "hello"}); err != nil {
				panic(err)
			}
		}
		if err := a.Close(); err != nil {
			panic(err)
		}
	}
	chains, err := jetstream.Nodes(ctx, o)
	if err != nil {
		panic(err)
	}
	for _, c := range chains {
		fmt.Println(c.Node, c.Published, c.Retained, c.Subject)
		for rec, err := range jetstream.Read(ctx, o, c.Node, appender.Cursor{Incarnation: 1, Seq: 3}, false) {
			fmt.Println(rec, err)
		}
	}
	// Output:
	// n1 3 3 log.n1
	// n1@1#3 t=0 info "hello" <nil>
	// n2 3 3 log.n2
	// n2@1#3 t=0 info "hello" <nil>
}
