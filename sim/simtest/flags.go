package simtest

import (
	"flag"
	"fmt"
	"os"

	"meshsim/sim/explore"
)

// The flags are registered once, on import, as go test's own are.
var (
	seedFlag  = flag.String("sim.seed", "", "run this one `seed`, decimal or 0x (environment: SIM_SEED)")
	seedsFlag = flag.String("sim.seeds", "", "run these `seeds`, such as 1-500 or 3,9,17 (environment: SIM_SEEDS)")
)

// chosenSeeds is the seeds that a flag or a variable asks for, or else the
// first n.
func chosenSeeds(n uint64) (explore.Seeds, error) {
	for _, c := range []struct {
		name, value string
		many        bool
	}{
		{"-sim.seed", *seedFlag, false},
		{"-sim.seeds", *seedsFlag, true},
		{"SIM_SEED", os.Getenv("SIM_SEED"), false},
		{"SIM_SEEDS", os.Getenv("SIM_SEEDS"), true},
	} {
		if c.value == "" {
			continue
		}
		seeds, err := parse(c.value, c.many)
		if err != nil {
			return nil, fmt.Errorf("simtest: %s: %w", c.name, err)
		}
		return seeds, nil
	}
	return explore.FirstSeeds(n), nil
}

func parse(s string, many bool) (explore.Seeds, error) {
	if many {
		return explore.ParseSeeds(s)
	}
	seed, err := explore.ParseSeed(s)
	if err != nil {
		return nil, err
	}
	return explore.Seeds{{From: seed, To: seed}}, nil
}
