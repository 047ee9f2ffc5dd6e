// Package embedded runs a NATS server, or a cluster of them, in this process.
package embedded
