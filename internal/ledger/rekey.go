package ledger

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrNoKey says that a ledger cannot be sealed anew, because no key is configured.
var ErrNoKey = errors.New("no key is configured: set " + keySetting)

// Sealing says how the ledger is sealed.
type Sealing struct {
	Remains  bool     // free space of the SQLite file may hold values in clear, until it is opened the next time
	Key      string   // id of the key that seals; "" when nothing is sealed
	OlderKey []string // ids of other keys that have sealed something: they are needed
	Whole    bool     // no value is there from before the ledger had a key
	Rekey    *Rekey   // the last one that was asked for; nil: none was
}

// Rekey is how far the workers are with sealing the ledger anew.
type Rekey struct {
	Key     string     `json:"key"` // id of the key that everything is sealed with
	Asked   time.Time  `json:"asked"`
	Ended   *time.Time `json:"ended,omitempty"`
	Column  int        `json:"column"`          // those before it are done
	After   []string   `json:"after,omitempty"` // the row in it that was looked at last
	Looked  int64      `json:"looked"`          // values
	Sealed  int64      `json:"sealed"`          // of them, those that were not sealed with Key
	Problem string     `json:"problem,omitempty"`
}

// Columns is how many columns a rekey looks at.
func (r *Rekey) Columns() int { return len(sealedColumns) }

// sealedColumn is a column that can hold a value of a person, and the key of its table. A
// name of the key that ends with # is a number.
type sealedColumn struct {
	table, column string
	key           []string
	text, packed  bool
	prints        []string // columns of fingerprints; the first is that of the value
	step          int      // rows that one step of a rekey looks at; 0: rekeyStep
}

const rekeyStep = 200

var sealedColumns = []sealedColumn{
	{table: "revision", column: "doc", key: []string{"hash"}},
	{table: "config_save", column: "says", key: []string{"id"}},
	{table: "config_save", column: "files", key: []string{"id"}},
	{table: "erasure_secret", column: "secret", key: []string{"one#"}, text: true},
	{table: "watermark", column: "link", key: []string{"flow", "tbl"}, text: true},
	{table: "access_request", column: "input", key: []string{"id"}, text: true},
	{table: "run", column: "span", key: []string{"id"}, text: true},
	{table: "run", column: "pre_baseline_at", key: []string{"id"}, text: true},
	{table: "page", column: "next_at", key: []string{"run", "number#"}, text: true},
	{table: "page", column: "end_at", key: []string{"run", "number#"}, text: true},
	{table: "lane_data", column: "data", key: []string{"run", "page#", "lane#"}, packed: true, step: 8},
	{table: "quarantine", column: "payload", key: []string{"flow", "tbl", "key"}, packed: true},
	{table: "parked", column: "payload", key: []string{"tbl", "key"}, packed: true},
	{table: "doubt", column: "payload", key: []string{"tbl", "key", "cause"}, packed: true},
	{table: "optout", column: "doc", key: []string{"contact"}},
	{table: "before_image", column: "payload", key: []string{"run", "tbl", "key"}},
	{table: "audit", column: "payload", key: []string{"tbl", "key"}, prints: []string{"fingerprint", "expected"}},
	{table: "record", column: "payload", key: []string{"tbl", "key"}, prints: []string{"fingerprint"}},
}

// Sealing reads how the ledger is sealed.
func (l *Ledger) Sealing(ctx context.Context) (*Sealing, error) {
	kept, err := l.sealing(ctx, l.db)
	if err != nil || kept == nil || l.seal.keys.first == nil {
		return &Sealing{}, err
	}
	out := &Sealing{Key: l.seal.keys.first.name(), Whole: l.seal.whole.Load(), Rekey: kept.Rekey, Remains: kept.Remains}
	for _, id := range kept.Keys {
		if id != out.Key {
			out.OlderKey = append(out.OlderKey, id)
		}
	}
	return out, nil
}

// AskRekey has RekeyStep seal anew what is not sealed with the first key. A rekey with
// that key which has not ended goes on where it is.
func (l *Ledger) AskRekey(ctx context.Context) (*Sealing, error) {
	if l.seal.keys.first == nil {
		return nil, ErrNoKey
	}
	id := l.seal.keys.first.name()
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		kept, err := l.lockSealing(ctx, tx)
		if err != nil {
			return err
		}
		if r := kept.Rekey; r != nil && r.Ended == nil && r.Key == id {
			return nil
		}
		kept.Rekey = &Rekey{Key: id, Asked: l.now().UTC()}
		return l.saveSealing(ctx, tx, kept)
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: asking for a rekey: %w", err)
	}
	return l.Sealing(ctx)
}

