//go:build unix && !solaris && !aix

package processlock

import (
	"errors"
	"os"
	"syscall"
)

// Proves says that holding a lock proves that the holders before are gone.
const Proves = true

func exclusive(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errHeld
		case !errors.Is(err, syscall.EINTR):
			return err
		}
	}
}

// unlock releases the lock. Closing the file alone would not, while a program that this
// process has just started still holds a copy of the descriptor.
func unlock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
