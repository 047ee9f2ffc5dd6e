// Package torture tears, cuts, flips, fills and kills logs of package filelog on
// simulated disks, and checks every acknowledged record.
//
// A case ([Case]) is a history drawn from a seed: a log with some options (sync
// policy, retention, small segments) on a disk (package disk) with some sectors,
// and steps: batches of records of all sizes, flushes, orderly ends, deaths of the
// process and power failures between calls and within them, full disks, writes
// and syncs that fail, bits that turn, replays from cursors, readers beside the
// log, second openers, and changes of options. After each step the log must be
// what a model says, and after each opening what it found must be. In the end
// every fault is taken away, and the log must work. This is the method of
// FoundationDB's simulation and of TigerBeetle's VOPR, on one component.
//
// [Run] runs many cases, [Systematic] what can be gone through one by one. What
// fails is made small ([Failure]) and comes with the command that runs it again.
//
// # What is checked
//
//   - A record that is durable, by Position, a flush, an orderly end or its
//     policy, is there after everything but a bit that turned; one that was
//     acknowledged, after the death of the process.
//   - What is there is a prefix of what was acknowledged, in order, of whole
//     batches; behind it, at most one whole batch whose outcome was told to be
//     unknown. What was refused never appears. Every field of every record is
//     compared.
//   - What a bit, or a sync that failed, has cost is reported, by recovery and by
//     replay at its position; nothing is reported that did not happen; a torn tail
//     only where something tore it. With Refuse, damage keeps a log from opening.
//   - Retention is exact, and its head never goes back in one process, nor over an
//     orderly end or a kill.
//   - A call fails only if a fault struck it, or a sync that failed before; it
//     makes a bounded number of calls of the file system; a policy is kept by
//     every append that succeeds.
//   - A log that is open keeps a second out; one that is closed takes nothing.
//
// # Guarantees
//
//  1. Logs of package filelog pass (TestLogsKeepTheirWordOnFaultyDisks,
//     TestEveryFaultAtEveryPlaceOfASmallLog).
//  2. Logs, and file systems under them, that break their word do not
//     (TestEveryBrokenLogIsFound).
//  3. A case is a function of its seed, a campaign of its seed and number of
//     cases, whatever the workers (TestACampaignIsAFunctionOfItsSeed); its failure
//     is that of the least seed
//     (TestTheFirstFailureIsReportedWhateverTheWorkers).
//  4. A failure tells the smallest history that was found to fail in the same
//     way, and its command runs it again (TestAFailureIsToldSmallAndAgain).
//  5. A campaign ends with its context, and no goroutine outlives it
//     (TestACampaignEndsWithItsContext).
//
// # Non-guarantees
//
//  1. Calls on a log come one at a time: what concurrent callers do to each other
//     is for filelog's own tests.
//  2. Time is virtual and calls of the disk take none.
//  3. The histories of a seed change with this package.
package torture
