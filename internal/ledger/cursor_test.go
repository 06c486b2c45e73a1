package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// Links are the services' own: whatever is in them comes back as it was.
func TestCursorsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "r1")
		cursors := []ledger.Cursor{
			{},
			ledger.LinkCursor(""),
			ledger.LinkCursor("https://x.test/api?$skiptoken=%3Ccookie%20a=%22b%22%3E&x=<é>\n"),
			ledger.After(key(7)),
			{Kind: ledger.CursorContacts}, // from the beginning
			{Kind: ledger.CursorFile, At: "in\nhash\n7\n/out/a b.csv"},
			{Kind: ledger.CursorNowhere},
		}
		for i, c := range cursors {
			in := ledger.PageInput{Run: "r1", Table: table, Number: i + 1, Lanes: [][]ledger.Entry{entries(i, 1)}, Next: c, End: cursors[len(cursors)-1-i]}
			staged, err := l.StagePage(t.Context(), in)
			require.NoError(t, err)
			page, err := l.Page(t.Context(), "r1", i+1)
			require.NoError(t, err)
			require.Equal(t, staged, page)
			require.Equal(t, []ledger.Cursor{in.Next, in.End}, []ledger.Cursor{page.Next, page.End})

			require.NoError(t, l.SetPreBaseline(t.Context(), "r1", c))
			run, err := l.Run(t.Context(), "r1")
			require.NoError(t, err)
			require.Equal(t, c, run.PreBaseline)
		}
	})
}

func TestACursorIsOfOneKind(t *testing.T) {
	t.Parallel()
	at, ok := ledger.After("k").Of(ledger.CursorAfter)
	require.Equal(t, "k", at)
	require.True(t, ok)
	_, ok = ledger.After("k").Of(ledger.CursorLink)
	require.False(t, ok)
	require.True(t, ledger.LinkCursor("").None())
	require.False(t, ledger.Cursor{Kind: ledger.CursorContacts}.None())
}
