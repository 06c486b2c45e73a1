package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// ErrServer says that the ledger is in a database server, whose own tools back it up.
var ErrServer = errors.New("the ledger is in a PostgreSQL database")

// ErrBackingUp says that a backup is being made already.
var ErrBackingUp = errors.New("ledger: a backup is being made already; wait for it")

// PlaceError says why a copy cannot go where somebody wants it.
type PlaceError string

func (e PlaceError) Error() string { return string(e) }

// BackupOptions say where a copy of the ledger goes, and which older ones may go.
type BackupOptions struct {
	Folder  string        // for copies, each named after its time; made where it is missing
	Name    string        // what names of copies begin with, so that several ledgers can share a folder; "": nothing
	To      string        // a file that is not there yet, or another folder; "": Folder
	Keep    int           // copies in Folder; older ones are removed after a new one. 0: all
	KeepFor time.Duration // their age, likewise; the newest stays. 0: for ever
}

// Backup is a copy of the ledger that was looked at and found whole.
type Backup struct {
	File    string
	Size    int64
	At      time.Time // it holds what was committed until then
	Removed int       // older copies
}

const (
	partSuffix = ".part" // of a copy that is being made
	copySuffix = ".db"
	copyTime   = "20060102T150405.000Z"
)

// Backup copies a SQLite ledger while it is in use. The copy is what was committed when it
// began, and holds nothing of free space, where values that were forgotten may linger.
// Nobody who writes waits for it: readers and writers of a SQLite file in WAL mode do not.
// The file has its name only once it is whole, read again and on the disk.
func (l *Ledger) Backup(ctx context.Context, o BackupOptions) (*Backup, error) {
	if l.postgres {
		return nil, ErrServer
	}
	if !l.copying.TryLock() {
		return nil, ErrBackingUp
	}
	defer l.copying.Unlock()
	if err := l.file.inPlace(); err != nil {
		return nil, err
	}
	out := &Backup{At: l.now().UTC()}
	to, err := l.copyTo(o, out.At)
	if err != nil {
		return nil, err
	}
	if err := l.roomFor(filepath.Dir(to)); err != nil {
		return nil, err
	}
	part := to + partSuffix
	defer func() { _ = removeAll(part, part+"-journal", part+"-wal", part+"-shm") }()
	if err := l.copyInto(ctx, part); err != nil {
		return nil, fmt.Errorf("ledger: making a backup: %w", err)
	}
	if err := l.sameAs(ctx, part); err != nil {
		return nil, fmt.Errorf("ledger: looking at the backup that was made: %w", err)
	}
	if out.Size, err = settle(part, to); err != nil {
		return nil, fmt.Errorf("ledger: keeping the backup: %w", err)
	}
	out.File = to
	if filepath.Dir(to) == filepath.Clean(o.Folder) {
		out.Removed, err = l.dropCopies(o, to, out.At)
	}
	return out, err
}

// copyTo is the file for a copy. Nothing that is there is ever written over.
func (l *Ledger) copyTo(o BackupOptions, at time.Time) (string, error) {
	folder, file := o.Folder, ""
	if o.To != "" {
		if !filepath.IsAbs(o.To) {
			return "", PlaceError(fmt.Sprintf("to: got %q, want a whole path on the machine of the worker, such as /backup/ledger.db", o.To))
		}
		folder = o.To
		if info, err := os.Stat(o.To); err != nil || !info.IsDir() {
			if err == nil {
				return "", PlaceError(fmt.Sprintf("to: %s is there already; name another file", o.To))
			}
			folder, file = filepath.Split(filepath.Clean(o.To))
		}
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("ledger: a folder for backups: %w", err)
	}
	if file == "" {
		file = l.copyName(o) + at.Format(copyTime) + copySuffix
	}
	return filepath.Join(folder, file), nil
}

// copyName is what the names of copies begin with. Names of instances tell ledgers apart whose
// files are named alike.
func (l *Ledger) copyName(o BackupOptions) string {
	name := ""
	if o.Name != "" {
		name = o.Name + "-"
	}
	return name + strings.TrimSuffix(filepath.Base(l.file.path), filepath.Ext(l.file.path)) + "-"
}

