package ledger

import (
	"bytes"
	"testing"
)

// BenchmarkSeal is what sealing costs of a record: its payload of 400 bytes, written and
// read, and the form in which its fingerprint is kept.
func BenchmarkSeal(b *testing.B) {
	s, err := newSealer([][]byte{bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		b.Fatal(err)
	}
	s.secret = bytes.Repeat([]byte{8}, secretSize)
	payload, print := bytes.Repeat([]byte("abcdefgh"), 50), bytes.Repeat([]byte{9}, 16)
	where := at(recordPayload, "contacts", "7d3c0000-0000-4000-8000-000000000000")
	b.Run("close", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.closeWith(payload, print, where); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		sealed, err := s.closeWith(payload, print, where)
		if err != nil {
			b.Fatal(err)
		}
		room := make([]byte, len(sealed))
		b.ReportAllocs()
		for b.Loop() {
			copy(room, sealed)
			if _, _, err := s.openWith(room, nil, where); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("print", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.print(print)
		}
	})
}
