package ledger

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// blocked returns a SQLite ledger whose writer is busy until release is called,
// so that calls made meanwhile share the next transaction.
func blocked(t *testing.T) (l *Ledger, release func()) {
	t.Helper()
	l, err := Open(t.Context(), Options{Driver: "sqlite", Path: filepath.Join(t.TempDir(), "l.db"), Synchronous: "normal"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l, occupy(l)
}

// occupy keeps the writer busy until release is called.
func occupy(l *Ledger) (release func()) {
	busy, free := make(chan struct{}), make(chan struct{})
	go func() {
		_ = l.write(context.Background(), func(context.Context, txn) error {
			close(busy)
			<-free
			return nil
		})
	}()
	<-busy
	return func() { close(free) }
}

// queued waits until n calls wait for the writer.
func queued(l *Ledger, n int) {
	for len(l.sqlite.queue) < n {
		runtime.Gosched()
	}
}

func save(l *Ledger, ctx context.Context, hash string) error {
	return l.SaveRevision(ctx, hash, []byte(hash))
}

func TestOneCallersFailureIsNotTheGroups(t *testing.T) {
	t.Parallel()
	l, release := blocked(t)
	var good [20]error
	var bad, sql error
	var wg sync.WaitGroup
	for i := range good {
		wg.Go(func() { good[i] = save(l, t.Context(), string(rune('a'+i))) })
	}
	mine := errors.New("mine")
	wg.Go(func() {
		bad = l.write(t.Context(), func(ctx context.Context, tx txn) error {
			if _, err := tx.ExecContext(ctx, `INSERT INTO revision (hash, doc) VALUES ('bad', 'x')`); err != nil {
				return err
			}
			return mine
		})
	})
	wg.Go(func() {
		sql = l.write(t.Context(), func(ctx context.Context, tx txn) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO revision (hash, doc) VALUES ('null', NULL)`)
			return err
		})
	})
	queued(l, 22)
	release()
	wg.Wait()
	require.ErrorIs(t, bad, mine)
	require.ErrorContains(t, sql, "NOT NULL")
	for i, err := range good {
		require.NoError(t, err)
		_, err = l.Revision(t.Context(), string(rune('a'+i)))
		require.NoError(t, err)
	}
	_, err := l.Revision(t.Context(), "bad")
	require.ErrorIs(t, err, ErrNotFound)
}

func TestOneCallersCancellationIsNotTheGroups(t *testing.T) {
	t.Parallel()
	l, release := blocked(t)
	ctx, cancel := context.WithCancel(t.Context())
	given, kept := make(chan error, 1), make(chan error, 1)
	go func() { given <- save(l, ctx, "given up") }()
	go func() { kept <- save(l, t.Context(), "kept") }()
	queued(l, 2)
	cancel()
	require.ErrorIs(t, <-given, context.Canceled)
	release()
	require.NoError(t, <-kept)
	_, err := l.Revision(t.Context(), "kept")
	require.NoError(t, err)
	_, err = l.Revision(t.Context(), "given up")
	require.ErrorIs(t, err, ErrNotFound, "what was given up has not happened")
	require.ErrorIs(t, save(l, ctx, "late"), context.Canceled)
}

// A call whose writing has begun returns what became of it, cancelled or not.
func TestACancelledCommitTellsTheTruth(t *testing.T) {
	t.Parallel()
	l, release := blocked(t)
	release()
	ctx, cancel := context.WithCancel(t.Context())
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		cancel()
		_, err := tx.ExecContext(ctx, `INSERT INTO revision (hash, doc) VALUES ('done', 'x')`)
		return err
	})
	require.NoError(t, err)
	_, err = l.Revision(t.Context(), "done")
	require.NoError(t, err)
}

func TestCallsAfterCloseFail(t *testing.T) {
	t.Parallel()
	l, release := blocked(t)
	waiting := make(chan error, 1)
	go func() { waiting <- save(l, context.Background(), "waiting") }()
	queued(l, 1)
	closed := make(chan error, 1)
	go func() { closed <- l.Close() }()
	release()
	require.NoError(t, <-closed)
	require.NoError(t, <-waiting, "what waited is committed")
	require.ErrorIs(t, save(l, context.Background(), "late"), ErrClosed)
}
