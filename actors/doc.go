// Package actors hosts a node's loop, its appender and its executor as
// protoactor-go actors, in two runtimes behind one API: simulated, stepped by a
// [Driver] in virtual time, and live, on real clocks and goroutines. It is the
// only package that imports protoactor, and shows nothing of it.
//
//	runtime
//	└─ node                 supervisor, under a guardian of its own
//	   ├─ host              owns the queue of records; calls no user code
//	   │  ├─ worker         opens and calls the appender, under an epoch
//	   │  └╌ abandoned ...  workers that hung: nobody's children any more
//	   ├─ executor          carries out actions, one at a time
//	   └─ loop              folds in one message at a time, never waits
//
// # How a record goes
//
// The loop puts it into the host's inbox under the ledger's lock, and goes on;
// a full inbox drops its oldest. The host, woken by one message however many
// records there are, takes a batch in hand and asks its worker to append it.
// The worker answers, fails, or hangs:
//
//	stored              appended
//	an error            tried again after a backoff, in place; with the attempts used up: failed
//	outcome unknown,    the same, but ends as unknown; so does a panic, after
//	or a late error     which the worker is restarted under backoff and a new epoch
//	no answer by        the worker is abandoned and another one opens a fresh
//	deadline + grace    appender; what it had in hand is tried again by that
//
// Only the record that an attempt came to a stop at is charged with the attempt.
// After a panic or a hang it may have been any of the batch, so its records are
// tried one by one, lest a poisonous one take others with it.
//
// With as many workers abandoned as allowed but one, or Attempts openings failed
// in a row, the circuit opens: what is pending and what comes is settled at
// once. It closes by a probe (an opening; after hangs one batch, too, or, with
// nothing to append, a time of Probe), or when a hung call's return frees a slot.
//
// # Locks, live
//
// A host's ledger lock guards its queue, its counts, and the events that tell
// of them. A mailbox's lock guards the mailbox. Neither is taken while the other
// is held. Inside either, the runtime's lock on events may be taken, which is
// the innermost: Observe runs under it, and must call nothing of this package.
//
// # Guarantees
//
//  1. The loop never waits for its appender: whatever that does, ticks and lines
//     are handled in the instant that they are due.
//     TestAnAppenderNeverDelaysItsLoop, TestLiveDeafAppendersDelayNothing
//  2. Every record is settled exactly once, and truly: appended ones are stored,
//     failed, dropped and lost ones are not. At every event the ledger adds up,
//     with pending counted where it changes.
//     TestHostAccountsForEveryRecordWhateverItsAppenderDoes,
//     TestALiveHostAccountsForEveryRecord
//  3. Each outcome of a call leads where the table above says, step by step.
//     TestHostProtocol, TestAnswersAgainstTheContractAcknowledgeNothingMore
//  4. At most Host.Abandoned workers hang at a time, and their late answers
//     change nothing; what they were given is not touched again.
//     TestAbandonedWorkersAreBounded, TestTheBatchOfAnAbandonedCallStaysAsItWas
//  5. When the appender recovers, so does the host: nothing stays pending and
//     the circuit closes.
//     TestHostAccountsForEveryRecordWhateverItsAppenderDoes
//  6. A mailbox never blocks a sender and drops nothing but its oldest droppable
//     message, counted; system messages come first, then alarms, then all others
//     in the order of their posting.
//     TestMailboxDeliversInOrderAndDropsTheOldest, TestSystemMessagesComeFirst,
//     TestALiveMailboxTakesFromManySenders
//  7. An input that makes the model panic is consumed by that, and the loop goes
//     on with its state; restarts follow [Restarts]; an actor that is given up
//     is told, and leaves its node in order.
//     TestAPoisonousInputIsConsumedAndTheLoopGoesOn, TestRestartsFollowThePolicy,
//     TestALoopThatIsGivenUpLeavesTheNodeInOrder, TestPanicsInTheLifecycle,
//     TestAPanicOfTheHostIsSurvived, TestAPanicOfTheSupervisorEndsItsNode
//  8. Every action is answered exactly once, unless its node ends first.
//     TestEveryActionIsAnsweredExactlyOnce, TestAHungExecutorHoldsUpNothing
//  9. A stop ends by its deadline with everything settled, a crash at once; after
//     either nothing is heard of the node. A stop flushes and closes the appender.
//     TestAnEndComesOnce, TestAStopFlushesAndIsNotHeldUpByIt, TestALiveCrashIsTheLastThatIsHeard,
//     TestACrashedNodeComesBackAnew
//  10. A simulated runtime starts no goroutine and is a function of its driver:
//     sleeps and contexts end in virtual time, and the runs before it in the
//     process make no difference.
//     TestSleepEndsWithItsContext, TestAContextEndsOnItsClock,
//     TestARunDoesNotDependOnTheRunsBeforeIt, TestASlimSystemIsLikeAStockOne,
//     TestNothingOfAnOldRunIsReachable
//  11. A live runtime's events are one sequence with times that do not go back;
//     Close ends every goroutine, and names the calls that do not come back.
//     TestALiveHostAccountsForEveryRecord, TestLiveDeafAppendersDelayNothing,
//     TestALiveHandlerMayExitItsGoroutine
//
// Each is broken on purpose in TestEachInvariantCatchesWhatItIsThereFor.
//
// # Non-guarantees
//
//  1. Appending is at least once: a record whose outcome was unknown is tried
//     again, and an abandoned call may store its records long after. They carry
//     numbers by which a sink can tell.
//  2. A call that blocks other than through its Clock blocks a simulation, and
//     live keeps its goroutine for as long as it likes.
//  3. A panic loses the input that caused it; what the model had changed by then
//     stays changed.
//  4. Importing this package sets the count of shards of
//     github.com/orcaman/concurrent-map to 1 for the whole process, or every
//     actor system would take 2.8 MiB.
//  5. An executor has no deadline: one that hangs lets actions queue up to 1,024,
//     and refuses what is beyond with [ErrBusy].
package actors
