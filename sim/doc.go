// Package sim simulates a mesh of nodes, each a reconcile loop and its
// appender, under load and faults, and judges what happened.
//
// [Run] simulates a [Config] in virtual time; [Live] runs the same on the real
// clock; [DoubleCheck] simulates it twice and compares. A run has three parts:
// in the safety phase the load flows and faults strike, by the timetable
// (Config.Faults) and by chance (Config.Chaos); at the heal every fault ends
// and every node comes back; in the liveness phase the mesh must recover within
// Config.Recovery. Invariants are checkers that the caller brings (package
// props has them); the [Result] tells their judgement, the accounting and the
// digest.
//
// A model of your own goes into Config.Model, an appender of your own into
// Config.Open; both then run in every node, in simulation and live.
//
// Guarantees:
//
//  1. One seed gives one digest: a run is a pure function of the code, the
//     resolved configuration and the seed, whatever else the process runs or
//     ran, on any number of processors, with and without -race.
//     (TestOneSeedGivesOneDigest, TestGoldenDigests)
//  2. Checkers, observers and progress reports take no part in a run.
//     (TestCheckersChangeNoDigest, TestProgressIsToldAndChangesNothing)
//  3. A link delivers in the order of sending, each message at most once, but
//     for what is drawn or scripted to be lost, duplicated or reordered; these
//     come at their rates, drawn per link and message, so that other traffic
//     shifts no draw. (TestLinksKeepTheirLaws, TestLinkFaultsComeAtTheirRates,
//     TestOtherTrafficChangesNoDraw, TestEachBrokenLinkBreaksItsLaw)
//  4. Overlapping partitions cut exactly what their shapes say; healing one
//     heals it alone. (TestPartitionsCutWhatTheirShapeSaysAndHealingHeals)
//  5. Faults of one kind on one node nest: it is up, running, on time again
//     when the last has ended. (TestCrashesNest,
//     TestAPausedNodeDoesNothingAndCatchesUp, TestWallClockSkewsAndJumpsNest)
//  6. A restarted node begins at sequence 1 under the next incarnation, and its
//     model is given what its predecessor called durable.
//     (TestARestartedNodeBeginsAtSeqOneUnderAHigherIncarnation)
//  7. Skew and jump move a node's Wall, never its Now.
//     (TestSkewAndJumpMoveTheWallClockAlone)
//  8. A run that did not show what it promised (a scripted fault that never
//     struck, a probable one that never did, a mark that never occurred), or
//     in which no checker had anything to judge, is inconclusive and says why. (TestVerdicts)
//  9. When the context ends, the run stops between two steps and tells what is
//     known. (TestCancellingStopsBetweenStepsAndTellsWhatIsKnown)
//  10. A step that really blocks ends in an error that names it and shows where
//     it stands. (TestTheWatchdogNamesAnAppenderThatReallyBlocks)
//  11. A message costs no allocation in the steady state, and no scan of nodes
//     or links. (TestAMessageCostsNoAllocation, BenchmarkFanout9)
//  12. Live ends every goroutine that it started.
//     (TestLiveLeavesNoGoroutineBehind)
//  13. A configuration that resolves has every field within its bounds, and
//     resolves to itself; of one that does not, the error names the first
//     wrong field, what was found and what was expected.
//     (TestEveryNumberIsCheckedAndItsFieldNamed,
//     TestResolveResolvesToItselfAndSharesNothing)
//  14. A swarm draws only valid configurations, keeps what is set, and draws
//     each field apart from the others. (TestSwarmDrawsEverythingOften,
//     TestSwarmDrawsOnlyValidConfigurationsAndKeepsWhatIsSet,
//     TestSettingOneFieldLeavesTheOthersDrawsAlone)
//  15. The load of one entry and node is a function of the seed alone, of no
//     other entry or node, and costs no allocation a line.
//     (TestLoadOfOneNodeDoesNotDependOnOthers,
//     TestGeneratorsMakeLinesWithoutAllocating)
//  16. A replay carries every line of its file, whatever the file holds, in
//     order, and its time never goes back. (TestEveryLineIsCarriedAsItIs,
//     TestReplayCarriesEveryLineAndProlongsTheRun, FuzzLog, FuzzParseLogLine)
//  17. A distribution draws the same on every machine.
//     (TestDrawsAreTheSameOnEveryMachine)
//  18. A crash is a power failure of the node's simulated disk: what was synced
//     is there after it, what was not is kept or lost as the scenario says, and
//     calls from before change nothing any more.
//     (TestACrashIsAPowerFailureOfTheDisk)
//  19. Faults of a disk strike that of their nodes alone, at their rates, and
//     are counted. (TestEachDiskFaultStrikesAndIsCounted,
//     TestDiskFaultsStrikeAtTheirRates, TestADiskIsItsNodesAlone)
//  20. An appender of your own that is open when its node crashes, or when the
//     run ends, is closed before the node opens its next, or the run returns:
//     unless a call is under way in it.
//     (TestEveryAppenderThatWasOpenedIsClosedOnce,
//     TestAUsersLogOnARealDiskIsReopenedAfterACrash)
//
// Non-guarantees:
//
//  1. A live run is not reproducible, and its bounds on time are as loose as
//     [LiveOptions] says.
//  2. Code in a node that waits other than through its appender.Clock stops
//     the simulation until the watchdog gives it up; its goroutine is lost.
//  3. Code that draws global randomness, reads the real clock or lets the order
//     of a map reach its outputs breaks guarantee 1. DoubleCheck finds it, with
//     luck.
//  4. A message to a node that is down when it arrives is lost; one in flight
//     while its receiver crashes and comes back reaches the new incarnation,
//     as a datagram would.
//  5. A log's times are read as well as their form allows: without a zone as
//     UTC, without a year as of the same year. Two forms in one file may stand
//     in another order than they happened.
//  6. The built-in buffering appender is one store per node that survives its
//     crashes, like a remote one. So is an appender of your own, as far as it
//     can tell: no power fails under it.
//  7. A filelog whose call hangs in its disk keeps the disk's lock: no epoch can
//     open another before that call comes back, and the circuit is open so long
//     (TestACallThatHangsInTheDiskKeepsItLocked).
//  8. An opened log is replayed to tell what it holds. Of the simulated one this
//     takes no virtual time; of your own it takes what its Replay takes, within
//     the deadline of the opening.
package sim
