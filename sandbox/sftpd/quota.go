package sftpd

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/pkg/sftp"
)

// quota limits the bytes in a folder. It counts them anew each time, because files are
// also added and removed without the server.
type quota struct {
	dir      string
	capacity atomic.Int64 // 0 = none
	mu       sync.Mutex
}

// Usage says how full the server is. Campaign warns at 80 % (orange) and at 90 % (red),
// and accepts no more files when it is full.
type Usage struct {
	Used     int64  `json:"used"` // bytes
	Capacity int64  `json:"capacity"`
	Level    string `json:"level"` // green, orange, red or full
}

// SetCapacity changes the space in bytes; 0 = any number.
func (s *Server) SetCapacity(bytes int64) { s.quota.capacity.Store(bytes) }

// Usage says how full the server is.
func (s *Server) Usage() Usage {
	used, capacity := s.quota.used(), s.quota.capacity.Load()
	u := Usage{Used: used, Capacity: capacity, Level: "green"}
	switch {
	case capacity == 0:
	case used >= capacity:
		u.Level = "full"
	case used*10 >= capacity*9:
		u.Level = "red"
	case used*10 >= capacity*8:
		u.Level = "orange"
	}
	return u
}

// Room returns syscall.EDQUOT when n more bytes do not fit.
func (s *Server) Room(n int64) error { return s.quota.room(n) }

func (q *quota) room(n int64) error {
	capacity := q.capacity.Load()
	if capacity == 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if used := q.used(); used+n > capacity || used >= capacity {
		return syscall.EDQUOT
	}
	return nil
}

func (q *quota) used() int64 {
	var sum int64
	_ = filepath.WalkDir(q.dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it was removed after it was listed
		}
		if info, err := d.Info(); err == nil && d.Type().IsRegular() {
			sum += info.Size()
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	return sum
}

// StatVFS says how much room there is, as OpenSSH's extension statvfs does. Without a
// capacity the server does not know the extension.
func (f *files) StatVFS(*sftp.Request) (*sftp.StatVFS, error) {
	capacity := f.quota.capacity.Load()
	if capacity <= 0 {
		return nil, sftp.ErrSSHFxOpUnsupported
	}
	const block = 1024
	free := uint64(max(0, capacity-f.quota.used())) / block //nolint:gosec // not negative
	return &sftp.StatVFS{Bsize: block, Frsize: block, Blocks: uint64(capacity) / block, Bfree: free, Bavail: free, Namemax: 255}, nil
}
