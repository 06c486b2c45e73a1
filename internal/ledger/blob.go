package ledger

import (
	"encoding/binary"
	"errors"
)

// A staged lane is one blob, in columns, because like compresses best with like:
//
//	version byte (2) | number of entries | flags, one byte each | lengths of keys |
//	keys | lengths of versions | versions | lengths of raws | raws
//
// Numbers are uvarints. The blob is then compressed, and encrypted when a key is
// configured (sealer).
const (
	blobVersion = 2
	flagDeleted = 1
	minEntry    = 4 // bytes of an empty entry: flags and three lengths
)

var errBlob = errors.New("a staged lane in the ledger cannot be read: it is damaged or from a newer build")

func encodeEntries(entries []Entry) []byte {
	size := 1 + binary.MaxVarintLen64
	for i := range entries {
		e := &entries[i]
		size += 12 + len(e.Key) + len(e.Version) + len(e.Raw)
	}
	b := append(make([]byte, 0, size), blobVersion)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for i := range entries {
		flags := byte(0)
		if entries[i].Deleted {
			flags |= flagDeleted
		}
		b = append(b, flags)
	}
	b = appendColumn(b, entries, func(e *Entry) string { return e.Key })
	b = appendColumn(b, entries, func(e *Entry) string { return e.Version })
	return appendColumn(b, entries, func(e *Entry) []byte { return e.Raw })
}

func appendColumn[T string | []byte](b []byte, entries []Entry, value func(*Entry) T) []byte {
	for i := range entries {
		b = binary.AppendUvarint(b, uint64(len(value(&entries[i]))))
	}
	for i := range entries {
		b = append(b, value(&entries[i])...)
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
	for i := range entries {
		if b[i]&^flagDeleted != 0 {
			return nil, errBlob
		}
		entries[i].Deleted = b[i]&flagDeleted != 0
	}
	r := columns{rest: b[n:], lengths: make([]int, n)}
	r.read(func(i int, v []byte) { entries[i].Key = string(v) })
	r.read(func(i int, v []byte) { entries[i].Version = string(v) })
	r.read(func(i int, v []byte) {
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

func (c *columns) read(set func(i int, v []byte)) {
	for i := range c.lengths {
		n, used := binary.Uvarint(c.rest)
		if c.bad || used <= 0 || n > uint64(len(c.rest)) {
			c.bad = true
			return
		}
		c.lengths[i], c.rest = int(n), c.rest[used:]
	}
	for i, n := range c.lengths {
		if n > len(c.rest) {
			c.bad = true
			return
		}
		set(i, c.rest[:n:n])
		c.rest = c.rest[n:]
	}
}
