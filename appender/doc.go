// Package appender is the seam between a reconcile loop and the logs that its
// records go to, with the appenders that need nothing but memory.
//
// [Appender] is the one interface to implement; the optional ones
// ([BatchAppender], [Flusher], [Capturer], [Replayer], [Statser], [io.Closer])
// are found by assertion, as in io/fs. An [Opener] opens an appender in an
// [Env], whose [Clock] is the only way to wait: code that blocks otherwise
// blocks the whole simulator. [ManualClock] is a Clock for tests, and [Faulty]
// is an appender that misbehaves by script.
//
// # Guarantees
//
//  1. A [Ring] of capacity c holds the last min(n, max(c, 1)) of n pushed, in
//     order; it drops the oldest alone, and counts each
//     (TestRingIsASliceThatForgetsItsBeginning,
//     TestRingHoldsTheLastOfWhatWasPushed).
//  2. A ring's memory follows its use, not its capacity, and holds on to
//     nothing that was taken out (the same; TestRingCostsNothingUntilItIsUsed).
//  3. [Buffering] keeps the first guarantee through the seam, by record and by
//     batch (TestBufferingHoldsTheLastOfWhatWasAppended), with any number of
//     writers, each one's order kept, no record lost uncounted
//     (TestBufferingIsConsistentUnderConcurrentWriters).
//  4. A snapshot is one moment (the same). Later appends do not change it
//     (TestLaterAppendsDoNotChangeASnapshot), and writing to it never reaches
//     the buffer (TestBufferingHoldsTheLastOfWhatWasAppended).
//  5. An append at capacity allocates nothing
//     (TestBufferingAppendAtCapacityDoesNotAllocate).
//  6. A call whose context has ended stores and counts nothing
//     (TestBufferingHoldsTheLastOfWhatWasAppended,
//     TestACancelledCallIsNeitherStoredNorStruck,
//     TestNoOpAcceptsAllButTheCancelled).
//  7. [errors.Is] and [errors.As] reach the cause through any stack of this
//     package's errors (TestCausesAreReachedThroughAnyStack). [ErrUnknownOutcome]
//     is in an error of Faulty exactly if the record was stored all the same
//     (TestRetriesThroughFaultsStoreEveryRecordInOrder).
//  8. A batch that a fault strikes is stored in order up to the record struck,
//     and n says how far (the same; TestAHangEndsWithItsContext and the tests
//     beside it, one for each kind of fault).
//  9. What chance strikes is a function of the seed, the kind and the record:
//     not of how records are batched
//     (TestWhatIsStruckDoesNotDependOnHowRecordsAreBatched), nor of calls for
//     other records (TestOtherCallsDoNotShiftARecordsDraws).
//  10. Every strike is counted, before it is felt
//     (TestRetriesThroughFaultsStoreEveryRecordInOrder,
//     TestEveryStrikeIsAnnouncedBeforeItHurts), and a release wakes every call
//     that hangs (TestReleaseWakesEveryHangingCall,
//     TestAReleaseBetweenStrikeAndSleepIsNotMissed).
//  11. Wrappers are invisible while they have nothing to do: order, contents,
//     errors, flush and close pass through, and are counted
//     (TestEveryWrapperPassesOnWhatItTakes), without an allocation
//     (TestWrappersDoNotAllocateOnSuccess; BenchmarkWrappers has what each
//     costs beside an appender that does nothing).
//  12. [Retry] keeps order, attempts and delays within their bounds, and what is
//     unknown unknown (TestRetryKeepsItsWord,
//     TestRetryLeavesUnknownOutcomesAloneUnlessToldOtherwise,
//     TestRetryEndsWithItsContext). Its delays are a function of the seed
//     (TestDelaysAreAFunctionOfTheSeed).
//  13. [Breaker] opens, probes and closes as the plainest model of it
//     (TestBreakerIsItsModel), with one probe at a time
//     (TestBreakerLetsOneProbeThroughAndSurvivesItsPanic). While it is open it
//     calls and allocates nothing (TestAnOpenCircuitCostsNoAllocation); a closed
//     appender is not taken for a failing one
//     (TestAClosedAppenderSaysSoThroughAnOpenCircuit).
//  14. [Filter], [Sample] and [Limit] answer in order for what they leave out
//     (TestWhatIsLeftOutIsAnsweredInOrder). A sample depends on the seed and the
//     records alone (TestSampleKeepsTheSameOnesHoweverTheyCome,
//     TestSampleDrawsEachChainForItself). A limit is a token bucket from which
//     only what is stored takes (TestLimitIsATokenBucket,
//     TestALimitThatIsTriedAgainLetsThrough).
//  15. In a [Tee] no sink changes a sibling, whatever it does; what is
//     acknowledged is in each, once, and an error says whether some have more
//     (TestTeeStoresOnceInEach, TestATeeNamesTheSinkThatFails). So it is behind a
//     retry with its default options (TestRetryAroundATeeStoresOnceInEach). What
//     it remembers for that is bounded (TestATeesMemoryIsBounded).
//  16. [Guard] turns panics into errors (TestGuardTurnsPanicsIntoErrors,
//     TestAGuardedFlushAndCloseDoNotPanic). [Wrap] wraps what an opener opens
//     (TestWrapWrapsWhatOpens).
//  17. [SlogHandler] is a slog.Handler to the letter
//     (TestTheSlogHandlerPassesSlogtest). It writes attributes as slog's own
//     text handler does (TestAttributesAreWrittenAsTextHandlerDoes), and its
//     lines are read back (TestALineIsReadBack, FuzzParseSlog), also through the
//     bridge the other way (TestSlogAndBack).
//  18. It numbers the lines of many goroutines once
//     (TestLinesOfManyGoroutinesAreNumberedOnce), calls the appender one call at
//     a time (TestTheAppenderOfManyLoggersIsCalledOnceAtATime), and keeps no
//     logger waiting for a slow one but the one that is in it
//     (TestLoggersNeverWaitForASlowSink), and that one no longer than its option
//     says (TestACallOfTheAppenderIsBoundedIfWanted). The end of a line's context
//     does not stop it (TestTheEndOfALinesContextDoesNotStopIt), but ends the
//     waiting of a flush (TestAFlushWaitsNoLongerThanItsContext). A value that
//     panics loses no line (TestAValueThatPanicsLosesNoLine).
//
// The properties behind 1 to 4 and 12 to 15 are shown to fail for broken rings,
// buffers and wrappers: TestRingPropertyFailsForEveryBrokenRing,
// TestBufferingPropertyFailsForEveryBrokenBuffer,
// TestConcurrencyPropertyFailsForEveryBrokenBuffer,
// TestRetryPropertyFailsForEveryBrokenRetry,
// TestBreakerPropertyFailsForEveryBrokenBreaker,
// TestFilterPropertyFailsForEveryBrokenFilter,
// TestLimitPropertyFailsForEveryBrokenLimit,
// TestTeePropertyFailsForEveryBrokenTee.
//
// # Non-guarantees
//
//  1. Nothing here outlives the process: Buffering's acknowledgement means
//     memory.
//  2. Strings are shared, not copied: a message that is a piece of a larger
//     string keeps all of it alive.
//  3. A Ring is not safe for concurrent use, and never gives memory back.
//  4. Across the writers of one Buffering, order is the order in which they got
//     the lock.
//  5. A record that an applied-then-error struck and that is tried again is
//     stored twice. Nothing here removes duplicates.
//  6. How many records of a kind's past strikes are remembered is bounded (64):
//     one that is tried again after that repeats its first draw
//     (TestAForgottenStrikeRepeatsItsFirstDraw).
//  7. A [Tee] calls its sinks one after the other: one that hangs keeps the
//     others waiting. Put it behind a host of its own.
//  8. No wrapper here bounds how long a call takes: that is the host's, with
//     its deadline and its workers that may be left behind.
//  9. Wrappers take one call at a time, like appenders; [Breaker] and [Guard]
//     take more if what they wrap does. Counts may be read at any time.
//  10. A sink of a [Tee] that panics, or does not know what it stored, may store
//     a record twice when that is tried again ([RetryOptions].Idempotent).
//  11. Levels of slog between its named ones become the one below, and times are
//     cut to milliseconds.
package appender
