package sim

import (
	"time"
)

// controlCredit bounds the control messages that wait for a loop beside those
// in its inbox (see actors).
const controlCredit = 256

// simSlack is what a simulation may add to every bound on time:
//
//   - Holding. The strategy may keep a timer back for up to Schedule.Hold. What
//     is bounded hangs on at most two timers in a row (a backoff, then a
//     probe), and on deliveries within a node, which are never held; twice that
//     leaves room.
//   - Service. Where handling a message costs time, what reaches an actor waits
//     for everything in its mailbox, in the worst case a full inbox. n draws
//     cost n means, give or take: twice the mean, and 64 of the largest draw on
//     top for small n, are beyond any sum that a run will meet (for exponential
//     costs, Chernoff bounds the chance by exp(-0.3 n)). All of it is multiplied
//     by the largest slow of the scenario.
//
// Link latency adds nothing, because nothing that is bounded crosses a link.
func simSlack(c *Config) time.Duration {
	slack := 4 * c.Schedule.Hold
	if !serves(c) {
		return slack
	}
	mean, most := c.Service.Mean(), c.Service.Max()
	slow := maxSlow(c)
	if slow > 1 && c.Service.IsZero() {
		mean, most = slowBase, slowBase
	}
	n := float64(c.Loop.Inbox + controlCredit)
	return slack + bounded(slow*(2*n*float64(mean)+64*float64(most)))
}

// bounded is ns as a duration, cut where adding a few would overflow.
func bounded(ns float64) time.Duration {
	return time.Duration(min(ns, float64(DurationMax)))
}

// maxSlow is the largest factor by which a node can be slow; 1 if none can.
func maxSlow(c *Config) float64 {
	slow := 1.0
	for i := range c.Faults {
		if c.Faults[i].Kind == kindSlow {
			slow = max(slow, c.Faults[i].Factor)
		}
	}
	for i := range c.Chaos {
		if c.Chaos[i].Kind == kindSlow {
			slow = max(slow, c.Chaos[i].Factor)
		}
	}
	return slow
}
