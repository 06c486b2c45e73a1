package ledger

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestALaneBlobIsReadAsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Entry {
			e := Entry{Key: rapid.String().Draw(t, "key"), Version: rapid.String().Draw(t, "version"), Deleted: rapid.Bool().Draw(t, "deleted")}
			if rapid.Bool().Draw(t, "judged") {
				e.Verdict, e.Problem = Verdict(rapid.String().Draw(t, "verdict")), rapid.String().Draw(t, "problem")
			}
			if raw := rapid.SliceOf(rapid.Byte()).Draw(t, "raw"); len(raw) > 0 {
				e.Raw = raw
			}
			return e
		})).Draw(t, "entries")
		back, err := decodeEntries(encodeEntries(entries))
		require.NoError(t, err)
		require.Equal(t, len(entries), len(back))
		for i := range entries {
			require.Equal(t, entries[i], back[i])
		}
	})
}

// FuzzLaneBlob: whatever is in the file, the parser answers with entries or an
// error, and what it accepts survives a round trip.
func FuzzLaneBlob(f *testing.F) {
	f.Add(encodeEntries(nil))
	f.Add(encodeEntries([]Entry{{Key: "k", Version: "1", Raw: []byte(`{}`)}, {Key: "d", Deleted: true}, {Key: "b", Verdict: VerdictUnreadable, Problem: "p"}}))
	f.Add([]byte{blobVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := decodeEntries(b)
		if err != nil {
			require.ErrorIs(t, err, errBlob)
			return
		}
		again, err := decodeEntries(encodeEntries(entries))
		require.NoError(t, err)
		require.Equal(t, entries, again)
	})
}

// FuzzSealed: a damaged value is an error, never a panic nor another value.
func FuzzSealed(f *testing.F) {
	s, err := newSealer([][]byte{bytes.Repeat([]byte{1}, 32)})
	require.NoError(f, err)
	here := at("table.column", "key")
	for _, close := range []func([]byte, place) ([]byte, error){
		s.close, s.pack, func(b []byte, p place) ([]byte, error) { return s.closeWith(b, []byte("print"), p) },
	} {
		value, err := close([]byte("value"), here)
		require.NoError(f, err)
		f.Add(value)
		f.Add(value[:sealedHead])
	}
	f.Add([]byte{formSealed, s.keys.first.id[0]})
	f.Add([]byte{formEarly, s.keys.first.id[0]})
	f.Add([]byte{formPacked})
	f.Fuzz(func(t *testing.T, b []byte) {
		sealed := isSealed(b)
		if packed, err := s.unpack(bytes.Clone(b), here); err == nil && sealed {
			require.Equal(t, "value", string(packed))
		}
		if plain, _, err := s.openWith(b, nil, here); err == nil && sealed {
			require.Equal(t, "value", string(plain))
		}
	})
}
