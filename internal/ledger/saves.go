package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ConfigSave is one saved change of the configuration. Says and Files are the caller's, in
// a form of its own; they may name a value in a filter, so they are sealed.
type ConfigSave struct {
	ID       string
	At       time.Time
	By       string // "" when not known
	Verified bool   // By has signed in
	Subject  string // of By at the issuer, if verified
	Reason   string // in the words of whoever saved
	Says     []byte // the differences
	Files    []byte // what the files held before and after
}

const saveColumns = `id, at, who, verified, subject, reason, says`

// KeepSave keeps a saved change. One whose id is known already is left as it is.
func (l *Ledger) KeepSave(ctx context.Context, s ConfigSave) error {
	says, err := l.seal.close(s.Says, at(saveSays, s.ID))
	if err != nil {
		return fmt.Errorf("ledger: keeping save %s: %w", s.ID, err)
	}
	files, err := l.seal.close(s.Files, at(saveFiles, s.ID))
	if err != nil {
		return fmt.Errorf("ledger: keeping save %s: %w", s.ID, err)
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`INSERT INTO config_save (`+saveColumns+`, files) VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING`),
			s.ID, millis(s.At), text(s.By), flag(s.Verified), text(s.Subject), text(s.Reason), says, files)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: keeping save %s: %w", s.ID, err)
	}
	return nil
}

// Saves lists the newest saved changes before a time, the newest last, without what the
// files held. The zero time is the end.
func (l *Ledger) Saves(ctx context.Context, before time.Time, limit int) ([]ConfigSave, error) {
	query, args := `SELECT `+saveColumns+` FROM config_save`, []any{}
	if !before.IsZero() {
		query, args = query+` WHERE at < ?`, append(args, millis(before))
	}
	rows, err := l.db.QueryContext(ctx, l.q(query+` ORDER BY at DESC, id DESC LIMIT ?`), append(args, limitOf(limit))...)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing saves: %w", err)
	}
	out, err := collect(rows, func(s *ConfigSave, scan scanner) error { return l.scanSave(s, scan) })
	if err != nil {
		return nil, fmt.Errorf("ledger: listing saves: %w", err)
	}
	slices.Reverse(out)
	return out, nil
}

// Save returns a saved change with what the files held, or ErrNotFound.
func (l *Ledger) Save(ctx context.Context, id string) (ConfigSave, error) {
	var s ConfigSave
	var files []byte
	err := l.scanSave(&s, l.db.QueryRowContext(ctx, l.q(`SELECT `+saveColumns+`, files FROM config_save WHERE id = ?`), id).Scan, &files)
	if errors.Is(err, sql.ErrNoRows) {
		return s, ErrNotFound
	}
	if err == nil {
		s.Files, err = l.seal.open(files, at(saveFiles, id))
	}
	if err != nil {
		return s, fmt.Errorf("ledger: reading save %s: %w", id, err)
	}
	return s, nil
}

func (l *Ledger) scanSave(s *ConfigSave, scan scanner, more ...any) error {
	var when int64
	var verified int
	if err := scan(append([]any{&s.ID, &when, &s.By, &verified, &s.Subject, &s.Reason, &s.Says}, more...)...); err != nil {
		return err
	}
	s.At, s.Verified = fromMillis(when), verified == 1
	var err error
	s.Says, err = l.seal.open(s.Says, at(saveSays, s.ID))
	return err
}

// PruneSaves forgets saved changes from before the cutoff, a bounded number at a time, and
// returns how many went.
func (l *Ledger) PruneSaves(ctx context.Context, cutoff time.Time) (int64, error) {
	n, err := l.pruneOldest(ctx, `config_save`, `id`, `at < ?`, `at, id`, millis(cutoff))
	if err != nil {
		return 0, fmt.Errorf("ledger: forgetting saves: %w", err)
	}
	return n, nil
}