// RekeyStep seals a bounded number of values anew, if that was asked for, and says whether
// there is more to do. Several workers may call it; flows may run meanwhile.
func (l *Ledger) RekeyStep(ctx context.Context) (more bool, err error) {
	kept, err := l.sealing(ctx, l.db)
	if err != nil || kept == nil {
		return false, err
	}
	if l.seal.keys.first == nil { // it got its key while this worker was at work
		_, _, err := l.readSecret(kept)
		return false, err
	}
	id := l.seal.keys.first.name()
	if slices.Contains(kept.Keys, id) && (kept.Rekey == nil || kept.Rekey.Ended != nil || kept.Rekey.Key != id) {
		if kept.Rekey != nil && kept.Rekey.Ended != nil && !l.seal.whole.Load() {
			_, whole, err := l.readSecret(kept)
			l.seal.whole.Store(err == nil && whole)
			return false, err
		}
		return false, nil
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) (err error) {
		more, err = l.rekeyStep(ctx, tx, id)
		return err
	})
	if err != nil {
		err = fmt.Errorf("ledger: sealing it anew: %w", err)
		if ctx.Err() == nil {
			err = errors.Join(err, l.noteRekeyProblem(ctx, err))
		}
	}
	return more, err
}

func (l *Ledger) rekeyStep(ctx context.Context, tx txn, id string) (more bool, err error) {
	kept, err := l.lockSealing(ctx, tx)
	if err != nil {
		return false, err
	}
	if !slices.Contains(kept.Keys, id) { // a rekey of other workers has ended, and this one still seals with an older key
		kept.Keys = append(kept.Keys, id)
	}
	r := kept.Rekey
	if r == nil || r.Ended != nil || r.Key != id {
		return false, l.saveSealing(ctx, tx, kept)
	}
	r.Problem = ""
	if r.Column < len(sealedColumns) {
		if err := l.rekeyRows(ctx, tx, r, &sealedColumns[r.Column]); err != nil {
			return false, err
		}
		return true, l.saveSealing(ctx, tx, kept)
	}
	if !l.postgres && !l.seal.whole.Load() {
		kept.Remains = true
	}
	now := l.now().UTC()
	r.Ended, r.After, kept.Keys = &now, nil, []string{id}
	if err := l.sealSecret(kept, true); err != nil {
		return false, err
	}
	return false, l.saveSealing(ctx, tx, kept)
}

// noteRekeyProblem keeps why a rekey does not go on, where an operator sees it.
func (l *Ledger) noteRekeyProblem(ctx context.Context, problem error) error {
	return l.write(ctx, func(ctx context.Context, tx txn) error {
		kept, err := l.lockSealing(ctx, tx)
		if err != nil || kept.Rekey == nil {
			return err
		}
		kept.Rekey.Problem = text(problem.Error())
		return l.saveSealing(ctx, tx, kept)
	})
}

// rekeyRow is a row of a column, as it is kept.
type rekeyRow struct {
	key    [3]string
	value  []byte
	prints [2][]byte
}

// rekeyRows seals the next rows of a column anew.
func (l *Ledger) rekeyRows(ctx context.Context, tx txn, r *Rekey, c *sealedColumn) error {
	if !l.postgres { // what was in clear is overwritten
		if _, err := tx.ExecContext(ctx, `PRAGMA secure_delete = on`); err != nil {
			return err
		}
		defer func() { _, _ = tx.ExecContext(ctx, `PRAGMA secure_delete = off`) }()
	}
	rows, err := l.nextRows(ctx, tx, r, c)
	if err != nil {
		return err
	}
	set := []string{c.column + " = ?"}
	for _, name := range c.prints {
		set = append(set, name+" = ?")
	}
	query := `UPDATE ` + c.table + ` SET ` + strings.Join(set, ", ") + ` WHERE ` + strings.Join(c.keyIs(), " AND ")
	for i := range rows {
		row := &rows[i]
		r.Looked++
		args, changed, err := l.resealed(row, c)
		if err != nil {
			return err
		}
		if !changed {
			continue
		}
		if _, err := tx.ExecContext(ctx, l.q(query), append(args, c.args(row.key[:])...)...); err != nil {
			return err
		}
		r.Sealed++
	}
	if len(rows) < c.rows() {
		r.Column, r.After = r.Column+1, nil
	} else {
		r.After = slices.Clone(rows[len(rows)-1].key[:len(c.key)])
	}
	return nil
}

