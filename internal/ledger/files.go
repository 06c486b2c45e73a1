package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// FileState is how far an exported file is.
type FileState string

const (
	FileReading FileState = "reading" // a run is at it
	FileDone    FileState = "done"    // everything in it has an outcome
	FileBad     FileState = "bad"     // cannot be read; Error says where
)

// ExportFile is an exported file that a flow has looked at: what it is in a
// listing, and what it holds.
type ExportFile struct {
	Flow, Name string
	Size       int64
	Modified   time.Time
	Hash       string // of the content, in hex; "" when it could not be read at all
	State      FileState
	Error      string // file, place and what is wrong there; no value
	Run        string
	Rows       int64
	At         time.Time // when this was kept
}

const fileColumns = `flow, name, size, modified, hash, state, error, run, n_rows, at`

// PutExportFile keeps what is known of a file, in place of what was.
func (l *Ledger) PutExportFile(ctx context.Context, f ExportFile) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`INSERT INTO export_file (`+fileColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?)
			ON CONFLICT (flow, name, size, modified) DO UPDATE SET hash = excluded.hash, state = excluded.state, error = excluded.error,
			run = excluded.run, n_rows = excluded.n_rows, at = excluded.at`),
			f.Flow, f.Name, f.Size, millis(f.Modified), f.Hash, f.State, text(f.Error), f.Run, f.Rows, l.now().UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: keeping what is known of a file: %w", err)
	}
	return nil
}

// ExportFile is what is known of a file as a listing shows it, or ErrNotFound.
func (l *Ledger) ExportFile(ctx context.Context, flow, name string, size int64, modified time.Time) (*ExportFile, error) {
	return l.exportFile(ctx, `flow = ? AND name = ? AND size = ? AND modified = ?`, flow, name, size, millis(modified))
}

// ExportFileTwin is another file with this content that was read to its end, or
// that the run is reading, or ErrNotFound: a file that was exported twice.
func (l *Ledger) ExportFileTwin(ctx context.Context, f ExportFile) (*ExportFile, error) {
	return l.exportFile(ctx, `flow = ? AND hash = ? AND (state = 'done' OR state = 'reading' AND run = ?)
		AND NOT (name = ? AND size = ? AND modified = ?) ORDER BY at LIMIT 1`, f.Flow, f.Hash, f.Run, f.Name, f.Size, millis(f.Modified))
}

func (l *Ledger) exportFile(ctx context.Context, where string, args ...any) (*ExportFile, error) {
	var f ExportFile
	err := scanFile(&f, l.db.QueryRowContext(ctx, l.q(`SELECT `+fileColumns+` FROM export_file WHERE `+where), args...).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: reading what is known of a file: %w", err)
	}
	return &f, nil
}

// ExportFiles lists the files of a flow in a state, the newest first; at
// most limit, 1,000 when 0.
func (l *Ledger) ExportFiles(ctx context.Context, flow string, state FileState, limit int) ([]ExportFile, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT `+fileColumns+` FROM export_file WHERE flow = ? AND state = ? ORDER BY at DESC, name LIMIT ?`),
		flow, state, limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("ledger: listing files: %w", err)
	}
	return collect(rows, scanFile)
}

// DropExportFile forgets one file: what is there under its name counts as not seen.
func (l *Ledger) DropExportFile(ctx context.Context, f ExportFile) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`DELETE FROM export_file WHERE flow = ? AND name = ? AND size = ? AND modified = ?`), f.Flow, f.Name, f.Size, millis(f.Modified))
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: forgetting a file: %w", err)
	}
	return nil
}

// ForgetExportFiles drops what was kept of files before the cutoff.
func (l *Ledger) ForgetExportFiles(ctx context.Context, flow string, cutoff time.Time) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`DELETE FROM export_file WHERE flow = ? AND state IN ('done', 'bad') AND at < ?`), flow, millis(cutoff))
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: forgetting files: %w", err)
	}
	return nil
}

func scanFile(f *ExportFile, scan scanner) error {
	var modified, at int64
	err := scan(&f.Flow, &f.Name, &f.Size, &modified, &f.Hash, &f.State, &f.Error, &f.Run, &f.Rows, &at)
	f.Modified, f.At = fromMillis(modified), fromMillis(at)
	return err
}
