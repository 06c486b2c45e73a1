//go:build unix

package ledger_test

import (
	"syscall"
	"time"
)

// userCPU is the CPU time that this process took for itself. On a machine that others use
// too it says more than the time that passed.
func userCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano())
}
