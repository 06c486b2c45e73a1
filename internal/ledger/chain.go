package ledger

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"strconv"
)

// How a hash of the audit trail was made: its first byte. A key's id follows hashKeyed.
const (
	hashPlain = 'p' // SHA-256: whoever can write to the database can make it
	hashKeyed = 'k' // HMAC-SHA-256 under a key of its own, derived from an encryption key
)

// chainKeys make and check the hashes of the audit trail. The first makes them, all check
// them. Without one they are made without a key.
type chainKeys []chainKey

type chainKey struct {
	id  byte
	key []byte
}

// chainKeysOf derives the keys of the audit trail from encryption keys; nil is none.
func chainKeysOf(keys ...[]byte) (out chainKeys) {
	for _, key := range keys {
		if key == nil {
			continue
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte("causeway ledger operations\n"))
		derived := mac.Sum(nil)
		id := sha256.Sum256(append([]byte("causeway ledger operations key id\n"), derived...))
		out = append(out, chainKey{id[0], derived})
	}
	return out
}

// make is the hash of fields, in order.
func (k chainKeys) make(fields ...[]byte) []byte {
	if len(k) == 0 {
		return hashed([]byte{hashPlain}, sha256.New(), fields)
	}
	return hashed([]byte{hashKeyed, k[0].id}, hmac.New(sha256.New, k[0].key), fields)
}

// verdict is what a hash says of fields.
type verdict int

const (
	agrees verdict = iota
	differs
	otherKey // it was made with a key that is not here
)

// check compares a hash with fields.
func (k chainKeys) check(sum []byte, fields ...[]byte) verdict {
	switch {
	case len(sum) > 0 && sum[0] == hashPlain:
		return verdictOf(hmac.Equal(sum, hashed([]byte{hashPlain}, sha256.New(), fields)))
	case !isKeyed(sum):
		return differs
	}
	found := false
	for _, key := range k {
		if key.id != sum[1] {
			continue
		}
		if found = true; hmac.Equal(sum, hashed([]byte{hashKeyed, key.id}, hmac.New(sha256.New, key.key), fields)) {
			return agrees
		}
	}
	if !found {
		return otherKey
	}
	return differs
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
