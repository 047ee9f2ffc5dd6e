// Package disk is a simulated disk: the file system that filelog is written
// against, with the faults of real ones, drawn from a seed.
package disk
