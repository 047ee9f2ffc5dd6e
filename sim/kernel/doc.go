// Package kernel schedules a simulation's steps deterministically in virtual time.
package kernel
