package actors

import "fmt"

var mutantNames = map[string]mutant{
	"inbox-drops-newest":    mutantInboxDropsNewest,
	"evicted-never-settled": mutantEvictedNeverSettled,
	"in-hand-lost-on-panic": mutantInHandLostOnPanic,
	"appended-twice":        mutantAppendedTwice,
	"stale-answer-accepted": mutantStaleAnswerAccepted,
	"retry-to-the-back":     mutantRetryToTheBack,
	"restart-at-once":       mutantRestartAtOnce,
	"backoff-without-cap":   mutantBackoffWithoutCap,
	"escalates":             mutantEscalates,
	"loop-waits":            mutantLoopWaits,
	"tick-waits-for-host":   mutantTickWaitsForHost,
	"circuit-never-closes":  mutantCircuitNeverCloses,
	"inbox-unbounded":       mutantInboxUnbounded,
	"settle-reaches-model":  mutantSettleReachesModel,
	"batch-reused":          mutantBatchReused,
	"pending-by-remainder":  mutantPendingByRemainder,
	"settlements-lie":       mutantSettlementsLie,
}

// SetMutant puts a mutant in force for the runtimes made from here on, until
// restore is called. Tests that do it must not run in parallel.
func SetMutant(name string) (restore func()) {
	m, ok := mutantNames[name]
	if !ok {
		panic(fmt.Sprintf("actors: no mutant %q", name))
	}
	broken = m
	return func() { broken = sound }
}

// NumMutants is how many there are.
const NumMutants = int(numMutants) - 1
