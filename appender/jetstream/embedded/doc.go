// Package embedded runs a NATS server, or a cluster of them, in this process.
//
// It is apart from package jetstream so that who only wants the client does not
// compile the server.
//
// # Guarantees
//
//  1. What was acknowledged is there when a server comes back in the same
//     directory (TestAServerKeepsItsStreamsWhenItComesBack). A power failure may
//     take back the last [Options.SyncInterval], 1 s unless it is set, and
//     nothing with [Options.SyncAlways].
//  2. Two servers never share a directory, in one process or in two, on Unix
//     (TestTwoServersNeverShareADirectory).
//  3. A start that fails says why and leaves nothing behind
//     (TestAServerThatCannotStartSaysWhyAndLeavesNothing).
//  4. Shutdown returns when the server has ended, and with it every goroutine
//     (TestMain runs all tests under goleak).
//  5. A server of a [Cluster] can be stopped and started by its number, or
//     because it leads a stream (TestAClusterReplicatesAndItsServersComeBack).
//
// # Non-guarantees
//
//  1. It listens on 127.0.0.1 alone, and asks for no password unless told to:
//     any process on the machine may connect.
//  2. A Cluster is for tests: one process, one machine, one power supply.
//  3. A stopped server shuts down in an orderly way, hands over what it leads
//     and flushes its files: it is not a kill.
package embedded