func (l *Ledger) nextRows(ctx context.Context, tx txn, r *Rekey, c *sealedColumn) ([]rekeyRow, error) {
	after := r.After
	if after == nil {
		after = make([]string, len(c.key))
	}
	names := c.names()
	query := `SELECT ` + strings.Join(slices.Concat(names, []string{c.column}, c.prints), ", ") + ` FROM ` + c.table +
		` WHERE (` + strings.Join(names, ", ") + `) > (?` + strings.Repeat(",?", len(names)-1) + `) ORDER BY ` + strings.Join(names, ", ") + ` LIMIT ?`
	if l.postgres {
		query += ` FOR UPDATE`
	}
	rows, err := tx.QueryContext(ctx, l.q(query), append(c.args(after), c.rows())...)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(row *rekeyRow, scan scanner) error {
		var dest []any
		for i := range c.key {
			dest = append(dest, &row.key[i])
		}
		dest = append(dest, &row.value)
		for i := range c.prints {
			dest = append(dest, &row.prints[i])
		}
		return scan(dest...)
	})
}

// resealed is what a row is to hold, and whether it is something else than it does.
func (l *Ledger) resealed(row *rekeyRow, c *sealedColumn) (args []any, changed bool, err error) {
	p := at(c.table+"."+c.column, row.key[:len(c.key)]...)
	switch {
	case row.value == nil:
		args = []any{nil}
	case l.sealedWithFirst(row.value, c):
		args = []any{row.value}
	default:
		value, err := l.reseal(row, c, p)
		if err != nil {
			return nil, false, err
		}
		args, changed = []any{value}, true
	}
	for i := range c.prints {
		print := l.seal.print(row.prints[i])
		args, changed = append(args, print), changed || !bytes.Equal(print, row.prints[i])
	}
	return args, changed, nil
}

func (l *Ledger) reseal(row *rekeyRow, c *sealedColumn, p place) (any, error) {
	s := l.seal
	switch {
	case c.text:
		plain := string(row.value)
		if err := s.openText(&plain, p); err != nil {
			return nil, err
		}
		return s.closeText(plain, p)
	case c.packed:
		plain, err := s.unpack(row.value, p)
		if err != nil {
			return nil, err
		}
		return s.pack(plain, p)
	}
	plain, print, err := s.openWith(row.value, row.prints[0], p)
	if err != nil {
		return nil, err
	}
	return s.closeWith(plain, print, p)
}

// sealedWithFirst says that a value need not be sealed anew.
func (l *Ledger) sealedWithFirst(value []byte, c *sealedColumn) bool {
	if c.text {
		if len(value) == 0 {
			return true
		}
		coded, ok := strings.CutPrefix(string(value), sealedText)
		var err error
		if value, err = base64.RawStdEncoding.DecodeString(coded); err != nil || !ok {
			return false
		}
	}
	return isSealed(value) && len(value) >= sealedHead && bytes.Equal(value[1:1+keyIDSize], l.seal.keys.first.id[:])
}

func (c *sealedColumn) rows() int {
	if c.step > 0 {
		return c.step
	}
	return rekeyStep
}

func (c *sealedColumn) names() (out []string) {
	for _, k := range c.key {
		out = append(out, strings.TrimSuffix(k, "#"))
	}
	return out
}

func (c *sealedColumn) keyIs() (out []string) {
	for _, name := range c.names() {
		out = append(out, name+" = ?")
	}
	return out
}

// args are the parameters for a key; "" of a number is before all.
func (c *sealedColumn) args(key []string) (out []any) {
	for i, name := range c.key {
		if !strings.HasSuffix(name, "#") {
			out = append(out, key[i])
			continue
		}
		n, err := strconv.ParseInt(key[i], 10, 64)
		if err != nil {
			n = -1
		}
		out = append(out, n)
	}
	return out
}
