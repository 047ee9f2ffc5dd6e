package actors

// mutant is a way in which a test breaks this package, to show that the
// invariants notice. Only export_test.go sets one, before the runtime is made;
// elsewhere it is sound, and costs a load and a compare where it is asked.
type mutant uint8

const (
	sound mutant = iota
	mutantInboxDropsNewest
	mutantEvictedNeverSettled
	mutantInHandLostOnPanic
	mutantAppendedTwice
	mutantStaleAnswerAccepted
	mutantRetryToTheBack
	mutantRestartAtOnce
	mutantBackoffWithoutCap
	mutantEscalates
	mutantLoopAppends
	mutantTickWaitsForHost
	mutantCircuitNeverCloses
	mutantInboxUnbounded
	mutantSettleReachesModel
	mutantBatchReused
	mutantPendingByRemainder
	mutantSettlementsLie

	numMutants
)

// broken is the mutant in force.
var broken mutant
