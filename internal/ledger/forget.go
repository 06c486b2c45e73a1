package ledger

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
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
	Until      time.Time // what runs wrote that began later is of somebody who came back
	Waits      string    // for what; "" for nothing
	Again      bool      // they were forgotten before, and a restore brought them back
}

// Erasures says what was forgotten, and what is to be.
type Erasures struct {
	Done      int64     // ever
	Waiting   []Erasing // the oldest
	Searching bool      // the ledger was restored, and is searched for what was forgotten
	File      string    // that keeps them apart from the ledger; "": none is configured
	Damaged   int       // lines of the file that are none of ours
	Problem   string    // why nobody can be forgotten, because of the file
}

// Erasure is the keyed hash of an id. It leads to nobody without the ledger's secret.
func (l *Ledger) Erasure(key string) string {
	mac := hmac.New(sha256.New, l.erasureSecret)
	mac.Write([]byte(key))
	return hex.EncodeToString(mac.Sum(nil))
}

// AskForget keeps that a record is to be forgotten; ForgetStep does it, also after a restart.
func (l *Ledger) AskForget(ctx context.Context, table, key string) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error { return l.askForget(ctx, tx, table, key, l.now(), false) })
	if err != nil {
		return fmt.Errorf("ledger: keeping that a record is to be forgotten: %w", err)
	}
	return nil
}

func (l *Ledger) askForget(ctx context.Context, tx txn, table, key string, until time.Time, again bool) error {
	_, err := tx.ExecContext(ctx, l.q(`INSERT INTO erasing (key, tbl, at, until, waits, again) VALUES (?,?,?,?,'',?) ON CONFLICT (key) DO UPDATE SET
		until = CASE WHEN excluded.until > erasing.until THEN excluded.until ELSE erasing.until END, again = erasing.again * excluded.again`),
		key, table, millis(l.now()), millis(until), flag(again))
	return err
}

// Erasures reads what was forgotten and what is to be.
func (l *Ledger) Erasures(ctx context.Context) (out Erasures, err error) {
	out.File = l.erasures.path
	var unusable error
	if _, out.Damaged, unusable = l.erasures.read(); unusable != nil {
		out.Problem = unusable.Error()
	}
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
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT tbl, key, at, until, waits, again FROM erasing ORDER BY at, key LIMIT ?`), defaultLimit)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing who is to be forgotten: %w", err)
	}
	return collect(rows, func(e *Erasing, scan scanner) error {
		var at, until, again int64
		err := scan(&e.Table, &e.Key, &at, &until, &e.Waits, &again)
		e.At, e.Until, e.Again = fromMillis(at), fromMillis(until), again == 1
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
	seen := map[LaneID]bool{}
	holds, rest, err := l.holds(ctx, l.db, e, seen)
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
	if err := l.erasures.add(l.Erasure(e.Key), e.Until); err != nil { // before the ledger: a restored one is compared with the file
		return err
	}
	_, err = l.eraseRows(ctx, e, seen, optedOut)
	return err
}

// keyedRows are the tables with rows of one record, by table and id.
var keyedRows = []string{"record", "before_image", "parked", "doubt", "audit", "returned", "link"}

// eraseRows drops all rows of a record at once, and keeps that it was forgotten. What came
// to hold it since it was looked at, but for the lanes that were seen, leaves all as it is.
func (l *Ledger) eraseRows(ctx context.Context, e Erasing, seen map[LaneID]bool, optedOut func([]byte) bool) (erased bool, err error) {
	tables, err := l.tablesWith(ctx, e.Table)
	if err != nil {
		return false, err
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		erased = false
		if l.postgres { // nobody begins a run or stages a lane until this is committed
			if _, err := tx.ExecContext(ctx, `LOCK TABLE run, lane_data IN SHARE MODE`); err != nil {
				return err
			}
		} else if _, err := tx.ExecContext(ctx, `PRAGMA secure_delete = on`); err != nil { // what is dropped is overwritten
			return err
		} else {
			defer func() { _, _ = tx.ExecContext(ctx, `PRAGMA secure_delete = off`) }()
		}
		holds, rest, err := l.holds(ctx, tx, e, seen)
		if err != nil || len(holds) > 0 || len(rest) > 0 {
			return err
		}
		isBack := false
		for _, table := range tables {
			since, err := l.backSince(ctx, tx, table, e)
			if err != nil {
				return err
			}
			isBack = isBack || !since.IsZero()
			if err := l.eraseRowsOf(ctx, tx, table, e.Key, since); err != nil {
				return err
			}
		}
		if !isBack {
			if err := l.eraseChoices(ctx, tx, e.Key, optedOut); err != nil {
				return err
			}
		}
		if err := l.dropDecided(ctx, tx, e.Key); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO erasure (hash, at, searched) VALUES (?,?,1)
			ON CONFLICT (hash) DO UPDATE SET at = CASE WHEN erasure.at < excluded.at THEN excluded.at ELSE erasure.at END, searched = 1`), l.Erasure(e.Key), millis(e.Until)); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, l.q(`DELETE FROM erasing WHERE key = ?`), e.Key)
		erased = err == nil
		return err
	})
	return erased, err
}