// roomFor refuses a folder that cannot take a copy, before the disk is full.
func (l *Ledger) roomFor(folder string) error {
	info, err := os.Stat(l.file.path)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	free, err := freeSpace(folder)
	if err == nil && free < uint64(info.Size()) { //nolint:gosec // not negative
		return fmt.Errorf("ledger: %s has %s free, and a backup may take %s: make room, or name another folder", folder, humanize.IBytes(free), humanize.IBytes(uint64(info.Size()))) //nolint:gosec // likewise
	}
	return nil
}

// copyInto copies what is committed now, over a connection of its own.
func (l *Ledger) copyInto(ctx context.Context, part string) (err error) {
	if err := removeAll(part); err != nil { // of a worker that was killed
		return err
	}
	if err := touch(part); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", sqliteDSN(l.file.path, busyTimeout, "cache_size(-16384)"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, part)
	return err
}

// sameAs reads a copy from end to end, and compares what tells one ledger from another: whose
// it is, its schema, its identity and how it is sealed.
func (l *Ledger) sameAs(ctx context.Context, part string) (err error) {
	db, err := sql.Open("sqlite", sqliteDSN(part, busyTimeout, "query_only(on)"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	var said string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&said); err != nil {
		return err
	}
	if said != "ok" {
		return fmt.Errorf("it is damaged: %s; look at the disk, and whether the ledger itself is whole", said)
	}
	for what, query := range map[string]string{
		"mark":     `SELECT CAST(application_id AS TEXT) FROM pragma_application_id`,
		"schema":   `SELECT CAST(COALESCE(MAX(version_id), 0) AS TEXT) FROM goose_db_version`,
		"identity": `SELECT COALESCE(MAX(value), '') FROM fact WHERE name = 'ledger'`,
	} {
		var want, got string
		if err := l.db.QueryRowContext(ctx, query).Scan(&want); err != nil {
			return err
		}
		if err := db.QueryRowContext(ctx, query).Scan(&got); err != nil {
			return err
		}
		if want != got {
			return fmt.Errorf("it has the %s %q, and the ledger %q", what, got, want)
		}
	}
	kept, err := l.sealing(ctx, db)
	if err == nil && kept != nil { // with the keys that we have, as a worker would that begins with it
		err = l.openSecret(kept)
	}
	return err
}

// settle gives a copy its name, once it is on the disk. Another file of that name stays.
func settle(part, to string) (int64, error) {
	f, err := os.OpenFile(part, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	if _, err := os.Lstat(to); err == nil {
		return 0, fmt.Errorf("%s is there already", to)
	}
	if err := os.Rename(part, to); err != nil {
		return 0, err
	}
	return info.Size(), syncFolder(filepath.Dir(to))
}

// dropCopies removes older copies of this ledger from the folder, and what is left of those
// that were never finished. It never removes the newest.
func (l *Ledger) dropCopies(o BackupOptions, newest string, at time.Time) (int, error) {
	found, err := os.ReadDir(o.Folder)
	if err != nil {
		return 0, fmt.Errorf("ledger: older backups: %w", err)
	}
	type older struct {
		file string
		at   time.Time
	}
	var copies []older
	var errs []error
	for _, f := range found {
		name, ours := strings.CutPrefix(f.Name(), l.copyName(o))
		file := filepath.Join(o.Folder, f.Name())
		stamp, whole := strings.CutSuffix(name, copySuffix)
		if begun, part := strings.CutSuffix(name, copySuffix+partSuffix); part {
			stamp = begun
		}
		when, err := time.Parse(copyTime, stamp)
		switch {
		case !ours || err != nil || file == newest:
		case whole:
			copies = append(copies, older{file, when})
		default: // ours is the only one that is made at a time
			errs = append(errs, os.Remove(file))
		}
	}
	slices.SortFunc(copies, func(a, b older) int { return b.at.Compare(a.at) })
	removed := 0
	for n, c := range copies {
		if o.Keep > 0 && n+1 >= o.Keep || o.KeepFor > 0 && at.Sub(c.at) > o.KeepFor {
			errs = append(errs, os.Remove(c.file))
			removed++
		}
	}
	if err := errors.Join(errs...); err != nil {
		return removed, fmt.Errorf("ledger: removing older backups: %w", err)
	}
	return removed, nil
}

func removeAll(files ...string) error {
	var errs []error
	for _, f := range files {
		if err := os.Remove(f); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
