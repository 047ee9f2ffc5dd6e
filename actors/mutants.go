package actors

import (
	"context"
	"time"

	"meshsim/appender"
	"meshsim/loop"
)

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
	mutantLoopWaits
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

// waitForHost makes the loop wait for the appender, as upstream's does.
func (l *loopActor) waitForHost() {
	clock := l.n.clock(l.mb)
	for {
		if s := l.n.Stats(); s.Ledger.Pending() == 0 {
			return
		}
		_ = clock.Sleep(context.Background(), time.Millisecond)
	}
}

// interfere shows the model what became of a record.
func (l *loopActor) interfere() {
	now := l.n.rt.now()
	_ = l.loop.Step(loop.Input{Now: now, WallMs: l.n.wallMs(now), Msg: appender.Failed})
}
