// Package meshos is the built-in model of a node: the part of MeshOS that a mesh
// needs to live, as a [loop.Model].
//
// Its behaviour, boundaries and constants are those of MeshOS in ai-2070/net, as
// specified from its source, and the names of its tests are kept where they
// apply:
//
//	peers     heartbeats between nodes give round trips and health
//	locality  a peer with a slow round trip goes on the avoid list for a while
//	daemons   started, stopped, and restarted under a backoff after crashes
//
// Log lines are the loop's own. The executor of its actions is not here: actions
// of the kinds Kind... go out, their outcomes and the daemons' own signals
// ([Started], [ExitedCleanly], [Crashed]) come in as inputs.
//
// Each area is a file: how inputs fold into it, what a tick does for it, when it
// needs one. Replicas, maintenance and admission, which this package does not
// have, would be files beside these, with their inputs in input.go, their
// actions in action.go, and a line each in [Model.Step], [Model.Tick] and
// [Model.Next].
//
// # Guarantees
//
//  1. Equal inputs give equal outputs and equal digests; what is emitted is in
//     the order of ids.
//     TestEqualInputsGiveEqualOutputsAndDigests,
//     TestDaemonsAreReconciledInTheOrderOfTheirIDs
//  2. One action of a kind per target is in flight at a time. (Upstream repeats
//     a start at every tick until the daemon is seen to run.)
//     TestNoActionIsEmittedWhileTheSameIsInFlight
//  3. A daemon that crashed starts again no sooner than its backoff says, and at
//     exactly that time it may: TestSupervisionVectors,
//     TestTrackerIsWhatItsHistorySays, TestBackoffActiveGatesStartDaemonEmission
//  4. A peer's health is a function of how long it has been silent, judged at
//     ticks; it never gets better in silence, and is good again as soon as the
//     peer is heard: TestHealthIsAFunctionOfSilence
//  5. No entry of the avoid list outlives its time at a tick.
//     TestAvoidEntriesNeverOutliveTheirTTL
//  6. A node with nothing due does not tick, and what it does is the same as if
//     it did: TestNodeWithNothingDueDoesNotTick,
//     TestIdlingChangesNothingButTheTicks
//  7. A heartbeat costs O(1) and allocates nothing; a round of them allocates
//     one message: TestHeartbeatsAllocateNothingButOneMessageARound
//  8. The memory of a model depends on its peers and daemons, not on how often
//     they fail: TestTrackerIsWhatItsHistorySays
//
// # Non-guarantees
//
//  1. Heartbeats and judgements wait for ticks: a silence is noticed up to one
//     tick interval after its bound.
//  2. A round trip is never forgotten, as upstream: a peer that fell silent
//     after a slow one is avoided anew whenever its entry has run out.
//     TestSilentPeersLastRoundTripMarksItAgain
//  3. An action whose outcome never comes is never emitted again. Answering
//     every action is the executor's duty.
//     TestStartIsNotEmittedAgainWhileOneIsInFlight
//  4. A start that the executor could not carry out is tried again at every
//     tick, without a backoff, as upstream.
//     TestFailedStartIsTriedAgainAtTheNextTick
package meshos
