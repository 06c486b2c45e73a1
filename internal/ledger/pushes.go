package ledger

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Push is a call that said that the source of a flow has changed. It holds no data: what
// changed is read from the source.
type Push struct {
	Flow string // as operators type it: a table's, else the flow's
	At   time.Time
}

// factPush names the last push of a flow.
func factPush(flow string) string { return "push " + flow }

// pushChannel is where workers on PostgreSQL tell each other of pushes.
const pushChannel = "causeway_pushes"

// KeepPush keeps the last push of a flow, and tells all workers of it.
func (l *Ledger) KeepPush(ctx context.Context, p Push) error {
	at := strconv.FormatInt(p.At.UnixNano(), 10)
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO fact (name, value) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`), factPush(p.Flow), at); err != nil || !l.postgres {
			return err
		}
		_, err := tx.ExecContext(ctx, `SELECT pg_notify('`+pushChannel+`', $1)`, at+" "+p.Flow)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: keeping that %s was told of changes: %w", p.Flow, err)
	}
	return nil
}

// LastPush is when a flow was told last; zero: never.
func (l *Ledger) LastPush(ctx context.Context, flow string) (time.Time, error) {
	text, err := l.Fact(ctx, factPush(flow))
	if err != nil || text == "" {
		return time.Time{}, err
	}
	return nanoTime(text), nil
}

// Pushes are what other workers, and this one, were told. nil: there is no other worker. One
// that is lost costs time only, because the source is asked now and then anyway.
func (l *Ledger) Pushes() <-chan Push {
	if s, ok := l.presence.(*session); ok {
		return s.pushes
	}
	return nil
}

// pass passes on what came on a channel of the server.
func (s *session) pass(channel, payload string) {
	if channel == pushChannel {
		if at, flow, ok := strings.Cut(payload, " "); ok {
			select {
			case s.pushes <- Push{Flow: flow, At: nanoTime(at)}:
			default:
			}
		}
		return
	}
	select {
	case s.woken <- struct{}{}:
	default: // it will look anyway
	}
}

// nanoTime reads a time that KeepPush has written; zero when it is none.
func nanoTime(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
