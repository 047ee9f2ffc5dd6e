// Package filelog is the durable appender: a log in segments of checksummed
// frames on a local file system.
//
// [Open] opens a log in an [FS], which is [Dir], a directory of the operating
// system, or a simulated disk. A [Log] is an appender for records of any node; it
// appends in order, drops the oldest beyond its limits, and is replayed from a
// cursor. [Read] reads a log without its lock, beside its writer.
//
// A batch is one frame: header and payload, each under a CRC-32C that begins with
// a salt of the segment and the offset. A frame also says what is retained and up
// to where records are known to survive a power failure. By the latter a gap in
// front of it is told from a torn tail: what had been durable is damaged and
// reported as a [CorruptError], what had not was cut off by the failure. A sync
// that failed is never called again on its file; what was in doubt is written once
// more to a new segment, whose header says where the old one ends.
//
// # Guarantees
//
//  1. A log holds the records appended, in order, each as it was, and of those
//     exactly the newest that Options.MaxRecords allows, over any closings and
//     openings (TestALogIsASliceThatForgetsItsBeginning,
//     TestEveryValueOfARecordComesBack, TestABatchOfAnySizeIsStored). Replays
//     begin at their cursor (the first of these).
//  2. What is acknowledged survives the death of the process
//     (TestWhatWasAcknowledgedSurvivesKills), and a power failure as far as the
//     sync policy says (TestThePolicyIsKept; package meshsim/sim/torture cuts the
//     power).
//  3. A torn tail is cut off by whole batches, reported, and the log works
//     (TestATornTailIsCutOffAndReported, TestWhatIsTornIsCutOffARealFile).
//  4. Damage elsewhere is reported with file, offset and records, by opening and in
//     the place of the records by reading, which yields the others
//     (TestABitThatTurnsIsReported, TestOpeningAndEveryReadingTellTheSame,
//     TestOneBitHidesNothingBehindIt, TestEverySegmentThatIsLostIsNamed,
//     TestWhatIsWholeInFrontOfALostSegmentIsRead, TestALogThatWasClosedIsNotTorn,
//     TestASegmentWithoutAHeaderIsReportedByEveryReader,
//     TestDamageOfAnOpenLogIsReportedByReplay), for as long as it is there
//     (TestDamageThatWasFoundStaysDamage), and nothing else is
//     (TestWhatBecomesOfDroppedSegmentsIsNoDamage,
//     TestASegmentThatHoldsNothingIsNotMissed, TestASegmentThatWasBeingMadeIsNotMissed).
//     Whatever a directory holds, nothing is read that was never written
//     (FuzzDamage, FuzzOpen, FuzzRecords).
//  5. A call that finds the disk full, or fails otherwise, stores nothing, or says
//     that the outcome is unknown; the log goes on when the fault ends
//     (TestAFullDiskIsSurvived, TestANewSegmentIsMadeBeforeTheOldOneIsLeft,
//     TestAnUnknownOutcomeSaysSo, TestWhatAWriteThatFailsLeavesBehindIsNoRecord).
//  6. A failed sync is never tried again, and nothing is called durable by it
//     (TestASyncThatFailedIsNeverTriedAgain).
//  7. Retention is exact in what is read, takes one segment more on the disk once
//     what replaced it is durable, and removes whole segments by bytes and age
//     (TestRetentionIsExactAndTakesOneSegmentMore,
//     TestALogThatDoesNotSyncGivesRoomBack,
//     TestBytesAreRetainedBySegments, TestWhatIsOldGoes,
//     TestSegmentsThatCannotBeReadAreRetainedLikeOthers,
//     TestRetentionTriesAgainWhatItCannotRemove).
//  8. Concurrent callers keep their order, share syncs, and are told the truth each
//     (TestConcurrentWritersKeepTheirOrder, TestWritersThatWaitShareASync,
//     TestWritersAreToldTheTruthByAFailingDisk). Counters and positions are
//     answered while the disk hangs (TestWhatIsAskedForWhileTheDiskHangsIsAnswered).
//  9. A reader that follows yields every record once, in the process of the log and
//     beside it (TestAReaderThatFollowsSeesEveryRecordOnce,
//     TestAFollowerBesideARollThatFails), and takes nothing for damage that is
//     being written or dropped (TestWhatIsWrittenWhileAReaderLooksIsNoDamage).
//  10. One log at a time is open in a directory (TestASecondOpenerIsRefused); its
//     files are its owner's alone (TestALogIsItsOwnersAlone), each node has its own
//     (TestNamesOfNodesAreNamesOfDirectories, TestNodesHaveLogsOfTheirOwn), and
//     other files are left alone (TestOtherFilesAreLeftAlone,
//     TestNumbersThatAreNoLogsAreLeftAlone).
//  11. An append allocates nothing (TestAnAppendDoesNotAllocate) and costs one write
//     and at most one sync, however long the log is
//     (TestTheCostOfAnAppendDoesNotGrowWithTheLog). BenchmarkSyncedAppend and
//     BenchmarkTrim compare it with bare files.
//  12. The format on disk is that of the golden file
//     (TestTheFormatOnDiskIsTheGoldenOne, TestTheGoldenLogIsRead).
//
// The properties behind 1, 2, 5 and 6 are shown to fail for broken logs
// (TestEveryBrokenLogFailsItsProperty); package meshsim/sim/torture has more.
//
// # Non-guarantees
//
//  1. Damage to the last frames of a log that was not closed cannot be told from a
//     torn tail: they are cut off and reported as such.
//  2. A record whose outcome was unknown is stored twice if it is tried again and
//     another caller's record has come between.
//  3. A reader beside the log sees records before they are acknowledged, and some
//     that are taken back when a sync fails and no new segment can be made.
//  4. An interval of syncs and an age of records are looked at when something is
//     appended: no timer runs.
//  5. Opening reads all of the log, and writes once more what is not known to be
//     durable. A call that waits for the disk cannot be given up.
//  6. Under [SyncNever], what a failed sync has cost a segment that was left is not
//     told from a torn tail by the next opening, which cuts off what is behind it;
//     Flush and Close have told of the failure.
//  7. [Read] before the opening that follows a power failure may show records that
//     this cuts off, and report as missing what it finds torn.
//  8. Where the system has no file locks (Plan 9, WebAssembly), no directory is opened.
package filelog
