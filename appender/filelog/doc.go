// Package filelog is the durable appender: a log in segments of checksummed
// frames on a local file system.
package filelog
