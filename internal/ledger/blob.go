package ledger

import (
	"encoding/binary"
	"errors"
)

// A staged lane is one blob, in columns, because like compresses best with like:
//
//	version byte (3) | number of entries | flags, one byte each | then, each as
//	lengths and values: keys | versions | verdicts | problems | raws
//
// Verdicts and problems are there only if flags say so of an entry. Numbers are
// uvarints. The blob is then compressed, and sealed when a key is
// configured (sealer).
const (
	blobVersion = 3
	flagDeleted = 1
	flagVerdict = 2 // it has a verdict or a problem
	minEntry    = 4 // bytes of an empty entry: flags and three lengths
)

var errBlob = errors.New("a staged lane in the ledger cannot be read: it is damaged or from a newer build")

func encodeEntries(entries []Entry) []byte {
	size := 1 + binary.MaxVarintLen64
	var judged []*Entry
	for i := range entries {
		e := &entries[i]
		size += 12 + len(e.Key) + len(e.Version) + len(e.Raw)
		if e.judged() {
			judged = append(judged, e)
		}
	}
	b := append(make([]byte, 0, size), blobVersion)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for i := range entries {
		flags := byte(0)
		if entries[i].Deleted {
			flags |= flagDeleted
		}
		if entries[i].judged() {
			flags |= flagVerdict
		}
		b = append(b, flags)
	}
	all := make([]*Entry, len(entries))
	for i := range entries {
		all[i] = &entries[i]
	}
	b = appendColumn(b, all, func(e *Entry) string { return e.Key })
	b = appendColumn(b, all, func(e *Entry) string { return e.Version })
	b = appendColumn(b, judged, func(e *Entry) string { return string(e.Verdict) })
	b = appendColumn(b, judged, func(e *Entry) string { return e.Problem })
	return appendColumn(b, all, func(e *Entry) []byte { return e.Raw })
}

func (e *Entry) judged() bool { return e.Verdict != "" || e.Problem != "" }

func appendColumn[T string | []byte](b []byte, entries []*Entry, value func(*Entry) T) []byte {
	for _, e := range entries {
		b = binary.AppendUvarint(b, uint64(len(value(e))))
	}
	for _, e := range entries {
		b = append(b, value(e)...)
	}
	return b
}

// decodeEntries reads what encodeEntries wrote; the Raws are slices of b. An
// empty Raw comes back nil.
func decodeEntries(b []byte) ([]Entry, error) {
	if len(b) == 0 || b[0] != blobVersion {
		return nil, errBlob
	}
	n, used := binary.Uvarint(b[1:])
	if used <= 0 || n > uint64(len(b)-1-used)/minEntry {
		return nil, errBlob
	}
	b = b[1+used:]
	entries := make([]Entry, n)
	var judged []*Entry
	for i := range entries {
		if b[i]&^(flagDeleted|flagVerdict) != 0 {
			return nil, errBlob
		}
		entries[i].Deleted = b[i]&flagDeleted != 0
		if b[i]&flagVerdict != 0 {
			judged = append(judged, &entries[i])
		}
	}
	r := columns{rest: b[n:], lengths: make([]int, n)}
	r.read(len(entries), func(i int, v []byte) { entries[i].Key = string(v) })
	r.read(len(entries), func(i int, v []byte) { entries[i].Version = string(v) })
	r.read(len(judged), func(i int, v []byte) { judged[i].Verdict = Verdict(v) })
	r.read(len(judged), func(i int, v []byte) { judged[i].Problem = string(v) })
	r.read(len(entries), func(i int, v []byte) {
		if len(v) > 0 {
			entries[i].Raw = v
		}
	})
	if r.bad || len(r.rest) != 0 {
		return nil, errBlob
	}
	return entries, nil
}

type columns struct {
	rest    []byte
	lengths []int
	bad     bool
}

func (c *columns) read(count int, set func(i int, v []byte)) {
	for i := range count {
		n, used := binary.Uvarint(c.rest)
		if c.bad || used <= 0 || n > uint64(len(c.rest)) {
			c.bad = true
			return
		}
		c.lengths[i], c.rest = int(n), c.rest[used:]
	}
	for i, n := range c.lengths[:count] {
		if n > len(c.rest) {
			c.bad = true
			return
		}
		set(i, c.rest[:n:n])
		c.rest = c.rest[n:]
	}
}
