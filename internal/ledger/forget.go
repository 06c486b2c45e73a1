package ledger

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Flows in which a record of a person can be refused.
var refusingFlows = []string{"egress", "ingress", "optout", "rollback"}

// Erasing is somebody who is to be forgotten.
type Erasing struct {
	Table, Key string
	At         time.Time // when that was asked for
	Waits      string    // for what; "" for nothing
	Again      bool      // they were forgotten before, and a restore brought them back
}

// Erasures says what was forgotten, and what is to be.
type Erasures struct {
	Done      int64     // ever
	Waiting   []Erasing // the oldest
	Searching bool      // the ledger was restored, and is searched for what was forgotten
	File      string    // that keeps them apart from the ledger; "": none is configured
}

// Erasure is the keyed hash of an id. It leads to nobody without the ledger's secret.
func (l *Ledger) Erasure(key string) string {
	mac := hmac.New(sha256.New, l.erasureSecret)
	mac.Write([]byte(key))
	return hex.EncodeToString(mac.Sum(nil))
}

// AskForget keeps that a record is to be forgotten; ForgetStep does it, also after a restart.
func (l *Ledger) AskForget(ctx context.Context, table, key string) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error { return l.askForget(ctx, tx, table, key, false) })
	if err != nil {
		return fmt.Errorf("ledger: keeping that a record is to be forgotten: %w", err)
	}
	return nil
}

func (l *Ledger) askForget(ctx context.Context, tx txn, table, key string, again bool) error {
	_, err := tx.ExecContext(ctx, l.q(`INSERT INTO erasing (key, tbl, at, waits, again) VALUES (?,?,?,'',?) ON CONFLICT (key) DO NOTHING`), key, table, millis(l.now()), flag(again))
	return err
}

// Erasures reads what was forgotten and what is to be.
func (l *Ledger) Erasures(ctx context.Context) (out Erasures, err error) {
	out.File = l.erasures.path
	if out.Done, err = l.count(ctx, `SELECT count(*) FROM erasure`); err != nil {
		return out, err
	}
	unsearched, err := l.count(ctx, `SELECT count(*) FROM erasure WHERE searched = 0`)
	if err != nil {
		return out, err
	}
	out.Searching = unsearched > 0
	out.Waiting, err = l.toForget(ctx)
	return out, err
}

// ToForget is the request to forget a record, if it is not carried out yet.
func (l *Ledger) ToForget(ctx context.Context, key string) (*Erasing, error) {
	all, err := l.toForget(ctx)
	for i := range all {
		if all[i].Key == key {
			return &all[i], err
		}
	}
	return nil, err
}

