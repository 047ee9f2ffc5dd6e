// Package props holds the invariants of a mesh as code: checkers that judge the
// events of a run, whether it is simulated or live, in a test or in the
// command.
//
// Each invariant is one file and one constructor. A checker sees only the
// events of the kinds that it wants (package trace), keeps accounts of its own
// from them, and compares: it trusts nothing that an actor says of itself
// except that it happened. What an incarnation of a node is held to, its caps
// and policies, comes with the event that starts it.
//
//	order             nothing goes back
//	fifo-drop         what is dropped is the oldest
//	accounting        every record is accounted for, at every step
//	never-wedged      ticks and log lines are handled in time
//	non-interference  a loop does not depend on what its appender does
//	supervised        restarts follow the policy
//	no-stale-ack      an abandoned epoch changes nothing
//	recovery          after the heal, everything settles and closes
//	durable-prefix    what a log took is there when it is opened again
//	snapshot          a snapshot is one contiguous moment
//	bounded           nothing exceeds its cap
//	sound-model       nothing but an appender panics
//
// Guarantees:
//
//  1. A right host trips no checker, in whatever way its records settle
//     (TestARightHostHoldsEverything, TestAnyMeshHoldsEverything); and a right
//     log, whatever its disk does (TestARightLogHoldsDurablePrefix,
//     TestFilelogsHoldEverything).
//  2. Each checker trips on each way of breaking its invariant, and says what
//     was wrong; where the events allow it, it alone trips
//     (TestOrderTripsOnWhateverGoesBack,
//     TestFIFODropTripsOnWhateverIsNotTheOldest,
//     TestAccountingTripsOnWhateverTheEventsDoNotAllow,
//     TestNeverWedgedTripsOnWhateverComesLateOrNever,
//     TestNonInterferenceTripsOnAnyDifference,
//     TestSupervisedTripsOnWhateverIsNotThePolicy,
//     TestNoStaleAckTripsOnWhateverAnOldEpochDoes,
//     TestRecoveryTripsOnWhateverDoesNotHeal,
//     TestDurablePrefixTripsOnWhateverALogMayNotDo,
//     TestEachBrokenLogTripsDurablePrefix,
//     TestSnapshotTripsOnATornMoment, TestSnapshotTripsOnAClaimNobodyMade,
//     TestBoundedTripsOnWhateverExceedsItsCap,
//     TestSoundModelTripsOnAnyPanicButAnAppenders). In a mesh whose code is
//     broken in one place each trips alone
//     (TestEachInvariantCatchesWhatItIsThereFor,
//     TestEachInvariantHasABreakageOfItsOwn).
//  3. What fails to happen is found: a checker owes itself a wake-up at the
//     deadline of what it waits for, and none before anything is owed
//     (TestNeverWedgedTripsOnWhateverComesLateOrNever).
//  4. No stream of events makes a checker panic or loop for ever
//     (TestCheckersTakeAnyStream).
//  5. The work per event does not depend on the number of nodes but for the
//     wake-ups, which cost O(log nodes); the memory per node is bounded by
//     what the node may hold, but for the runs of records that were settled
//     as not stored (TestTheCostOfAnEventDoesNotGrowWithTheMesh).
//  6. The package links no test library (TestTheCommandLinksNoTestLibrary).
//
// Non-guarantees:
//
//   - A run in which an invariant held had to give it something to judge:
//     see how often it was checked.
//   - Times are those of the events. Live, the runtime states how far these
//     may be off, and every bound is widened by that.
//   - Values that hold functions are never equal: a model whose actions or
//     messages carry closures trips non-interference.
package props
