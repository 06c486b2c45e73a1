//go:build unix

package edit

import (
	"os"
	"syscall"
)

// own gives a file the owner and the group of another one.
func own(f *os.File, like os.FileInfo) error {
	of, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if mine, err := f.Stat(); err == nil {
		if m, ok := mine.Sys().(*syscall.Stat_t); ok && m.Uid == of.Uid && m.Gid == of.Gid {
			return nil
		}
	}
	return f.Chown(int(of.Uid), int(of.Gid))
}

// lock waits until no other process saves in a folder. Where the file system has no locks,
// the digests of the files are all there is.
func lock(dir string) (unlock func()) {
	f, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	return func() { _ = f.Close() }
}