func (l *Ledger) toForget(ctx context.Context) ([]Erasing, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT tbl, key, at, waits, again FROM erasing ORDER BY at, key LIMIT ?`), defaultLimit)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing who is to be forgotten: %w", err)
	}
	return collect(rows, func(e *Erasing, scan scanner) error {
		var at, again int64
		err := scan(&e.Table, &e.Key, &at, &e.Waits, &again)
		e.At, e.Again = fromMillis(at), again == 1
		return err
	})
}

// ForgetStep forgets whom nothing holds any more, and goes on with a search after a
// restore. It says whether there is more to do at once. Several workers may call it, and
// one that was killed leaves nothing that the next call does not finish. optedOut says of
// OptOut.Doc whether an opt-out was chosen: then it stays. nil keeps all.
//
// stillThere is asked right before somebody is forgotten, and says which system has them
// again; "" for none. They wait until it says that none has, also when it does not know.
// nil is for who has just looked. What a restore brought back goes without asking: it is
// older than what the systems have.
func (l *Ledger) ForgetStep(ctx context.Context, optedOut func(doc []byte) bool, stillThere StillThere) (more bool, err error) {
	if err := l.compareErasures(ctx); err != nil {
		return false, fmt.Errorf("ledger: %w", err)
	}
	asked, err := l.toForget(ctx)
	if err != nil {
		return false, err
	}
	for _, e := range asked {
		if err := l.forget(ctx, e, optedOut, stillThere); err != nil {
			return false, fmt.Errorf("ledger: forgetting a record: %w", err)
		}
	}
	more, err = l.searchStep(ctx)
	if err != nil {
		err = fmt.Errorf("ledger: searching for what was forgotten: %w", err)
	}
	return more, err
}

// StillThere says which system has a record of a table, in words; "" for none.
type StillThere func(ctx context.Context, table, key string) (string, error)

// forget forgets one record, unless something holds it.
func (l *Ledger) forget(ctx context.Context, e Erasing, optedOut func([]byte) bool, stillThere StillThere) error {
	holds, rest, err := l.holds(ctx, e)
	if err != nil {
		return err
	}
	if len(holds) == 0 && stillThere != nil && !e.Again {
		still, err := stillThere(ctx, e.Table, e.Key)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			still = "an answer of Dynamics and Campaign, whether one of them has it again"
		}
		if still != "" {
			holds = []string{still}
		}
	}
	if waits := strings.Join(holds, "; "); waits != "" || e.Waits != "" {
		if err := l.write(ctx, func(ctx context.Context, tx txn) error {
			_, err := tx.ExecContext(ctx, l.q(`UPDATE erasing SET waits = ? WHERE key = ?`), waits, e.Key)
			return err
		}); err != nil || waits != "" {
			return err
		}
	}
	for _, id := range rest {
		if err := l.takeOut(ctx, id, e.Key); err != nil {
			return err
		}
	}
	if err := l.forgetEvents(ctx, e.Key); err != nil {
		return err
	}
	keepsChoice := true
	known, err := l.OptOuts(ctx, []string{e.Key})
	if err != nil {
		return err
	}
	if o := known[e.Key]; o != nil && optedOut != nil {
		keepsChoice = optedOut(o.Doc)
	}
	if err := l.erasures.add(l.Erasure(e.Key), l.now()); err != nil { // before the ledger: a restored one is compared with the file
		return err
	}
	return l.eraseRows(ctx, e, keepsChoice)
}

// keyedRows are the tables with rows of one record, by table and id.
var keyedRows = []string{"record", "before_image", "parked", "doubt", "audit", "returned", "link"}

// eraseRows drops all rows of a record at once, and keeps that it was forgotten.
func (l *Ledger) eraseRows(ctx context.Context, e Erasing, keepsChoice bool) error {
	tables, err := l.tablesWith(ctx, e.Table)
	if err != nil {
		return err
	}
	return l.write(ctx, func(ctx context.Context, tx txn) error {
		if !l.postgres { // what is dropped is overwritten
			if _, err := tx.ExecContext(ctx, `PRAGMA secure_delete = on`); err != nil {
				return err
			}
			defer func() { _, _ = tx.ExecContext(ctx, `PRAGMA secure_delete = off`) }()
		}
		for _, table := range tables {
			for _, rows := range keyedRows {
				if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM `+rows+` WHERE tbl = ? AND key = ?`), table, e.Key); err != nil {
					return err
				}
			}
			for _, flow := range refusingFlows {
				if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM quarantine WHERE flow = ? AND tbl = ? AND key = ?`), flow, table, e.Key); err != nil {
					return err
				}
			}
		}
		if !keepsChoice {
			if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM optout WHERE contact = ?`), e.Key); err != nil {
				return err
			}
		}
		if err := l.dropDecided(ctx, tx, e.Key); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO erasure (hash, at, searched) VALUES (?,?,1) ON CONFLICT (hash) DO NOTHING`), l.Erasure(e.Key), millis(l.now())); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, l.q(`DELETE FROM erasing WHERE key = ?`), e.Key)
		return err
	})
}

// tablesWith are the tables that flows have been at work on, and one more.
func (l *Ledger) tablesWith(ctx context.Context, table string) ([]string, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT tbl FROM run_total UNION SELECT tbl FROM turn`))
	if err != nil {
		return nil, err
	}
	tables, err := collect(rows, func(t *string, scan scanner) error { return scan(t) })
	tables = append(tables, table, "optout")
	slices.Sort(tables)
	return slices.Compact(tables), err
}

