// Package processlock lets one process at a time work with a file or a folder, and
// tells the others which process that is. The ledger and the devstack use it.
//
// The lock is the kernel's, on a small file beside what it protects. The kernel
// releases it when the process ends, in whatever way. So whoever holds the lock knows
// that the holder before is gone.
package processlock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// retryEvery is how often Wait tries again.
const retryEvery = 200 * time.Millisecond

// Holder is the process that holds a lock.
type Holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// Self is this process, from now on.
func Self() Holder {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	return Holder{PID: os.Getpid(), Host: host, Since: time.Now().UTC().Truncate(time.Second)}
}

// String names the process in messages.
func (h Holder) String() string {
	if h.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d on %s, since %s", h.PID, h.Host, h.Since.Format("2006-01-02 15:04:05 MST"))
}

// HeldError is returned while another process holds the lock.
type HeldError struct {
	Path   string
	Holder Holder
}

func (e *HeldError) Error() string { return fmt.Sprintf("%s is held by %s", e.Path, e.Holder) }

// Lock is a lock that this process holds.
type Lock struct {
	path string
	file *os.File
}

// Take takes the lock whose file is at path, or fails with *HeldError.
func Take(path string) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := exclusive(f); err != nil {
			if errors.Is(err, errHeld) {
				err = &HeldError{Path: path, Holder: readHolder(f)}
			}
			return nil, errors.Join(err, f.Close())
		}
		l := &Lock{path: path, file: f}
		if l.InPlace() != nil {
			// Somebody has removed the file meanwhile, so others would lock another one.
			if err := f.Close(); err != nil {
				return nil, err
			}
			continue
		}
		if err := l.sign(); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return l, nil
	}
}

// Wait takes the lock as soon as it is free. waits is told of each process that is
// waited for, once.
func Wait(ctx context.Context, path string, waits func(Holder)) (*Lock, error) {
	var told *Holder
	for {
		l, err := Take(path)
		held, ok := errors.AsType[*HeldError](err)
		if !ok {
			return l, err
		}
		if told == nil || *told != held.Holder {
			told = &held.Holder
			waits(held.Holder)
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(held, ctx.Err())
		case <-time.After(retryEvery):
		}
	}
}

// InPlace says that the file of the lock is still where others look for it.
func (l *Lock) InPlace() error {
	ours, err := l.file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(l.path)
	if err != nil {
		return err
	}
	if !os.SameFile(ours, there) {
		return fmt.Errorf("%s was replaced", l.path)
	}
	return nil
}

// Release lets the next process in. The file stays: a process that waits has it open.
func (l *Lock) Release() error { return errors.Join(unlock(l.file), l.file.Close()) }

// sign writes who holds the lock into its file.
func (l *Lock) sign() error {
	doc, err := json.Marshal(Self())
	if err != nil {
		return err
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err = l.file.WriteAt(append(doc, '\n'), 0)
	return err
}

// readHolder reads who holds the lock: nobody known while the holder has not signed.
func readHolder(f *os.File) (h Holder) {
	if err := json.NewDecoder(f).Decode(&h); err != nil {
		return Holder{}
	}
	return h
}

var errHeld = errors.New("held")
