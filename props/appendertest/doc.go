// Package appendertest runs the laws of package laws against an appender, as a
// test.
//
// # Guarantees
//
//  1. A broken appender is failed by the law that it breaks, by name and in
//     words: 63 stores, each broken in one way, show it
//     (TestEachBrokenStoreIsFoundByTheLawThatItBreaks), and an example what a
//     newcomer reads (Example_newcomer).
//  2. A right one passes: the store that the broken ones are made from
//     (TestTheStoreItselfKeepsEveryLaw), every appender and wrapper of package
//     appender (TestTheAppendersOfPackageAppenderKeepEveryLaw), filelog on
//     simulated disks and in directories (TestFilelogKeepsEveryLaw), each a
//     thousand times over
//     (TestEveryRightAppenderPassesAThousandTimesOver).
//  3. So it is with wrappers: 37 broken ones are failed by name
//     (TestEachBrokenWrapperIsFoundByTheLawThatItBreaks), what they are made from
//     is right (TestTheWrappersThatAreBentKeepEveryLawBefore), and retries,
//     breakers, tees, samples and limits keep what they say of themselves
//     (TestTheWrappersKeepWhatTheyPromiseOfThemselves).
//  4. JetStream passes on one server (TestJetStreamKeepsEveryLaw), and on three
//     whose leader stops again and again
//     (TestJetStreamKeepsEveryLawWhileItsLeadersStop); through a server, too, what
//     is broken is found (TestABrokenJetStreamIsFound).
//  5. Every wrapper holds in the simulator, under every invariant
//     (TestEveryWrapperHoldsInTheSimulator), where a lock held over a sleep
//     (TestALockHeldOverASleepStopsTheSimulator) and the machine's clock show
//     (TestTheMachinesClockStopsTheSimulator,
//     TestTheMachinesTimeOfDayMakesRunsDiffer).
//  6. What is skipped is named, with the reason (TestTheReportListsEveryLaw).
//
// # Non-guarantees
//
//  1. A law that holds in every case tried may be broken in another.
//  2. What a medium does is up to the hooks of Config: without Crash, Full,
//     FailSync and Flip nothing is known of how an appender takes them.
package appendertest