// forgetEvents takes the id out of what is known of events, and drops refused events that
// name it. No index holds events by contact, so it looks at all, a bounded number at a time.
func (l *Ledger) forgetEvents(ctx context.Context, key string) error {
	for after, more := "", true; more; {
		rows, err := l.db.QueryContext(ctx, l.q(`SELECT key, contact FROM event WHERE key > ? ORDER BY key LIMIT ?`), after, walkChunk)
		if err != nil {
			return err
		}
		events, err := collect(rows, func(e *[2]string, scan scanner) error { return scan(&e[0], &e[1]) })
		if err != nil {
			return err
		}
		for _, e := range events {
			after = e[0]
			if e[1] != key {
				continue
			}
			if err := l.write(ctx, func(ctx context.Context, tx txn) error {
				_, err := tx.ExecContext(ctx, l.q(`UPDATE event SET contact = '' WHERE key = ?`), after)
				return err
			}); err != nil {
				return err
			}
		}
		more = len(events) == walkChunk
	}
	refused, err := l.refusedEvents(ctx, key)
	for _, event := range refused {
		if err != nil {
			break
		}
		err = l.write(ctx, func(ctx context.Context, tx txn) error {
			_, err := tx.ExecContext(ctx, l.q(`DELETE FROM quarantine WHERE flow = 'egress' AND tbl = 'egress' AND key = ?`), event)
			return err
		})
	}
	return err
}

const refusedChunk = 200 // payloads that are opened together

// refusedEvents are the keys of refused events that name a contact.
func (l *Ledger) refusedEvents(ctx context.Context, contact string) (out []string, err error) {
	type refused struct {
		key     string
		payload []byte
	}
	for after, more := "", true; more; {
		rows, err := l.db.QueryContext(ctx, l.q(`SELECT key, payload FROM quarantine WHERE flow = 'egress' AND tbl = 'egress' AND key > ? ORDER BY key LIMIT ?`), after, refusedChunk)
		if err != nil {
			return nil, err
		}
		found, err := collect(rows, func(r *refused, scan scanner) error { return scan(&r.key, &r.payload) })
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			after = r.key
			plain, err := l.seal.unpack(r.payload, at(quarantinePayload, "egress", "egress", r.key))
			if err != nil {
				return nil, err
			}
			if names(plain, contact) {
				out = append(out, r.key)
			}
		}
		more = len(found) == refusedChunk
	}
	return out, nil
}

// names says whether a document names an id, in any spelling.
func names(doc []byte, id string) bool { return bytes.Contains(bytes.ToLower(doc), []byte(id)) }

// Forgotten is when a record was forgotten the first time; zero when it was not.
func (l *Ledger) Forgotten(ctx context.Context, key string) (time.Time, error) {
	at, err := l.count(ctx, `SELECT coalesce(max(at), 0) FROM erasure WHERE hash = ?`, l.Erasure(key))
	return fromMillis(at), err
}

// dropDecided drops requests that a second person has decided about, or that have expired,
// and that name a record. Open ones go on.
func (l *Ledger) dropDecided(ctx context.Context, tx txn, key string) error {
	rows, err := tx.QueryContext(ctx, l.q(`SELECT id, input FROM access_request WHERE state IN ('done', 'declined') OR until < ?`), millis(l.now()))
	if err != nil {
		return err
	}
	decided, err := collect(rows, func(r *[2]string, scan scanner) error { return scan(&r[0], &r[1]) })
	if err != nil {
		return err
	}
	for _, r := range decided {
		if err := l.seal.openText(&r[1], at(accessInput, r[0])); err != nil {
			return err
		}
		if !names([]byte(r[1]), key) {
			continue
		}
		if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM access_request WHERE id = ?`), r[0]); err != nil {
			return err
		}
	}
	return nil
}
