package ledger

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"strconv"
)

// How a hash of the audit trail was made: its first byte. The id of the key follows hashKeyed.
const (
	hashPlain = 'p' // SHA-256: whoever can write to the database can make it
	hashKeyed = 'k' // HMAC-SHA-256 under a key of its own, derived from the secret of the ledger
)

// chainKey makes and checks the hashes of the audit trail; without one they are made without
// a key. The secret of the ledger is sealed with each encryption key in turn, so that entries
// are checked under every later one.
type chainKey struct {
	id  byte
	key []byte
}

func newChainKey(secret []byte) (*chainKey, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "causeway ledger operations", sha256.Size)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(append([]byte("causeway ledger operations key id\n"), key...))
	return &chainKey{id[0], key}, nil
}

// make is the hash of fields, in order.
func (k *chainKey) make(fields ...[]byte) []byte {
	if k == nil {
		return hashed([]byte{hashPlain}, sha256.New(), fields)
	}
	return hashed([]byte{hashKeyed, k.id}, hmac.New(sha256.New, k.key), fields)
}

// verdict is what a hash says of fields.
type verdict int

const (
	agrees verdict = iota
	differs
	otherKey // it was made with a key that is not here
)

// check compares a hash with fields.
func (k *chainKey) check(sum []byte, fields ...[]byte) verdict {
	switch {
	case len(sum) > 0 && sum[0] == hashPlain:
		return verdictOf(hmac.Equal(sum, hashed([]byte{hashPlain}, sha256.New(), fields)))
	case !isKeyed(sum):
		return differs
	case k == nil || sum[1] != k.id:
		return otherKey
	}
	return verdictOf(hmac.Equal(sum, k.make(fields...)))
}

func verdictOf(equal bool) verdict {
	if equal {
		return agrees
	}
	return differs
}

// isKeyed says whether a hash needed a key.
func isKeyed(sum []byte) bool { return len(sum) > 1 && sum[0] == hashKeyed }

// hashed appends the hash of fields to head. Each field comes with its length, so that no
// two lists of fields read alike.
func hashed(head []byte, h hash.Hash, fields [][]byte) []byte {
	for _, f := range fields {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(f))))
		h.Write(f)
	}
	return h.Sum(bytes.Clone(head))
}

// fields are what the hash of an operation is over: itself, as it reads, and the hash of
// the one before.
func (o *Operation) fields(before []byte) [][]byte {
	out := [][]byte{[]byte("operation"), before, number(o.Seq), []byte(o.ID), number(millis(o.At)), []byte(o.By), number(int64(flag(o.Verified))), []byte(o.Subject)}
	for _, s := range []string{o.What, o.Flow, o.Table, o.Run, o.Revision, o.Was, o.Reason, o.Detail} {
		out = append(out, []byte(s))
	}
	return out
}

func number(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

// chainEnd is a place in the audit trail: where it begins or ends.
type chainEnd struct {
	name        string
	seq, at     int64
	hash, proof []byte
}

func (e *chainEnd) fields() [][]byte {
	return [][]byte{[]byte("end"), []byte(e.name), number(e.seq), number(e.at), e.hash}
}
