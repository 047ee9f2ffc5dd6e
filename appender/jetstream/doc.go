// Package jetstream is the clustered appender: a NATS JetStream stream for each
// node, whose limit is the FIFO-drop contract, and whose servers keep stale
// writers out.
//
// [Open] takes a node's stream over and appends to it; [Read] and
// [Appender.Replay] read it back, [Nodes] lists what there is. The servers are
// anybody's, 2.12 or newer; package embedded runs them in this process.
//
// The log of node n1 under the prefix log is the stream log@n1 with the subject
// log.n1, a message for each record: the record's text is its body, its identity
// n1/3/0/17 (node, incarnation, stream, seq) is its Nats-Msg-Id, and the rest is
// in the header Meshsim-Record. So nats sub 'log.*' shows all logs as they grow.
// Bytes of a node's name that subjects cannot have are written %XX. Beside the
// records the stream keeps one message on log.n1.owner, which says who has it,
// and after a takeover some empty ones on log.n1.gap.
//
// A user needs to publish to log.>, to $JS.API.STREAM.{INFO,CREATE,MSG.GET}.> and
// $JS.API.CONSUMER.> (with [Options.Update] to STREAM.UPDATE.> as well, for [Nodes]
// to STREAM.NAMES), and to subscribe to _INBOX.>
// (TestAUserNeedsNoMorePermissionsThanAreDocumented).
//
// # What an acknowledgement means
//
// A quorum of [Options.Replicas] servers has taken the record. By default a
// NATS server syncs its files every two minutes, so an acknowledged record
// survives the death of all server processes and the power failure of a
// minority, but not the power failure of all replicas within that time. With
//
//	jetstream { sync_interval: always }
//
// in the servers' configuration it survives that as well, at sixty times the
// cost and more: they sync message by message, so a batch gains nothing.
//
// # Guarantees
//
//  1. The stream holds the newest MaxRecords records, exactly and in order, and
//     Dropped is what was ever stored less what is held, also after any
//     opening (TestAChainIsAListThatForgetsItsBeginning, and for a limit that is
//     changed TestAStreamWithOtherLimitsIsRefusedOrChanged).
//  2. Any record comes back as it was (the same;
//     TestDecodingUndoesEncodingForAnyRecord), under any node's name
//     (TestAnyNodeNameMakesOneTokenAndComesBack).
//  3. An error without [appender.ErrUnknownOutcome] means that the record is not
//     stored and never will be, wherever it is on its way
//     (TestWhatWasToldToHaveFailedIsNotStored,
//     TestWithoutAConnectionAnAppendFailsAtOnceAndNothingIsStoredLater).
//  4. A record whose outcome is unknown is never stored behind a later one
//     (TestWhatIsStillOnItsWayIsNeverStoredBehindALaterRecord), and is stored
//     once if it is appended again
//     (TestAnAcknowledgementThatIsLostMakesTheOutcomeUnknownAndARetryStoresOnce).
//     While time is left the appender finds out by itself
//     (TestALostAcknowledgementIsFoundOutWhileTimeIsLeft).
//  5. Nothing acknowledged is lost, doubled or reordered when servers stop and
//     come back (TestServersThatStopAndComeBackLoseAndDoubleNothing), or their
//     processes are killed (TestServersThatAreKilledLoseAndDoubleNothing), nor, with
//     three replicas, when the leader dies
//     (TestALeaderThatDiesLosesAndDoublesNothing).
//  6. Once an opening of a node has returned, the servers refuse everything of
//     an earlier one (TestWhatAStaleOpeningHasOnItsWayIsRefused), which leaves a
//     prefix of what it appended
//     (TestATakeoverInTheMiddleOfABatchLeavesAPrefix). Of several at once the
//     newest stays (TestOfOpeningsAtOnceTheNewestStays); one that is older than
//     what the stream has seen is refused (TestAnOpeningThatIsNotNewerIsRefused).
//  7. A record that is too large fails alone
//     (TestARecordThatIsTooLargeFailsAlone).
//  8. A call ends with its context and with Options.Timeout
//     (TestTheTimeoutEndsACallWhateverItsContextAllows), and with Close
//     (TestCloseEndsACallThatHangs), behind which nothing goes on
//     (TestNothingRunsOnBehindCloseAndReaders). A call that begins too late
//     stores nothing (TestACallAfterCloseIsRefused,
//     TestACallWhoseContextHasEndedStoresAndCountsNothing).
//  9. A reader gets what was there when it began
//     (TestReadingEndsWithTheRecordsThatWereThere); a follower goes on, also
//     after the servers were away
//     (TestAFollowerSeesWhatIsAppendedAndSurvivesTheServersRestart).
//  10. A stream with other limits than asked for is refused, not changed, and
//     loses nothing (TestAStreamWithOtherLimitsIsRefusedOrChanged).
//  11. What is wrong with servers, credentials and certificates is said in one
//     line without a password (TestWhatIsWrongWithTheServersIsSaidInOneLine,
//     TestUsersAreKnownByPasswordOrNot, TestUsersAreKnownByNKeyAndByToken,
//     TestUsersAreKnownByCredentials,
//     TestServersAreCheckedAndClientsIdentifiedByCertificates).
//
// Appenders that break 1 to 6 are seen to fail: TestTheModelFailsEveryBrokenAppender,
// and the subtests "and this is seen".
//
// # Non-guarantees
//
//  1. It waits on the network in real time, not on the Clock of its Env, which
//     it does not use: a simulator stops while it waits.
//  2. A record that is appended again is recognised for sure for
//     Options.DedupeWindow, and beyond it among the last Options.InFlight
//     records of the stream, while they are retained.
//  3. An identity names one record for ever. A process that starts again with
//     incarnation 1 appends records that the servers take for the old ones, and
//     drop: begin above [Chain].Incarnation.
//  4. Who else publishes to a chain's subjects, purges them, sets other limits,
//     or deletes a chain and opens it anew while an appender still has the old
//     one, breaks it: sequences begin again at 1, and an old writer's
//     expectation may happen to fit. Readers report messages that are no records.
//  5. There is no limit by bytes or age: it would let the owner's message go.
//  6. Servers report no bit that flips on their disks: what they cannot read
//     they leave out (measured with server 2.15.2).
//  7. A stream, and with replicas a Raft group, for each node suits hundreds of
//     nodes, not a million.
package jetstream
