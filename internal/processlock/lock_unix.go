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
