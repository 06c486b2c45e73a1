package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// txn is a writing transaction of either database.
type txn interface {
	queryer
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// queryer reads, inside a transaction or outside.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// work is one caller's part of a transaction. It may run more than once, of
// which only the last is kept, so it sets what it returns through variables anew.
type work func(ctx context.Context, tx txn) error

const conflictTries = 5

// write runs w in a transaction that is durable when it returns nil, and has
// not happened when it returns ctx's error from SQLite. On SQLite, callers that
// wait at the same time share a transaction; PostgreSQL commits side by side.
func (l *Ledger) write(ctx context.Context, w work) error {
	return l.noted(l.writeOnce(ctx, w))
}

func (l *Ledger) writeOnce(ctx context.Context, w work) error {
	if !l.postgres {
		if err := l.file.inPlace(); err != nil {
			return err
		}
		if turn, ok := ctx.Value(turnKey{}).(Turn); ok { // the transaction's context is not the caller's
			return l.sqlite.do(ctx, &commit{work: func(ctx context.Context, tx txn) error { return w(WithTurn(ctx, turn), tx) }})
		}
		return l.sqlite.do(ctx, &commit{work: w})
	}
	for try := 1; ; try++ {
		err := l.transact(ctx, w)
		if try == conflictTries || !conflicted(err) {
			return err
		}
	}
}

func (l *Ledger) transact(ctx context.Context, w work) error {
	tx, err := l.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := w(ctx, tx); err != nil {
		if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) && ctx.Err() == nil {
			err = errors.Join(err, undo)
		}
		return err
	}
	return tx.Commit()
}

// sqliteWriter is SQLite's one writer: it merges the calls that wait together into
// one transaction, so that a disk flush serves all; one's failure is not the others'.
type sqliteWriter struct {
	path  string
	conn  *conn
	queue chan *commit
	done  chan struct{}

	mu     sync.RWMutex // held for reading while sending to queue
	closed bool
}

// commit is a waiting call. Whoever moves taken from false to true decides: the
// writer takes it, or its caller gives it up.
type commit struct {
	work   work
	lane   *laneCommit // nil, or what work does, which can be done together with that of others
	taken  atomic.Bool
	answer chan error
}

const mergeMax = 64

func newSQLiteWriter(ctx context.Context, path string, db *sql.DB) (*sqliteWriter, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	cm := &sqliteWriter{path: path, conn: &conn{c: c, stmts: map[string]*sql.Stmt{}}, queue: make(chan *commit, mergeMax), done: make(chan struct{})}
	go cm.loop()
	return cm, nil
}

func (c *sqliteWriter) close() error {
	c.mu.Lock()
	c.closed = true
	close(c.queue)
	c.mu.Unlock()
	<-c.done
	return c.conn.close()
}

// do returns when x is committed or has not happened, never in between.
func (c *sqliteWriter) do(ctx context.Context, x *commit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	x.answer = make(chan error, 1)
	if err := c.send(ctx, x); err != nil {
		return err
	}
	select {
	case err := <-x.answer:
		return err
	case <-ctx.Done():
	}
	if x.taken.CompareAndSwap(false, true) {
		return ctx.Err()
	}
	return <-x.answer
}

func (c *sqliteWriter) send(ctx context.Context, x *commit) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return ErrClosed
	}
	select {
	case c.queue <- x:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *sqliteWriter) loop() {
	defer close(c.done)
	group := make([]*commit, 0, mergeMax)
	for first := range c.queue {
		group = group[:0]
		if first.taken.CompareAndSwap(false, true) {
			group = append(group, first)
		}
	gather:
		for len(group) < mergeMax {
			select {
			case x, ok := <-c.queue:
				if !ok {
					break gather
				}
				if x.taken.CompareAndSwap(false, true) {
					group = append(group, x)
				}
			default:
				break gather
			}
		}
		c.commit(group)
		clear(group)
	}
}

// commit answers each call of the group. Where one of them fails, or the
// transaction as a whole, each gets a transaction of its own: failures are rare,
// and a savepoint per call would cost every call a journal. While another program
// has the file all of them fail, because waiting for it once was enough.
func (c *sqliteWriter) commit(group []*commit) {
	if len(group) == 0 {
		return
	}
	ctx := context.Background() // one caller's cancellation is not the group's
	err := c.transact(ctx, func() error {
		var lanes []*laneCommit
		for _, x := range group {
			if x.lane != nil {
				lanes = append(lanes, x.lane)
				continue
			}
			if err := x.work(ctx, c.conn); err != nil {
				return err
			}
		}
		return commitTogether(ctx, c.conn, lanes)
	})
	for _, x := range group {
		if err != nil && len(group) > 1 && !errors.Is(err, errLocked) {
			x.answer <- c.transact(ctx, func() error { return x.work(ctx, c.conn) })
			continue
		}
		x.answer <- err
	}
}

func (c *sqliteWriter) transact(ctx context.Context, f func() error) error {
	if _, err := c.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		if busy(err) {
			return sqliteSentence(c.path, err)
		}
		return err
	}
	err := f()
	if err == nil {
		_, err = c.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// Fails where SQLite has rolled back by itself (a full disk).
		_, _ = c.conn.ExecContext(ctx, "ROLLBACK")
	}
	return err
}

// conn is a connection that keeps its statements prepared. Their number is that
// of the query texts in this package.
type conn struct {
	c     *sql.Conn
	stmts map[string]*sql.Stmt
}

func (c *conn) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.c.PrepareContext(ctx, query)
	if err == nil {
		c.stmts[query] = s
	}
	return s, err
}

func (c *conn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := c.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (c *conn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := c.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (c *conn) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := c.prepared(ctx, query)
	if err != nil {
		return c.c.QueryRowContext(ctx, query, args...) // fails the same way, inside the Row
	}
	return s.QueryRowContext(ctx, args...)
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}
