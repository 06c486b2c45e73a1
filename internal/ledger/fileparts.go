package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// FilePart is where a part of a load by file stands. It holds the records of one lane.
type FilePart struct {
	Lane  LaneID
	Table string
	// Outstanding says that the target may import the part at any time. Until that has
	// ended, no other lane of the table can be opened.
	Outstanding bool
	Doc         []byte // JSON, without values of records
}

// ErrOutstanding says that a file of the table is outstanding, so that nothing else may be
// written of it.
var ErrOutstanding = errors.New("a file of the table is outstanding in Campaign, which may import it at any time")

// SaveFilePart keeps where the part of a lane stands, for the attempt that opened the lane
// last: ErrFenced for any other. ErrOutstanding where it would be outstanding beside another
// part of the table.
func (l *Ledger) SaveFilePart(ctx context.Context, token Token, p FilePart) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		lane, err := l.lockLaneOf(ctx, tx, p.Lane, token)
		if err != nil {
			return err
		}
		if err := l.noOtherFile(ctx, tx, lane); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, l.q(`INSERT INTO file_part (run, page, lane, tbl, outstanding, doc) VALUES (?,?,?,?,?,?)
			ON CONFLICT (run, page, lane) DO UPDATE SET outstanding = excluded.outstanding, doc = excluded.doc`),
			p.Lane.Run, p.Lane.Page, p.Lane.Lane, lane.table, flag(p.Outstanding), string(p.Doc))
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: keeping where the part of %s stands: %w", p.Lane, err)
	}
	return nil
}

// FilePartGivenUp keeps that the part of a lane is outstanding no more, whoever has the lane
// now: its file is gone, and no import of it is under way. doc is where it stands.
func (l *Ledger) FilePartGivenUp(ctx context.Context, id LaneID, doc []byte) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`UPDATE file_part SET outstanding = 0, doc = ? WHERE run = ? AND page = ? AND lane = ?`), string(doc), id.Run, id.Page, id.Lane)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: keeping that the part of %s is given up: %w", id, err)
	}
	return nil
}

const selectFilePart = `SELECT run, page, lane, tbl, outstanding, doc FROM file_part WHERE `

// FilePart is where the part of a lane stands; ErrNotFound when it has none.
func (l *Ledger) FilePart(ctx context.Context, id LaneID) (*FilePart, error) {
	p, err := filePart(l.db.QueryRowContext(ctx, l.q(selectFilePart+`run = ? AND page = ? AND lane = ?`), id.Run, id.Page, id.Lane))
	if err != nil {
		return nil, fmt.Errorf("ledger: the part of %s: %w", id, err)
	}
	return p, nil
}

// OutstandingFile is the part of a table that is outstanding; nil when none is.
func (l *Ledger) OutstandingFile(ctx context.Context, table string) (*FilePart, error) {
	p, err := l.outstandingFile(ctx, l.db, table)
	if err != nil {
		return nil, fmt.Errorf("ledger: looking for a file of %s that is outstanding: %w", table, err)
	}
	return p, nil
}

func (l *Ledger) outstandingFile(ctx context.Context, q queryer, table string) (*FilePart, error) {
	p, err := filePart(q.QueryRowContext(ctx, l.q(selectFilePart+`tbl = ? AND outstanding = 1`), table))
	if errors.Is(err, ErrNotFound) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	return p, err
}

func filePart(row *sql.Row) (*FilePart, error) {
	var p FilePart
	err := row.Scan(&p.Lane.Run, &p.Lane.Page, &p.Lane.Lane, &p.Table, &p.Outstanding, &p.Doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	return &p, err
}

// noOtherFile fails where a part of another lane of the table is outstanding. Lanes of other
// flows are not held up by it: opt-outs are in no file.
func (l *Ledger) noOtherFile(ctx context.Context, tx txn, lane *lockedLane) error {
	if lane.flow != "ingress" && lane.flow != "rollback" {
		return nil
	}
	p, err := l.outstandingFile(ctx, tx, lane.table)
	if err == nil && p != nil && p.Lane != lane.id {
		err = fmt.Errorf("%w (part of %s)", ErrOutstanding, p.Lane)
	}
	return err
}

// forgetFileParts forgets the parts of a run that has ended. One that is outstanding stays,
// because it holds up whoever writes the table next.
const forgetFileParts = `DELETE FROM file_part WHERE run = ? AND outstanding = 0`
