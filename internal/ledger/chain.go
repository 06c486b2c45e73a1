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
	hashKeyed = 'k' // HMAC-SHA-256 under a key of its own, derived from the ledger's secret
)

// chainKey makes and checks the hashes of the audit trail. It comes from the secret of the
// ledger and not from an encryption key, which may be given up after a rekey: the log can
// be verified from its beginning after that too. The zero one is none.
type chainKey struct {
	id  byte
	key []byte
}

// chainKeyOf derives the key of the audit trail from the secret of a ledger; nil is none.
func chainKeyOf(secret []byte) (k chainKey) {
	if secret == nil {
		return k
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("causeway ledger operations\n"))
	k.key = mac.Sum(nil)
	id := sha256.Sum256(append([]byte("causeway ledger operations key id\n"), k.key...))
	k.id = id[0]
	return k
}

// there says whether there is a key.
func (k chainKey) there() bool { return k.key != nil }

// make is the hash of fields, in order.
func (k chainKey) make(fields ...[]byte) []byte {
	if !k.there() {
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
func (k chainKey) check(sum []byte, fields ...[]byte) verdict {
	switch {
	case len(sum) > 0 && sum[0] == hashPlain:
		return verdictOf(hmac.Equal(sum, hashed([]byte{hashPlain}, sha256.New(), fields)))
	case !isKeyed(sum):
		return differs
	case !k.there() || k.id != sum[1]:
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
