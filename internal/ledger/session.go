package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	sessionRetry  = time.Second      // between attempts to take a lost session up again
	sessionTry    = 10 * time.Second // for one of them
	sessionForget = 30 * 24 * time.Hour
	sessionLook   = 300 * time.Millisecond // between two looks at whether a lock is held
)

// session is the presence of a worker on PostgreSQL: an advisory lock that a
// connection of its own holds. The server releases it when the connection ends, and
// the kernel ends the connection when the process ends.
//
// The server can end a connection whose process lives: when it restarts. The table
// worker keeps which start of the server a lock was taken in. After another start
// nothing is known of a worker that has not taken its lock again.
type session struct {
	worker  WorkerID
	program Program
	config  *pgx.ConnConfig
	db      *sql.DB // answers questions about others; conn is busy with waiting
	conn    *pgx.Conn
	logger  *slog.Logger
	cancel  context.CancelFunc
	done    chan struct{}
	woken   chan struct{} // has a value when another worker has said something to all
	pushes  chan Push     // of which any worker was told
}

// newSession shows this process to the workers of a PostgreSQL ledger.
func newSession(ctx context.Context, o Options, db *sql.DB, logger *slog.Logger) (presence, error) {
	config, err := postgresConfig(o)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["application_name"] = "causeway worker"
	s := &session{worker: newWorkerID(), program: o.program(), config: config, db: db, logger: logger, done: make(chan struct{}), woken: make(chan struct{}, 1), pushes: make(chan Push, 256)}
	if s.conn, err = s.begin(ctx); err != nil {
		return nil, fmt.Errorf("ledger.dsn: showing this worker to others: %w", err)
	}
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go s.hold(ctx)
	return s, nil
}

// begin opens a connection that holds the lock.
func (s *session) begin(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return nil, err
	}
	for _, q := range []struct {
		text string
		args []any
	}{
		// The connection must end with the process only: neither because it is idle, nor
		// because its host does not answer for a while. A frozen host may go on.
		{`SELECT set_config('idle_session_timeout', '0', false) WHERE current_setting('idle_session_timeout', true) IS NOT NULL`, nil},
		{`SELECT set_config('tcp_keepalives_idle', '86400', false)`, nil},
		{`SELECT pg_advisory_lock($1)`, []any{s.worker.lock()}},
		{`LISTEN ` + shareChannel, nil},
		{`LISTEN ` + pushChannel, nil},
		{`INSERT INTO worker (id, server_start, since, build, knows) SELECT $1, pg_postmaster_start_time()::text, $2, $3, $4
			ON CONFLICT (id) DO UPDATE SET server_start = excluded.server_start`, []any{string(s.worker), time.Now().UnixMilli(), s.program.Build, s.program.Knows}},
	} {
		if _, err := conn.Exec(ctx, q.text, q.args...); err != nil {
			_ = conn.Close(ctx) // the failure says more
			return nil, err
		}
	}
	err = s.forget(ctx)
	if err == nil {
		err = s.ofItsOwn(ctx, conn)
	}
	if err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// errPooled: behind such a pooler a lock is that of whoever uses the server's connection
// next, so a worker that lives would count as dead, and one that died as alive.
var errPooled = errors.New("a pooler gives the connection that shows this worker to others to other sessions as well: name PostgreSQL itself, or a pooler in session mode")

// ofItsOwn says whether the connection keeps its server process. A pooler in transaction
// mode hands it to the next transaction.
func (s *session) ofItsOwn(ctx context.Context, conn *pgx.Conn) error {
	var own, other uint32
	if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&own); err != nil {
		return err
	}
	if own == conn.PgConn().PID() {
		return nil // no pooler
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if err := tx.QueryRowContext(ctx, `SELECT pg_backend_pid()`).Scan(&other); err != nil {
		return err
	}
	var again uint32
	if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&again); err != nil {
		return err
	}
	if own == other || own != again {
		return errPooled
	}
	return nil
}

