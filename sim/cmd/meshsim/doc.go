// Command meshsim simulates actor meshes: it runs a scenario under a seed, or
// live, and judges it by every invariant. `meshsim run` alone is a good start.
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
//
// Non-guarantees:
//
//  1. The report's wording and layout may change: programs read --json.
//  2. A violated run is run a second time to show what led to the violation;
//     --json and --quiet spare that.
package main
