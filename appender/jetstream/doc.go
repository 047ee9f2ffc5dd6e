// Package jetstream is the clustered appender: a NATS JetStream stream whose
// limits are the FIFO-drop contract.
package jetstream
