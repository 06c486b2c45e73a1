package campaign

import (
	"encoding/binary"
	"sync/atomic"
	"time"
)

// row is one record. Its values are packed into one text, because a million records
// with sixty texts each would take too much memory; empty fields take none. It is
// guarded by the lock of its shard, which follows from the business key.
type row struct {
	id                int64
	data              string
	created, modified int64         // Unix milliseconds
	shard             atomic.Uint32 // changes when a record gets its key later
	gone              bool
	writes            WriteCounts
}

// WriteCounts says how often a record was written through the API. Refused
// counts inserts of a key that existed.
type WriteCounts struct{ Inserts, Updates, Deletes, Refused uint32 }

// pack writes the values that are not empty: field, length, text.
func pack(b []byte, values []string) []byte {
	for i, v := range values {
		if v != "" {
			b = binary.AppendUvarint(b, uint64(i)) //nolint:gosec // positions are not negative
			b = binary.AppendUvarint(b, uint64(len(v)))
			b = append(b, v...)
		}
	}
	return b
}

// unpack fills values from data. The texts share the memory of data.
func unpack(data string, values []string) {
	clear(values)
	for data != "" {
		var i, n uint64
		i, data = uvarint(data)
		n, data = uvarint(data)
		if i >= uint64(len(values)) || n > uint64(len(data)) {
			return
		}
		values[i], data = data[:n], data[n:]
	}
}

// value reads one field of packed data.
func value(data string, field int) string {
	for data != "" {
		var i, n uint64
		i, data = uvarint(data)
		n, data = uvarint(data)
		if n > uint64(len(data)) {
			return ""
		}
		if i == uint64(field) { //nolint:gosec // positions are not negative
			return data[:n]
		}
		data = data[n:]
	}
	return ""
}

func uvarint(s string) (uint64, string) {
	var x uint64
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		x |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return x, s[i+1:]
		}
	}
	return 0, ""
}

// view is a record as it was at one moment.
type view struct {
	id                int64
	data              string
	created, modified int64
}

func wire(ms int64) string { return time.UnixMilli(ms).UTC().Format(wireTime) }
