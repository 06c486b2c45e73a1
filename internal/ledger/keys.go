package ledger

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// keySetting is where the keys are configured.
const keySetting = "ledger.encryption_key"

const keyIDSize = 4

// ledgerKey is a configured key. Values are sealed with one that is derived from it, so
// that the same key may serve something else.
type ledgerKey struct {
	id    [keyIDSize]byte // tells nothing of the key
	x     *xaes
	early cipher.AEAD // opens formEarly
}

// keyring is the configured keys.
type keyring struct {
	first *ledgerKey // seals; nil: nothing does
	all   []*ledgerKey
}

func newKeyring(keys [][]byte) (keyring, error) {
	var r keyring
	for _, key := range keys {
		k, err := newKey(key)
		if err != nil {
			return r, fmt.Errorf("%s: %w", keySetting, err)
		}
		if r.of(k.id) == nil {
			r.all = append(r.all, k)
		}
	}
	if len(r.all) > 0 {
		r.first = r.all[0]
	}
	return r, nil
}

func newKey(key []byte) (*ledgerKey, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("got %d bytes, want 32", len(key))
	}
	sum := sha256.Sum256(append([]byte("causeway ledger key id\n"), key...))
	k := &ledgerKey{id: [keyIDSize]byte(sum[:keyIDSize])}
	derived, err := hkdf.Key(sha256.New, key, nil, "causeway ledger values", 32)
	if err != nil {
		return nil, err
	}
	if k.x, err = newXAES(derived); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	k.early, err = cipher.NewGCM(block)
	return k, err
}

// ParseKeys reads keys, separated by blanks, commas or line breaks: each 32 bytes, as hex
// or base64. The first seals, and all open. An error does not show a key.
func ParseKeys(text string) ([][]byte, error) {
	const want = "want 32 bytes as 64 hexadecimal digits or as base64; make one with: openssl rand -base64 32"
	var keys [][]byte
	for n, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) }) {
		key, err := hex.DecodeString(word)
		if err != nil || len(key) != 32 {
			key, err = base64.StdEncoding.DecodeString(word)
		}
		if err != nil || len(key) != 32 {
			return nil, fmt.Errorf("key %d: %s", n+1, want)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New(want)
	}
	return keys, nil
}

func (r *keyring) of(id [keyIDSize]byte) *ledgerKey {
	for _, k := range r.all {
		if k.id == id {
			return k
		}
	}
	return nil
}

func keyName(id []byte) string { return hex.EncodeToString(id) }

func (k *ledgerKey) name() string { return keyName(k.id[:]) }

func (r *keyring) names() (out []string) {
	for _, k := range r.all {
		out = append(out, k.name())
	}
	return out
}

// MissingKeyError says that something in the ledger is sealed with a key that is not
// configured.
type MissingKeyError struct {
	ID   string   // of the key that is wanted
	Have []string // ids of those that are configured, the one that seals first
}

func (e *MissingKeyError) Error() string {
	have := "and no key is configured"
	if len(e.Have) > 0 {
		have = "and the keys configured are " + strings.Join(e.Have, ", ")
	}
	return fmt.Sprintf("%s: the ledger holds what is sealed with key %s, %s: add that key to them, the one that seals first", keySetting, e.ID, have)
}

func (r *keyring) missing(id string) error { return &MissingKeyError{ID: id, Have: r.names()} }

// openEarly opens what was sealed without its row.
func (r *keyring) openEarly(b []byte, p place) ([]byte, error) {
	if len(b) < 2 {
		return nil, damaged(p)
	}
	known := false
	for _, k := range r.all {
		if b[1] != k.id[0] {
			continue
		}
		known = true
		head := 2 + k.early.NonceSize()
		if len(b) < head {
			return nil, damaged(p)
		}
		if packed, err := k.early.Open(nil, b[2:head], b[head:], b[:2]); err == nil {
			return packed, nil
		}
	}
	if !known {
		return nil, fmt.Errorf("%s: %w", p.String(), r.missing(keyName(b[1:2])+"…"))
	}
	return nil, damaged(p)
}

// keyedPrint is the size of a fingerprint with a key; those without are shorter.
const keyedPrint = 24

// print makes the form in which a fingerprint is kept. With a key nobody can guess a value
// and find its fingerprint in the ledger.
func (s *sealer) print(fingerprint []byte) []byte {
	if s.secret == nil || fingerprint == nil || len(fingerprint) == keyedPrint {
		return fingerprint
	}
	mac, ok := s.macs.Get().(hash.Hash)
	if !ok {
		mac = hmac.New(sha256.New, s.secret)
	}
	defer s.macs.Put(mac)
	mac.Reset()
	mac.Write(fingerprint)
	return mac.Sum(nil)[:keyedPrint]
}
