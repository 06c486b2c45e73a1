package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// AccessSecret is the secret that the workers' keys come from. The first worker puts fresh
// there, and all others get the same.
func (l *Ledger) AccessSecret(ctx context.Context, fresh []byte) (secret []byte, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO access_secret (one, secret) VALUES (1, ?) ON CONFLICT (one) DO NOTHING`), fresh); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT secret FROM access_secret WHERE one = 1`).Scan(&secret)
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: reading the secret of the workers: %w", err)
	}
	return secret, nil
}

// UseOnce says whether a request may be answered: nobody but this execution of an activity
// has answered it. It is remembered until then.
func (l *Ledger) UseOnce(ctx context.Context, nonce, execution string, until time.Time) (mine bool, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM access_used WHERE until < ?`), millis(l.now())); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO access_used (nonce, asked_by, until) VALUES (?,?,?) ON CONFLICT (nonce) DO NOTHING`),
			nonce, execution, millis(until)); err != nil {
			return err
		}
		var by string
		err := tx.QueryRowContext(ctx, l.q(`SELECT asked_by FROM access_used WHERE nonce = ?`), nonce).Scan(&by)
		mine = by == execution
		return err
	})
	if err != nil {
		return false, fmt.Errorf("ledger: remembering a request: %w", err)
	}
	return mine, nil
}

// AccessRequest is what waits for a second person, or has waited for one.
type AccessRequest struct {
	ID        string
	Name      string // of what is asked for
	Operation string // the same in words
	Role      int    // that a second person needs
	Target    string
	What      string // the input, as a hash
	Input     string // in JSON
	Subject   string // who asks
	Who       string // with their name
	Asked     time.Time
	Until     time.Time
	State     string // asked, confirmed, declined, done
	Decider   string
	Nonce     string // of the request that carried it out, and the activity that permitted that
}

const accessColumns = `id, name, operation, role, target, what, input, subject, who, asked, until, state, decider, nonce`

// readAccess reads a request, and opens what is sealed of it.
func (l *Ledger) readAccess(r *AccessRequest, scan scanner) error {
	var asked, until int64
	err := scan(&r.ID, &r.Name, &r.Operation, &r.Role, &r.Target, &r.What, &r.Input, &r.Subject, &r.Who, &asked, &until, &r.State, &r.Decider, &r.Nonce)
	if err != nil {
		return err
	}
	r.Asked, r.Until = fromMillis(asked), fromMillis(until)
	return l.seal.openText(&r.Input, at(accessInput, r.ID))
}

// AskSecond records that somebody asks for something that needs a second person, unless
// they have asked for it already. What was confirmed in the meantime may be done now, and
// is done with it; r.Nonce says by which request.
func (l *Ledger) AskSecond(ctx context.Context, r AccessRequest) (kept AccessRequest, err error) {
	input, err := l.seal.closeText(text(r.Input), at(accessInput, r.ID))
	if err != nil {
		return kept, fmt.Errorf("ledger: asking a second person: %w", err)
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		kept = AccessRequest{}
		err := l.readAccess(&kept, tx.QueryRowContext(ctx, l.q(`SELECT `+accessColumns+` FROM access_request
			WHERE what = ? AND subject = ? AND name = ? AND target = ? AND (state IN ('asked', 'confirmed') AND until >= ? OR state = 'done' AND nonce = ?)
			ORDER BY asked LIMIT 1`), r.What, r.Subject, r.Name, r.Target, millis(l.now()), r.Nonce).Scan)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			kept = r
			kept.State, kept.Nonce = "asked", ""
			_, err = tx.ExecContext(ctx, l.q(`INSERT INTO access_request (`+accessColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`),
				r.ID, r.Name, r.Operation, r.Role, r.Target, r.What, input, text(r.Subject), text(r.Who), millis(r.Asked), millis(r.Until), "asked", "", "")
			return err
		case err != nil || kept.State != "confirmed":
			return err
		}
		kept.State, kept.Nonce = "done", r.Nonce
		_, err = tx.ExecContext(ctx, l.q(`UPDATE access_request SET state = 'done', nonce = ? WHERE id = ?`), r.Nonce, kept.ID)
		return err
	})
	if err != nil {
		return kept, fmt.Errorf("ledger: asking a second person: %w", err)
	}
	return kept, nil
}

// FindAccessRequest is a request by its id; ok is false when there is none.
func (l *Ledger) FindAccessRequest(ctx context.Context, id string) (r AccessRequest, ok bool, err error) {
	err = l.readAccess(&r, l.db.QueryRowContext(ctx, l.q(`SELECT `+accessColumns+` FROM access_request WHERE id = ?`), id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("ledger: reading a request: %w", err)
	}
	return r, true, nil
}

// DecideAccess confirms or declines a request that is open. It returns false when it is not.
func (l *Ledger) DecideAccess(ctx context.Context, id, state, decider string) (decided bool, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		result, err := tx.ExecContext(ctx, l.q(`UPDATE access_request SET state = ?, decider = ? WHERE id = ? AND state = 'asked' AND until >= ?`),
			state, text(decider), id, millis(l.now()))
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		decided = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("ledger: deciding about a request: %w", err)
	}
	return decided, nil
}

// PruneAccessRequests forgets requests that expired before the cutoff, a bounded number at a
// time, and returns how many went.
func (l *Ledger) PruneAccessRequests(ctx context.Context, cutoff time.Time) (n int64, err error) {
	n, err = l.pruneOldest(ctx, `access_request`, `id`, `until < ?`, `until`, millis(cutoff))
	if err != nil {
		return 0, fmt.Errorf("ledger: forgetting requests that have expired: %w", err)
	}
	return n, nil
}

// AccessRequests lists the requests that expire at or after a time, the oldest first.
func (l *Ledger) AccessRequests(ctx context.Context, since time.Time) ([]AccessRequest, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT `+accessColumns+` FROM access_request WHERE until >= ? ORDER BY until, id LIMIT ?`), millis(since), defaultLimit)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing requests: %w", err)
	}
	return collect(rows, func(r *AccessRequest, scan scanner) error { return l.readAccess(r, scan) })
}
