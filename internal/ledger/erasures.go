package ledger

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// erasureFile keeps who was forgotten apart from the ledger, so that a ledger from a backup
// can be told: a line for each, with a keyed hash and a time. It is only ever added to.
// Without a path there is none.
type erasureFile struct {
	path string

	mu     sync.Mutex
	looked time.Time // when it was compared with the ledger last
}

// compareEvery is how often the file and the ledger are compared.
const compareEvery = time.Minute

// add adds a hash, which is on the disk when it returns nil.
func (f *erasureFile) add(hash string, at time.Time) error {
	if f.path == "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	has, _, err := f.read()
	if at = at.UTC().Truncate(time.Millisecond); err != nil || !has[hash].Before(at) {
		return err
	}
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return f.failed(err)
	}
	defer file.Close()
	line := hash + " " + at.Format(time.RFC3339Nano) + "\n"
	if end, err := file.Seek(0, io.SeekEnd); err == nil && end > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, end-1); err == nil && last[0] != '\n' {
			line = "\n" + line // a line before was cut by a crash
		}
	}
	if _, err = file.WriteString(line); err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = syncFolder(filepath.Dir(f.path))
	}
	return f.failed(err)
}

// erasure is that somebody was forgotten, as the ledger has it.
type erasure struct {
	hash string
	at   int64
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// ErrErasures says that the file of erasures cannot be used. Whoever is to be forgotten is
// once it can.
var ErrErasures = errors.New("ledger.erasures")

func (f *erasureFile) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s cannot be used, and nobody is forgotten before it can: %w", ErrErasures, f.path, err)
}

// read reads the hashes, and when each was forgotten the last time. damaged is how many lines
// are none of ours: erasures may be missing. The beginning of a line was cut by a crash, before
// anybody was forgotten.
func (f *erasureFile) read() (out map[string]time.Time, damaged int, err error) {
	out = map[string]time.Time{}
	if f.path == "" {
		return out, 0, nil
	}
	text, err := os.ReadFile(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return out, 0, nil
	}
	if err != nil {
		return nil, 0, f.failed(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		hash, when, _ := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339, when)
		switch raw, bad := hex.DecodeString(hash); {
		case bad == nil && len(raw) == sha256.Size && err == nil:
			if out[hash].Before(at) {
				out[hash] = at
			}
		case strings.Trim(line, "0123456789abcdef TZ:.-") != "" || len(line) > maxErasure:
			damaged++
		}
	}
	return out, damaged, nil
}

// maxErasure is the length of the longest line of ours.
const maxErasure = 2*sha256.Size + 1 + len("2006-01-02T15:04:05.000Z")

// compareErasures makes the file and the ledger agree: other workers may have a file of their
// own, and a ledger from a backup lacks what was forgotten since, the first time or once more.
// That is searched for.
func (l *Ledger) compareErasures(ctx context.Context) error {
	f := l.erasures
	if f.path == "" {
		return nil
	}
	f.mu.Lock()
	due := time.Since(f.looked) >= compareEvery
	f.mu.Unlock()
	if !due {
		return nil
	}
	inFile, _, err := f.read()
	if err != nil {
		return err
	}
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT hash, at FROM erasure`))
	if err != nil {
		return err
	}
	known, err := collect(rows, func(e *erasure, scan scanner) error { return scan(&e.hash, &e.at) })
	if err != nil {
		return err
	}
	for _, e := range known {
		if at := fromMillis(e.at); !inFile[e.hash].After(at) {
			if err := f.add(e.hash, at); err != nil {
				return err
			}
			delete(inFile, e.hash)
		}
	}
	if len(inFile) > 0 {
		if err := l.write(ctx, func(ctx context.Context, tx txn) error {
			for hash, at := range inFile {
				if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO erasure (hash, at, searched) VALUES (?,?,0)
					ON CONFLICT (hash) DO UPDATE SET at = excluded.at, searched = 0 WHERE erasure.at < excluded.at`), hash, millis(at)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	f.mu.Lock()
	f.looked = time.Now()
	f.mu.Unlock()
	return nil
}

// SearchErased has the ledger searched for all who were forgotten, because it was restored.
func (l *Ledger) SearchErased(ctx context.Context) error {
	l.erasures.mu.Lock()
	l.erasures.looked = time.Time{}
	l.erasures.mu.Unlock()
	err := l.compareErasures(ctx)
	if err == nil {
		err = l.write(ctx, func(ctx context.Context, tx txn) error {
			_, err := tx.ExecContext(ctx, l.q(`UPDATE erasure SET searched = 0`))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("ledger: asking for a search for what was forgotten: %w", err)
	}
	return nil
}

// secretOfErasures reads the secret of erasures, and makes it in a new ledger. One from before the
// ledger had a key is sealed with it.
func (l *Ledger) secretOfErasures(ctx context.Context) error {
	place := at(erasureSecret, "1")
	var kept string
	read := func(db queryer) error {
		return db.QueryRowContext(ctx, `SELECT coalesce(max(secret), '') FROM erasure_secret`).Scan(&kept)
	}
	if err := read(l.db); err != nil {
		return fmt.Errorf("ledger: reading the secret of erasures: %w", err)
	}
	if kept == "" || !strings.HasPrefix(kept, sealedText) && l.seal.keys.first != nil {
		err := l.write(ctx, func(ctx context.Context, tx txn) error {
			if err := read(tx); err != nil || strings.HasPrefix(kept, sealedText) {
				return err
			}
			if kept == "" {
				kept = rand.Text()
			}
			sealed, err := l.seal.closeText(kept, place)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO erasure_secret (one, secret) VALUES (1, ?) ON CONFLICT (one) DO NOTHING`), sealed); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, l.q(`UPDATE erasure_secret SET secret = ? WHERE secret = ?`), sealed, kept); err != nil {
				return err
			}
			return read(tx)
		})
		if err != nil {
			return fmt.Errorf("ledger: making the secret of erasures: %w", err)
		}
	}
	if err := l.seal.openText(&kept, place); err != nil {
		return err
	}
	l.erasureSecret = []byte(kept)
	return nil
}
