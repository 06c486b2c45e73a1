package ledger

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing/fstest"
)

// FillDisk has SQLite answer as on a full disk: its file may not grow. Or it may again.
func FillDisk(ctx context.Context, l *Ledger, full bool) error {
	return l.sqlite.do(ctx, &commit{work: func(ctx context.Context, tx txn) error {
		pages := int64(1 << 30)
		if full {
			if err := tx.QueryRowContext(ctx, `PRAGMA page_count`).Scan(&pages); err != nil {
				return err
			}
		}
		var now int64
		return tx.QueryRowContext(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages)).Scan(&now)
	}})
}

// Queries are the texts that the ledger has used so far, and those of bulk statements for
// one row, as its database takes them.
func (l *Ledger) Queries() []string {
	var out []string
	l.texts.Range(func(_, text any) bool {
		out = append(out, text.(string))
		return true
	})
	for _, b := range bulks {
		if texts := &b.sqlite; !l.postgres {
			out = append(out, texts[len(texts)-1])
			continue
		}
		out = append(out, b.postgres[len(bulkSizes)-1])
	}
	if !l.postgres {
		out = append(out, addHeld, lastRecord)
	}
	for i := range out {
		out[i] = strings.Join(strings.Fields(out[i]), " ")
	}
	return out
}

// Opened is every value of a column that can hold one of a person, as whoever has the key reads it.
func Opened(ctx context.Context, l *Ledger) (out []string, err error) {
	for _, c := range sealedColumns {
		rows, err := l.db.QueryContext(ctx, `SELECT `+strings.Join(append(c.names(), c.column), ", ")+` FROM `+c.table+` WHERE `+c.column+` IS NOT NULL`)
		if err != nil {
			return nil, err
		}
		found, err := collect(rows, func(r *rekeyRow, scan scanner) error {
			var dest []any
			for i := range c.key {
				dest = append(dest, &r.key[i])
			}
			return scan(append(dest, &r.value)...)
		})
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			p := at(c.table+"."+c.column, r.key[:len(c.key)]...)
			var plain []byte
			switch {
			case c.text:
				text := string(r.value)
				err = l.seal.openText(&text, p)
				plain = []byte(text)
			case c.packed:
				plain, err = l.seal.unpack(r.value, p)
			default:
				plain, err = l.seal.open(r.value, p)
			}
			if err != nil {
				return nil, err
			}
			out = append(out, string(plain))
		}
	}
	return out, nil
}

// EraseRows takes the last step of forgetting, as if nothing had held the record when it was
// looked at.
func EraseRows(ctx context.Context, l *Ledger, table, key string) (bool, error) {
	return l.eraseRows(ctx, Erasing{Table: table, Key: key, At: l.now(), Until: l.now()}, map[LaneID]bool{}, nil)
}

// NextRelease is a ledger as a next release opens it: with one more step.
func NextRelease(o Options, name, text string) Options {
	o.steps = func(database string) fs.FS {
		out := fstest.MapFS{name: &fstest.MapFile{Data: []byte(text)}}
		names, _ := fs.Glob(builtIn(database), "*.sql")
		for _, name := range names {
			data, _ := fs.ReadFile(builtIn(database), name)
			out[name] = &fstest.MapFile{Data: data}
		}
		return out
	}
	return o
}