// backSince is when the run began that read a record again after it was to be forgotten;
// zero: none did. Somebody has restored it in the source, or brought it back to the target.
func (l *Ledger) backSince(ctx context.Context, tx txn, table string, e Erasing) (time.Time, error) {
	var since int64
	err := tx.QueryRowContext(ctx, l.q(`SELECT coalesce(min(started), 0) FROM run WHERE started > ? AND id IN (
		SELECT run FROM record WHERE tbl = ? AND key = ? AND payload IS NOT NULL
		UNION SELECT created_run FROM record WHERE tbl = ? AND key = ? AND payload IS NOT NULL
		UNION SELECT run FROM parked WHERE tbl = ? AND key = ? AND payload IS NOT NULL
		UNION SELECT run FROM quarantine WHERE flow = 'ingress' AND tbl = ? AND key = ? AND state = 'open' AND payload IS NOT NULL)`),
		millis(e.Until), table, e.Key, table, e.Key, table, e.Key, table, e.Key).Scan(&since)
	return fromMillis(since), err
}

// eraseRowsOf drops the rows of a record in one table; with a time, those of runs before.
func (l *Ledger) eraseRowsOf(ctx context.Context, tx txn, table, key string, since time.Time) error {
	drop := func(rows, is string, args ...any) error {
		if !since.IsZero() {
			is += ` AND NOT EXISTS (SELECT 1 FROM run WHERE run.id = ` + rows + `.run AND run.started >= ?)`
			args = append(args, millis(since))
		}
		_, err := tx.ExecContext(ctx, l.q(`DELETE FROM `+rows+` WHERE `+is), args...)
		return err
	}
	for _, rows := range keyedRows {
		if rows == "link" && !since.IsZero() {
			continue // they are those of the record that is there
		}
		if err := drop(rows, `tbl = ? AND key = ?`, table, key); err != nil {
			return err
		}
	}
	for _, flow := range refusingFlows {
		if err := drop("quarantine", `flow = ? AND tbl = ? AND key = ?`, flow, table, key); err != nil {
			return err
		}
	}
	return nil
}

// eraseChoices drops what is known of a contact's choices, unless an opt-out is among them.
func (l *Ledger) eraseChoices(ctx context.Context, tx txn, key string, optedOut func([]byte) bool) error {
	query := `SELECT doc FROM optout WHERE contact = ?`
	if l.postgres {
		query += ` FOR UPDATE`
	}
	var doc []byte
	err := tx.QueryRowContext(ctx, l.q(query), key).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		doc, err = l.seal.open(doc, at(optOutDoc, key))
	}
	if err != nil || optedOut == nil || optedOut(doc) {
		return err
	}
	_, err = tx.ExecContext(ctx, l.q(`DELETE FROM optout WHERE contact = ?`), key)
	return err
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
// name it.
func (l *Ledger) forgetEvents(ctx context.Context, key string) error {
	if err := l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`UPDATE event SET contact = '' WHERE contact = ?`), key)
		return err
	}); err != nil {
		return err
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

// Forgotten is when a record was forgotten the last time; zero when it was not.
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
