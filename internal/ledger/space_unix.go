//go:build linux || darwin || freebsd

package ledger

import "syscall"

// freeSpace is how many bytes we may still write to the disk of a folder.
func freeSpace(folder string) (uint64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(folder, &stat); err != nil {
		return 0, err
	}
	return uint64(stat.Bavail) * uint64(stat.Bsize), nil //nolint:gosec,unconvert // not negative; types differ by system
}
