// Command meshsim simulates actor meshes: it runs a scenario under a seed, or
// live, and judges it by every invariant; and it checks appenders, and reads what
// they stored. `meshsim run` alone is a good start.
//
// Guarantees:
//
//  1. The exit status is the verdict: 0 held, 1 violated, 2 usage or scenario
//     error, 3 inconclusive, 4 internal.
//     (TestTheStatusIsTheVerdict, TestASweepHasTheStatusOfItsWorstSeed)
//  2. What is typed wrong, and a file that is wrong, is answered in one line
//     on standard error that says what was expected, and nothing else.
//     (TestCommand, TestWhatIsTypedWrongGetsOneLineAndStatus2)
//  3. The seed is printed before anything can go wrong, and the reproduce line
//     gives the same run. (TestTheSeedIsPrintedFirst,
//     TestTheReproduceLineGivesTheSameRun)
//  4. --json prints one object with the keys promised.
//     (TestJSONHasTheKeysPromised, TestASignalLeavesOneJSONObject)
//  5. Telling a run's story does not change the run.
//     (TestTellingTheStoryChangesNothing)
//  6. The first SIGINT or SIGTERM ends a run with what is known so far, the
//     second ends the process. (TestASignalEndsARunWithWhatIsKnownSoFar,
//     TestASignalEndsALiveRun, TestASignalEndsASweep,
//     TestASecondSignalExitsAtOnce)
//  7. A progress bar and colours appear on a terminal only, colours not under
//     NO_COLOR, and no colour says what words do not.
//     (TestATerminalGetsABarAndColours, TestAPipeGetsNeitherBarNorColours)
//  8. What a run with --dir or --url says was appended is read back by the
//     command that it prints, and a later run goes on behind it: no record has
//     the identity of another.
//     (TestWhatARunHasAppendedIsThereAndTheNextGoesOnBehindIt,
//     TestNodesThatCrashLeaveLogsThatAreReadBack, TestARunOnServersElsewhere)
//  9. Flags and places that do not fit each other are refused before anything is
//     made. (TestPlacesThatDoNotFitGetOneLineAndStatus2)
//  10. `appender cat` prints every record, changed by nothing, beside whoever
//     writes; what is damaged is named, and the rest is printed.
//     (TestNoRecordIsChangedByBeingPrinted,
//     TestCatPrintsEveryRecordOfEveryNodeInOrder,
//     TestCatReadsBesideAWriterAndLeavesItAlone,
//     TestDamageIsNamedInOneLineAndTheRestIsPrinted, TestCatReadsStreamsFromServers)
//  11. `appender tail` leaves out nothing that is appended while it follows, on
//     files and on servers. (TestTailFollowsALogAndItsNeighbours,
//     TestTailFollowsStreams)
//  12. `appender check` asks every law of every built-in appender, tells a broken
//     one by a case and a command that shows the same again, and leaves nothing
//     behind nor touches what was there. (TestTheBuiltInAppendersKeepEveryLaw,
//     TestABrokenLawIsToldInWordsWithACaseAndACommand, TestACheckTouchesNothingElse,
//     TestASignalEndsACheckAndNothingIsLeft)
//  13. `appender torture` is a function of its seed and number of cases.
//     (TestATortureIsAFunctionOfItsSeed)
//
// Non-guarantees:
//
//  1. The report's wording and layout may change: programs read --json.
//  2. A violated run is run a second time to show what led to the violation;
//     --json and --quiet spare that. Where records are kept outside of the
//     simulation, what led to a violation is not shown.
//  3. A run on servers takes their answers as they come, so its digest may differ
//     from that of another with its seed.
//  4. A process that is killed leaves its temporary directory, and a check that is
//     killed its streams, whose names begin with meshsim-check-.
package main