// forget removes workers that began long ago and do not hold their lock.
func (s *session) forget(ctx context.Context) error {
	old, err := readAll[string](ctx, s.db, `SELECT id FROM worker WHERE since < $1`, time.Now().Add(-sessionForget).UnixMilli())
	if err != nil || len(old) == 0 {
		return err
	}
	held, err := heldLocks(ctx, s.db)
	for _, id := range old {
		if err == nil && !slices.Contains(held, WorkerID(id).lock()) {
			_, err = s.db.ExecContext(ctx, `DELETE FROM worker WHERE id = $1`, id)
		}
	}
	return err
}

// hold passes on what other workers say until the connection is lost, and takes the lock
// again under the same id, until ctx ends.
func (s *session) hold(ctx context.Context) {
	defer close(s.done)
	for {
		said, err := s.conn.WaitForNotification(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			s.pass(said.Channel, said.Payload)
			continue
		}
		s.logger.WarnContext(ctx, "the ledger's server ended the connection that shows this worker to others; it is made anew", "error", err)
		for {
			try, cancel := context.WithTimeout(ctx, sessionTry)
			conn, err := s.begin(try)
			cancel()
			if err == nil {
				s.conn = conn
				break
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(sessionRetry):
			}
		}
	}
}

func (s *session) id() WorkerID { return s.worker }

// alive looks twice: a worker whose connection the server ended takes its lock again at
// once.
func (s *session) alive(ctx context.Context, other WorkerID) (bool, error) {
	for look := range 2 {
		if look > 0 {
			select {
			case <-ctx.Done():
				return true, ctx.Err()
			case <-time.After(sessionLook):
			}
		}
		gone, err := s.gone(ctx)
		if err != nil || !slices.Contains(gone, other) {
			return true, err
		}
	}
	return false, nil
}

// gone lists the workers that took their lock in this start of the server, and do not
// hold it.
func (s *session) gone(ctx context.Context) ([]WorkerID, error) {
	known, err := readAll[string](ctx, s.db, `SELECT id FROM worker WHERE server_start = pg_postmaster_start_time()::text`)
	if err != nil {
		return nil, err
	}
	held, err := heldLocks(ctx, s.db) // second: a worker takes its lock before it has a row
	if err != nil {
		return nil, err
	}
	var gone []WorkerID
	for _, id := range known {
		if id := WorkerID(id); id != s.worker && !slices.Contains(held, id.lock()) {
			gone = append(gone, id)
		}
	}
	return gone, nil
}

// heldLocks lists the advisory locks that somebody holds.
func heldLocks(ctx context.Context, db *sql.DB) ([]int64, error) {
	return readAll[int64](ctx, db, `SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks
		WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
}

func (s *session) programs(ctx context.Context) ([]Program, error) { return programsOf(ctx, s.db) }

// programsOf are those of the workers that hold their lock.
func programsOf(ctx context.Context, db *sql.DB) ([]Program, error) {
	rows, err := db.QueryContext(ctx, `SELECT id, build, knows FROM worker`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := map[int64]Program{}
	for rows.Next() {
		var id string
		var p Program
		if err := rows.Scan(&id, &p.Build, &p.Knows); err != nil {
			return nil, err
		}
		known[WorkerID(id).lock()] = p
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	held, err := heldLocks(ctx, db)
	var out []Program
	for _, lock := range held {
		if p, ours := known[lock]; ours {
			out = append(out, p)
		}
	}
	return out, err
}

// alone runs f in a transaction that holds an advisory lock: the server gives the lock
// back, also when this process dies.
func (s *session) alone(ctx context.Context, f func(context.Context) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	var ours bool
	if err := tx.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock($1)`, takeOverLock).Scan(&ours); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if !ours {
		return nil
	}
	return f(ctx)
}

func readAll[T any](ctx context.Context, db *sql.DB, query string, args ...any) (out []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

func (s *session) end() error {
	s.cancel()
	<-s.done
	ctx, cancel := context.WithTimeout(context.Background(), sessionTry)
	defer cancel()
	return s.conn.Close(ctx)
}

// takeOverLock is the number of the advisory lock of TakeOver.
var takeOverLock = lockNumber("causeway takes over")

// lock is the number of the advisory lock of a worker.
func (id WorkerID) lock() int64 { return lockNumber("causeway worker " + string(id)) }

func lockNumber(name string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return int64(h.Sum64())
}
