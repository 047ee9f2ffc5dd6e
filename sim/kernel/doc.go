// Package kernel schedules the steps of a simulation deterministically, in
// virtual time.
//
// A step is one of: an actor takes its next message (Handle), a message arrives
// (Arrival), a timer fires (Timer), a parked handler goes on (Resume), a fault
// strikes (Fault). A step is enabled once its earliest time has come. While any
// step is enabled, a [Strategy] picks the next one; when none is, time advances
// to the next event. So the strategy and the random [Stream]s are the only
// choices of a run, and both follow from its seed.
//
// The kernel knows neither messages nor networks: an actor is a function that
// takes the next message, an event a [Firer]. It starts no goroutine and reads
// no clock. A handler that blocks in virtual time parks: it keeps the coroutine
// (package iter) that the step loop was running on, and another takes over.
//
// # Guarantees
//
//  1. The kernel does what a model of it does that is a tenth as clever: same
//     steps, order, times and causal ids, for arbitrary programs
//     (TestKernelAgreesWithThePlainModel, TestThePlainModelNoticesEveryMutant).
//  2. One seed gives one digest: again, on a kernel that was reset after any
//     other seed, beside others, on any number of processors, in every process
//     and on every platform (TestASeedGivesOneDigest,
//     TestDigestsAreTheSameInEveryProcess).
//  3. Time never goes back, never passes an event that is due, and does not
//     move while a step is enabled (TestTimeNeverGoesBackAndEndsAtUntil,
//     TestRunLeavesWhatIsLater).
//  4. Events of one time come due in the order in which they were scheduled
//     (TestQueueAgreesWithASortedSlice, TestScripts). Under [DefaultOrder] steps
//     are taken in the order in which they became enabled
//     (TestStrategiesPickEachEnabledStepOnce).
//  5. An event is held at most once and no longer than the strategy's bound
//     (TestHoldingStaysWithinItsBoundAndOccurs); a strategy that exceeds it is
//     stopped by a panic (TestMisuseIsABugAndPanics).
//  6. A paused node takes no step but arrivals and faults; what came due
//     meanwhile is due at its resumption, in order
//     (TestWhatComesDueInAPauseIsDueAtItsEndInOrder, TestAPauseIsNotHeld).
//  7. A parked handler blocks its own actor and no other, resumes with its
//     stack as it was, and never after its actor was freed
//     (TestAParkedHandlerBlocksItsActorAlone,
//     TestManyHandlersParkAndResumeInAnyOrder, TestAFreedActorsHandlerIsNeverResumed).
//  8. After Unwind nothing is left: no handler, no coroutine; deferred calls
//     have run, and could not wake the dead
//     (TestUnwindRunsDeferredCallsAndLeaksNothing).
//  9. An id never names a second thing (TestActorIDsAreNeverReused,
//     TestCancelLaws), and calls that name a freed actor do nothing
//     (TestFreedActorsAreMute).
//  10. An endless instant ends with an error that names its actors
//     (TestALivelockIsNamed). A watchdog on another goroutine can tell which
//     step hangs (TestStopAndRunningAreSafeFromAnotherGoroutine).
//  11. A panic or a runtime.Goexit in a step reaches the caller of Run, and
//     Unwind works after it (TestAPanicLeavesRunWithTheKernelDead,
//     TestGoexitInAHandlerEndsTheGoroutineThatRuns).
//  12. A draw depends on its stream's name and its number alone, and has the
//     same bits on every platform (TestADrawDependsOnItsNameAndNumberAlone,
//     TestDrawsHaveTheSameBitsOnEveryPlatform).
//  13. Steady use allocates nothing (TestSteadyStateAllocatesNothing), idle time
//     costs nothing (TestIdleTimeCostsNothing), the memory of cancelled events
//     is bounded by that of pending ones (TestCancelledTimersDoNotPileUp), and
//     the work behind an event does not grow with how many are pending
//     (TestQueueOpensFewEntriesAtATime; BenchmarkQueue measures it).
//
// # Non-guarantees
//
//  1. A handler that really blocks (a channel, a lock, time.Sleep) blocks the
//     whole run. [Kernel.Running] tells which; nothing can end it.
//  2. The digest covers what the kernel sees. State that hides from it counts
//     only if it is folded in.
//  3. Strategies, streams and digests may change from one version to the next.
//  4. With many events pending, their memory no longer fits a processor's
//     caches, and touching one costs more: about four times at a million.
//  5. The kernel must be unwound when done with; one that is merely dropped
//     keeps its coroutines.
package kernel
