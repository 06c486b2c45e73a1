package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	sessionRetry  = time.Second      // between attempts to take a lost session up again
	sessionTry    = 10 * time.Second // for one of them
	sessionForget = 30 * 24 * time.Hour
)

// session is the presence of a worker on PostgreSQL: an advisory lock that a
// connection of its own holds. The server releases it when the connection ends, and
// the kernel ends the connection when the process ends.
//
// The server can end a connection whose process lives: when it restarts. The table
// worker keeps which start of the server a lock was taken in. After another start
// nothing is known of a worker that has not taken its lock again.
type session struct {
	worker WorkerID
	config *pgx.ConnConfig
	db     *sql.DB // answers questions about others; conn is busy with waiting
	conn   *pgx.Conn
	logger *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}
}

// newSession shows this process to the workers of a PostgreSQL ledger.
func newSession(ctx context.Context, dsn string, db *sql.DB, logger *slog.Logger) (presence, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["application_name"] = "causeway worker"
	s := &session{worker: newWorkerID(), config: config, db: db, logger: logger, done: make(chan struct{})}
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
		{`INSERT INTO worker (id, server_start, since) SELECT $1, pg_postmaster_start_time()::text, $2
			ON CONFLICT (id) DO UPDATE SET server_start = excluded.server_start`, []any{string(s.worker), time.Now().UnixMilli()}},
		{`DELETE FROM worker WHERE since < $1 AND id <> $2`, []any{time.Now().Add(-sessionForget).UnixMilli(), string(s.worker)}},
	} {
		if _, err := conn.Exec(ctx, q.text, q.args...); err != nil {
			_ = conn.Close(ctx) // the failure says more
			return nil, err
		}
	}
	return conn, nil
}

// hold waits until the connection is lost, and takes the lock again under the same
// id, until ctx ends.
func (s *session) hold(ctx context.Context) {
	defer close(s.done)
	for {
		_, err := s.conn.WaitForNotification(ctx) // none comes: it returns when the connection ends
		if ctx.Err() != nil {
			return
		}
		if err == nil {
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

func (s *session) alive(ctx context.Context, other WorkerID) (bool, error) {
	var gone bool
	key := uint64(other.lock())
	err := s.db.QueryRowContext(ctx, `SELECT
		EXISTS (SELECT 1 FROM worker WHERE id = $1 AND server_start = pg_postmaster_start_time()::text)
		AND NOT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND classid::bigint = $2 AND objid::bigint = $3)`, string(other), int64(key>>32), int64(key&0xffffffff)).Scan(&gone)
	return !gone, err
}

func (s *session) end() error {
	s.cancel()
	<-s.done
	ctx, cancel := context.WithTimeout(context.Background(), sessionTry)
	defer cancel()
	return s.conn.Close(ctx)
}

// lock is the number of the advisory lock of a worker.
func (id WorkerID) lock() int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("causeway worker " + id)) // never fails
	return int64(h.Sum64())
}
