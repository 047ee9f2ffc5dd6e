package torture_test

import (
	"context"
	"fmt"

	"meshsim/sim/torture"
)

func ExampleRun() {
	r, err := torture.Run(context.Background(), torture.Options{Seed: 1, Cases: 100})
	sum := r.Total()
	fmt.Println(sum.Cases, sum.Faults > 100, sum.Stored > 1000, err)
	// Output: 100 true true <nil>
}
