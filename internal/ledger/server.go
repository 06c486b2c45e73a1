package ledger

import (
	"context"
	"fmt"
)

// Server is where a ledger is that PostgreSQL keeps. It holds no password.
type Server struct {
	Host     string
	Port     int
	User     string
	Database string
}

// InServer says that a PostgreSQL database keeps the ledger.
func (l *Ledger) InServer() bool { return l.postgres }

// Server says in which database the ledger is, as one reaches it from here; nil on SQLite.
func (l *Ledger) Server(ctx context.Context) (*Server, error) {
	if !l.postgres {
		return nil, nil
	}
	out := l.server
	if err := l.db.QueryRowContext(ctx, `SELECT current_database(), current_user`).Scan(&out.Database, &out.User); err != nil {
		return nil, fmt.Errorf("ledger: asking for the name of the database: %w", err)
	}
	return &out, nil
}
