// Package disk is a simulated disk under the file system that filelog is
// written against, with the faults of real ones, drawn from a seed.
//
// A [Disk] is one flat directory in two layers: what processes see (the page
// cache of an operating system), and what is durable. A write goes to the cache
// and is noted; Sync on a file makes its content durable, SyncDir makes names
// durable. A power failure ([Disk.Crash]) takes everything that is not durable
// apart into pieces: the sectors of each write, each change of a size, each
// creation, renaming and removal. Every piece is kept or lost on its own, in any
// order: this is what POSIX promises at its least, and what file systems were
// found to do (Pillai et al., "All File Systems Are Not Created Equal", OSDI
// 2014, who call it the abstract persistence model). [Disk.CrashKeeping] lets a
// campaign choose the pieces; [Disk.Kill] is the death of the process alone.
//
// A process sees the disk through a [Mount], which is dead once the power failed
// or the process did. Faults are [Rule]s, and [Disk.SetCapacity], [Disk.Flip].
//
// # Guarantees
//
//  1. Processes see what was written, in the order in which it was, whatever is
//     durable (TestADiskIsWhatANaiveModelOfItIs). Without faults the answers are
//     those of the real file system (TestTheRealFileSystemAnswersTheSame).
//  2. After a power failure, what was synced is there, and every sector else is
//     what some of the changes made of it, in their order; names are what some of
//     the changes of names made (the same test). All of that happens, and sectors
//     are torn only if Options.Tear is set
//     (TestAnythingThatPOSIXAllowsHappensAndNothingElse).
//  3. Pieces are kept one by one, up to any byte (TestPiecesAreKeptOneByOne,
//     FuzzCrash).
//  4. A process that is dead changes nothing, not even by a call that was waiting
//     when it died, and its lock is free
//     (TestACallThatWaitsWhenItsProcessDiesChangesNothing,
//     TestADiskIsWhatANaiveModelOfItIs).
//  5. A sync that fails makes everything clean: each sector of it is on the disk
//     or lost, a later sync knows nothing of it, and what processes read may be
//     either (TestAnythingThatPOSIXAllowsHappensAndNothingElse).
//  6. A rule strikes the calls that it says, and each strike is counted
//     (TestARuleStrikesWhatItSaysAndIsCounted); what a write reports as written,
//     was (TestAWriteThatFallsShortHasWrittenWhatItSays).
//  7. Files never hold more than there is room for; removals and a larger
//     capacity give room back (TestNoMoreIsEverStoredThanThereIsRoomFor).
//  8. A flip turns one bit of what is stored
//     (TestAFlippedBitIsOneOnTheDiskAndNotInWhatIsNewer), that of a read none
//     (TestAReadThatIsFlippedLeavesTheDiskAsItIs).
//  9. The same calls on a disk of the same seed have the same results, and those
//     on a clone do not reach its origin (TestTheSameCallsHaveTheSameResults).
//  10. A handle that is closed, or open to read alone, does nothing that it must
//     not, and no rule strikes it (TestWhatAHandleMayNotDoItDoesNotDo).
//
// The model behind 1, 2, 4 and 5 is shown to fail for broken disks
// (TestEveryBrokenDiskFailsTheModel).
//
// # Non-guarantees
//
//  1. What a file holds where its size grew and its bytes were lost is zeros,
//     never what was in those sectors before.
//  2. A sector that is torn holds a prefix of what was written, not other parts
//     of it. Sectors are those of files: there are no blocks that two share.
//  3. What is drawn under concurrent calls depends on their order.
//  4. Beyond 1 MiB that a file has unsynced, its oldest writes become durable, as
//     systems write them out in time.
//  5. There are no directories, links, permissions, and no limits but the
//     capacity.
package disk
