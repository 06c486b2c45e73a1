package inbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/internal/inbox"
	"causeway.dev/internal/ledger"
)

// A position in the files comes back as it went, whatever the file is called.
func TestPositionsComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := inbox.Position{Path: string(rapid.SliceOfN(rapid.Byte(), 1, 60).Draw(t, "path"))}
		if rapid.Bool().Draw(t, "within") {
			p.Row, p.Hash = rapid.IntRange(1, 1<<40).Draw(t, "row"), rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "hash")
			p.Size, p.Modified = rapid.Int64().Draw(t, "size"), time.UnixMilli(rapid.Int64Range(-1e15, 1e15).Draw(t, "modified")).UTC()
		}
		got, err := inbox.ParsePosition(p.Cursor())
		require.NoError(t, err)
		require.Equal(t, p, got)
	})
	got, err := inbox.ParsePosition(ledger.Cursor{})
	require.NoError(t, err)
	require.Equal(t, inbox.Position{}, got, "in front of all files")
	for name, bad := range map[string]string{
		"nothing": "", "another word": "x", "no file": "behind ", "no path": "in 1 ab 2 3 ", "too little": "in 1 ab 2 3", "no hash": "in 1  2 3 f",
		"row is no number": "in a ab 2 3 f", "row 0": "in 0 ab 2 3 f", "row below 0": "in -1 ab 2 3 f", "two spellings": "in 01 ab 2 3 f", "size": "in 1 ab x 3 f", "date": "in 1 ab 2 x f",
		"of an older build": "in\nab\n7\nf",
	} {
		_, err := inbox.ParsePosition(ledger.Cursor{Kind: ledger.CursorFile, At: bad})
		require.Error(t, err, name)
	}
	_, err = inbox.ParsePosition(ledger.LinkCursor("behind f"))
	require.Error(t, err, "of another kind")
}

// Whatever is kept is either refused or comes back byte by byte.
func FuzzParsePosition(f *testing.F) {
	for _, seed := range []string{"behind d365_loads/exports/log_1.csv", "in 7 ab12 100 1700000000000 d365_loads/exports/a b.csv", "in 1 a 2 3 \n", "in", "behind", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := inbox.ParsePosition(ledger.Cursor{Kind: ledger.CursorFile, At: text})
		if err != nil {
			require.Zero(t, p)
			return
		}
		require.NotEmpty(t, p.Path)
		require.Equal(t, ledger.Cursor{Kind: ledger.CursorFile, At: text}, p.Cursor())
	})
}
