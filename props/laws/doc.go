// Package laws holds what every appender must promise as executable laws,
// without any test library: the command asks them, and package appendertest
// makes tests of them.
//
// # Guarantees
//
//  1. Each law notices what breaks it
//     (TestEachBrokenStoreIsFoundByTheLawThatItBreaks,
//     TestEachBrokenWrapperIsFoundByTheLawThatItBreaks), and is kept by appenders
//     that are right (TestEveryRightAppenderPassesAThousandTimesOver).
//  2. A subject that panics, hangs or ends its goroutine is a broken law, and
//     every other law is asked all the same
//     (TestNothingThatASubjectDoesEndsTheChecking).
//  3. A case that fails is made smaller (TestWhatIsFoundIsMadeSmall), and told in
//     words (Example_newcomer).
//  4. A report is a function of the seed, counterexamples included, where the
//     subject is deterministic (TestAReportIsAFunctionOfTheSeed).
//  5. A law that is not asked is named, with the reason
//     (TestTheReportListsEveryLaw); what cannot be checked at all is an error
//     (TestCheckSaysWhatItCannotCheck).
//  6. Unless Config.RealClock is set, a sleep by the clock of the Env costs no
//     time and ends with its context
//     (TestASleepCostsNoTimeAndEndsWithItsContext).
//
// # Non-guarantees
//
//  1. A call that hangs is left behind with its goroutine. What ends the process,
//     such as concurrent writes to a map, ends the checking too.
//  2. Laws that watch real time (virtual-time, no-leaks) give a busy machine
//     several tries.
package laws
