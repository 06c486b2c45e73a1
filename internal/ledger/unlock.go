package ledger

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// factSealing names how the ledger is sealed.
const factSealing = "sealing"

// sealing is how the ledger is sealed, as it is kept.
type sealing struct {
	Keys   []string `json:"keys"`   // ids of those that have sealed something, since a rekey has found nothing else
	Secret string   `json:"secret"` // keys fingerprints; sealed itself, with whether all values are sealed behind it
	Rekey  *Rekey   `json:"rekey,omitempty"`
	// Remains says that free space of the SQLite file may hold values in clear, from before.
	Remains bool `json:"remains,omitempty"`
}

const secretSize = 32

// unlock refuses a ledger that is sealed with a key which is not configured, before any of
// it is used. It prepares one that is opened with a key for the first time, or with a new one.
func (l *Ledger) unlock(ctx context.Context) error {
	kept, err := l.sealing(ctx, l.db)
	if err != nil || kept == nil && l.seal.keys.first == nil {
		return err
	}
	if kept != nil {
		if err := l.openSecret(kept); err != nil {
			return err
		}
		if slices.Contains(kept.Keys, l.seal.keys.first.name()) {
			return nil
		}
	}
	return l.write(ctx, func(ctx context.Context, tx txn) error {
		kept, err := l.lockSealing(ctx, tx)
		if err != nil {
			return err
		}
		if kept.Secret != "" {
			if err := l.openSecret(kept); err != nil { // another worker was here first
				return err
			}
		} else if err := l.makeSecret(ctx, tx, kept); err != nil {
			return err
		}
		if id := l.seal.keys.first.name(); !slices.Contains(kept.Keys, id) {
			kept.Keys = append(kept.Keys, id)
		}
		return l.saveSealing(ctx, tx, kept)
	})
}

func (l *Ledger) sealing(ctx context.Context, db queryer) (*sealing, error) {
	var doc string
	err := db.QueryRowContext(ctx, l.q(`SELECT value FROM fact WHERE name = ?`), factSealing).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) || err == nil && doc == "" {
		return nil, nil
	}
	var out sealing
	if err == nil {
		err = json.Unmarshal([]byte(doc), &out)
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: reading how it is sealed: %w", err)
	}
	return &out, nil
}

// lockSealing reads how the ledger is sealed, which nobody else changes until tx ends.
func (l *Ledger) lockSealing(ctx context.Context, tx txn) (*sealing, error) {
	if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO fact (name, value) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value = fact.value`), factSealing, ""); err != nil {
		return nil, err
	}
	kept, err := l.sealing(ctx, tx)
	if kept == nil {
		kept = &sealing{}
	}
	return kept, err
}

func (l *Ledger) saveSealing(ctx context.Context, tx txn, s *sealing) error {
	doc, err := json.Marshal(s)
	if err == nil {
		_, err = tx.ExecContext(ctx, l.q(`UPDATE fact SET value = ? WHERE name = ?`), string(doc), factSealing)
	}
	return err
}

func (l *Ledger) openSecret(s *sealing) error {
	secret, whole, err := l.readSecret(s)
	if err == nil {
		err = l.useSecret(secret, whole)
	}
	return err
}

// useSecret is called before anything is fingerprinted or logged.
func (l *Ledger) useSecret(secret []byte, whole bool) error {
	chain, err := newChainKey(secret)
	l.seal.secret = secret
	l.seal.whole.Store(whole)
	l.chain.Store(chain)
	return err
}

// SealedSecret is a secret for a purpose, which nobody has who has the ledger without its key.
// It outlives a change of that key. Without a key it is empty.
func (l *Ledger) SealedSecret(purpose string) ([]byte, error) {
	if l.seal.secret == nil {
		return nil, nil
	}
	return hkdf.Key(sha256.New, l.seal.secret, nil, purpose, secretSize)
}

// readSecret checks that every key is there that has sealed something.
func (l *Ledger) readSecret(s *sealing) (secret []byte, whole bool, err error) {
	for _, id := range s.Keys {
		if !slices.Contains(l.seal.keys.names(), id) {
			return nil, false, l.seal.keys.missing(id)
		}
	}
	sealed, err := base64.RawStdEncoding.DecodeString(s.Secret)
	if err != nil || !isSealed(sealed) {
		return nil, false, damaged(secretPlace)
	}
	secret, err = l.seal.open(sealed, secretPlace)
	if err == nil && len(secret) != secretSize+1 {
		err = damaged(secretPlace)
	}
	if err != nil {
		return nil, false, err
	}
	return secret[:secretSize:secretSize], secret[secretSize] == 1, nil
}

var secretPlace = at("fact.value", factSealing)

// makeSecret makes the secret of a ledger that has none. One in which nothing was kept so
// far is sealed as a whole.
func (l *Ledger) makeSecret(ctx context.Context, tx txn, s *sealing) error {
	var n int
	if err := tx.QueryRowContext(ctx, l.q(`SELECT count(*) FROM (SELECT id FROM run UNION ALL SELECT hash FROM revision UNION ALL SELECT tbl FROM watermark UNION ALL SELECT contact FROM optout LIMIT 1) one`)).Scan(&n); err != nil {
		return err
	}
	end, err := l.chainEnd(ctx, tx, chainLast, false)
	if err != nil {
		return err
	}
	if isKeyed(end.hash) { // somebody took the secret away, so that values in clear would be read again
		return fmt.Errorf("%s: %w", secretPlace.String(), errNoSecret)
	}
	secret := make([]byte, secretSize)
	_, _ = rand.Read(secret) // it never fails
	if err := l.useSecret(secret, n == 0); err != nil {
		return err
	}
	return l.sealSecret(s, n == 0)
}

// sealSecret seals the secret with the first key, and whether everything is sealed.
func (l *Ledger) sealSecret(s *sealing, whole bool) error {
	plain := append(slices.Clone(l.seal.secret), byte(flag(whole)))
	sealed, err := l.seal.close(plain, secretPlace)
	s.Secret = base64.RawStdEncoding.EncodeToString(sealed)
	return err
}
