// Package loop is the pure core of a node: a reconcile loop that takes inputs
// and time, and answers with what it wants done.
//
// It is sans-I/O in the manner of etcd raft's RawNode: it blocks nowhere, reads
// no clock, starts no goroutine and draws no random number, so that what it does
// is a function of the calls made on it. Its owner (package actors, live or
// simulated) makes the calls and does the rest:
//
//	in a message:      l.Step(input)
//	a line to log:     l.Log(now, wall, line)
//	NextTick reached:  l.Tick(now, wall)
//	after each:        hand l.Ready() to appender, network and executor; l.Advance()
//	                   ask l.NextTick() again
//	an acknowledgement: l.Settle(seq, outcome)
//	an action's outcome: l.Step(Input{Action: id, ...})
//
// What an integration brings is a [Model]: how an input folds into state and
// what to do at a tick. What every integration needs is here: a bounded ring of
// log records with sequence numbers, ChainPending, numbered actions and a ring
// of the recent ones, ticks, snapshots, digests, counters. Package meshos is the
// built-in model; the example of the replicated register shows another.
//
// # Guarantees
//
//  1. A call never waits for anything, and costs O(1) beside what the model
//     costs; a log line allocates nothing in the steady state.
//     TestLogLineAllocatesNothingInTheSteadyState
//  2. Records are numbered from 1 without gaps; the ring holds the newest,
//     drops the oldest first, and counts what it drops.
//     TestLoopIsWhatANaiveModelOfItIs
//  3. An entry is ChainPending from its push until Settle says appended, and
//     never again after that.
//     TestRetryThatLandsLaterClearsChainPending
//  4. What an appender does reaches neither the model nor the digest.
//     TestDigestDoesNotDependOnAppenderNorOnReaders
//  5. Actions are numbered from 1 without gaps; an outcome of an action never
//     emitted does not reach the model, nor does a second one while the action
//     is in the ring of recent ones.
//     TestOutcomeOfNoActionNeverReachesTheModel
//  6. The first tick is due one interval after the start. Late ticks are not
//     made up for. A deadline that was reached stays until it is handled, and no
//     other lies in the past, however long the model idled.
//     TestTickThatIsDueStaysDueWhateverComesIn, TestLoopIsWhatANaiveModelOfItIs,
//     testdata/tick.txt
//  7. A snapshot is one contiguous moment, readable by any goroutine while the
//     loop runs. That of tick k covers all that was folded in before it and in
//     it.
//     TestSnapshotsAreReadWhileTheLoopRuns, TestSnapshotCoversItsTick
//  8. An input that is refused is counted and logged, and ends nothing.
//     TestRefusedInputIsCountedAndLogged
//  9. A model that panics leaves the loop in a state to go on from.
//     TestModelThatPanicsLeavesALoopToGoOnWith
//  10. A model sees time stand still or grow, never go back.
//     TestLoopIsWhatANaiveModelOfItIs
//
// # Non-guarantees
//
//  1. A loop is for one goroutine at a time; Snapshot alone is for all.
//  2. A loop that nobody reads publishes nothing after its first tick, so the
//     first read after a long pause shows an old moment, and asks for a new one.
//     TestSnapshotIsPublishedOnlyOnDemand
//  3. Ready is not bounded: it holds what the calls since the last Advance
//     wanted. Its owner advances after every call or few.
//  4. What a model wrote to Ready before it refused an input, or panicked,
//     stands.
//  5. Nothing is durable here. A restarted node begins again at record 1 and
//     action 1 under a higher incarnation.
package loop
