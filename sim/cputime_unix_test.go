//go:build unix

package sim_test

import (
	"syscall"
	"time"
)

// cpuTime is the processor time that the process has used: what a benchmark
// costs on a machine that is busy with other things too.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
