package ledger

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"

	"causeway.dev/internal/processlock"
)

// WorkerID names a process that works with the ledger, from its opening to its end.
// It is random.
type WorkerID string

// presence shows a process to other workers for as long as it lives, and to no longer.
type presence interface {
	id() WorkerID
	// alive is false only when the process of another worker is provably gone.
	alive(ctx context.Context, other WorkerID) (bool, error)
	// gone lists workers whose process is gone, as far as that is known without a name.
	gone(ctx context.Context) ([]WorkerID, error)
	// programs are those of the workers that live, this one's among them.
	programs(ctx context.Context) ([]Program, error)
	// alone runs f, unless another worker does.
	alone(ctx context.Context, f func(context.Context) error) error
	end() error
}

// Worker is the id of this process; "" when it was not opened as a worker.
func (l *Ledger) Worker() WorkerID {
	if l.presence == nil {
		return ""
	}
	return l.presence.id()
}

// Alive says whether the process of a worker may still be at work. It is false only
// when that process is provably gone, so that it will never send anything again: its
// lock was released, which the system does when a process ends. A process that is
// paused is alive. Where nothing is known of it, it may be alive.
func (l *Ledger) Alive(ctx context.Context, id WorkerID) (bool, error) {
	if id == "" || l.presence == nil || id == l.presence.id() {
		return true, nil
	}
	alive, err := l.presence.alive(ctx, id)
	if err != nil {
		return true, fmt.Errorf("ledger: asking whether worker %s lives: %w", id, err)
	}
	return alive, nil
}

// Gone lists workers of whose processes one look says that they are gone; Alive looks
// more closely. It is empty on SQLite: there every other worker is gone before this one
// begins.
func (l *Ledger) Gone(ctx context.Context) ([]WorkerID, error) {
	if l.presence == nil {
		return nil, nil
	}
	gone, err := l.presence.gone(ctx)
	if err != nil {
		return nil, fmt.Errorf("ledger: asking which workers are gone: %w", err)
	}
	return gone, nil
}

// Program is what a worker says of its program.
type Program struct {
	Build string
	Knows int64 // newest schema of the ledger that it knows
}

func (o Options) program() Program { return Program{Build: o.Build, Knows: o.newestSchema()} }

// Programs are those of the workers that live, that of this process among them. One whose
// connection has just been lost may be missing for a moment.
func (l *Ledger) Programs(ctx context.Context) ([]Program, error) {
	if l.presence == nil {
		return nil, nil
	}
	programs, err := l.presence.programs(ctx)
	if err != nil {
		return nil, fmt.Errorf("ledger: asking which programs work with it: %w", err)
	}
	return programs, nil
}

// TakeOver runs f, which takes work over from workers that are gone. While one worker of
// the ledger does, the others leave it alone: TakeOver then does nothing.
func (l *Ledger) TakeOver(ctx context.Context, f func(context.Context) error) error {
	if l.presence == nil {
		return nil
	}
	return l.presence.alone(ctx, f)
}

func newWorkerID() WorkerID { return WorkerID(rand.Text()) }

// fileLock is the presence of a worker on SQLite: an exclusive lock on a file beside
// the ledger. One worker has it, so every other one is gone.
type fileLock struct {
	worker  WorkerID
	program Program
	lock    *processlock.Lock
}

// lockSuffix is added to the path of a SQLite ledger: that file is locked.
const lockSuffix = ".lock"

// waitForFile makes this process the worker of a SQLite ledger, when the one before
// is gone.
func waitForFile(ctx context.Context, o Options, logger *slog.Logger) (presence, error) {
	lock, err := processlock.Wait(ctx, o.Path+lockSuffix, func(h processlock.Holder) {
		logger.WarnContext(ctx, "another worker has the ledger; this one begins when that one is gone", "ledger", o.Path, "holder", h.String())
		if o.Waits != nil {
			o.Waits(h.String())
		}
	})
	if err != nil {
		return nil, err
	}
	return &fileLock{worker: newWorkerID(), program: o.program(), lock: lock}, nil
}

func (f *fileLock) id() WorkerID { return f.worker }

func (f *fileLock) alive(context.Context, WorkerID) (bool, error) {
	// With the lock's file removed, another process may have taken a new one.
	return !processlock.Proves || f.lock.InPlace() != nil, nil
}

func (f *fileLock) gone(context.Context) ([]WorkerID, error) { return nil, nil }

func (f *fileLock) programs(context.Context) ([]Program, error) { return []Program{f.program}, nil }

func (f *fileLock) alone(ctx context.Context, run func(context.Context) error) error { return run(ctx) }

func (f *fileLock) end() error { return f.lock.Release() }
