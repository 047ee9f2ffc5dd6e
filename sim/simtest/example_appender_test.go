package simtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"meshsim/appender"
	"meshsim/props"
	"meshsim/sim"
)

// jsonLines is an appender of one's own: a line of JSON per record, written to
// a store that takes 2 ms to answer. It waits through the clock that it was
// opened with, never through time.Sleep or a bare <-ctx.Done().
type jsonLines struct {
	w     io.Writer
	clock appender.Clock
}

func (j *jsonLines) Append(ctx context.Context, rec appender.Record) error {
	if err := j.clock.Sleep(ctx, 2*time.Millisecond); err != nil {
		return err // the deadline came first: nothing was written
	}
	return json.NewEncoder(j.w).Encode(rec)
}

// An appender of one's own under everything that the simulator can do to it:
// errors, hangs that ignore their context, panics, a crash of its node.
func Example_ownAppender() {
	var store strings.Builder // of all nodes: in a simulation one goroutine at a time runs
	cfg := sim.Config{
		Nodes: 3, Duration: 20 * time.Second,
		Load: []sim.Load{{Kind: "poisson", Rate: 50}},
		Faults: []sim.Fault{
			{Kind: "append-error", At: 2 * time.Second, For: time.Second, Nodes: []string{"all"}, Prob: 0.2},
			{Kind: "append-deaf", At: 5 * time.Second, For: 4 * time.Second, Nodes: []string{"n1"}},
			{Kind: "append-panic", At: 10 * time.Second, For: time.Second, Nodes: []string{"n2"}, Prob: 0.1},
			{Kind: "crash", At: 13 * time.Second, For: 2 * time.Second, Nodes: []string{"n3"}},
		},
		Open: func(_ context.Context, env appender.Env) (appender.Appender, error) {
			return &jsonLines{w: &store, clock: env.Clock}, nil
		},
	}
	res, err := sim.Run(context.Background(), cfg, 17, props.All()...)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, lines := res.Records, uint64(strings.Count(store.String(), "\n"))
	fmt.Println("verdict:", res.Verdict)
	fmt.Println("accounted for:", r.Emitted == r.Appended+r.Failed+r.Unknown+r.Dropped+r.Lost+r.Pending)
	fmt.Println("every appended record is in the store:", lines >= r.Appended && r.Appended > 0)
	// Output:
	// verdict: held
	// accounted for: true
	// every appended record is in the store: true
}
