package sim

import "time"

// The sizes that a swarm draws: small, so that thousands of seeds run in
// little time.
const (
	swarmNodesMin, swarmNodesMax       = 2, 9
	swarmDurationMin, swarmDurationMax = 3 * time.Second, 12 * time.Second
)
