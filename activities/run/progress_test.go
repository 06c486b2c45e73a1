package run_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// A thousand empty pages in a row, each with another next link, end a reading. One
// record among them shows that it gets on.
func TestEmptyPagesWithoutEndEndTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for id, record := range map[string]int{"empty": 0, "one": 500} {
		_, err := w.books.BeginRun(t.Context(), ledger.Run{ID: id, Flow: "test", Table: "things", Kind: "delta", Started: time.Now()})
		require.NoError(t, err)
		for n := 1; n <= 1000 && err == nil; n++ {
			page := ledger.PageInput{Run: id, Table: "things", Number: n, Phase: "delta", Next: ledger.LinkCursor(fmt.Sprint("https://x.test/", n))}
			if n == record {
				page.Lanes = [][]ledger.Entry{{{Key: "a"}}}
			}
			if err = run.CheckProgress(t.Context(), w.books, page); err == nil {
				_, err = w.books.StagePage(t.Context(), page)
			} else {
				require.Equal(t, 1000, n)
			}
		}
		if record > 0 {
			require.NoError(t, err)
			continue
		}
		fail, ok := errors.AsType[*temporal.ApplicationError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, apierr.ReasonLinkRepeated, fail.Type())
		require.True(t, fail.NonRetryable())
	}
}

// What was found final stays final, whatever is put around it on its way to Temporal.
func TestAWrappedFinalFailureStaysFinal(t *testing.T) {
	t.Parallel()
	err := run.ToTemporal(t.Context(), fmt.Errorf("looking for events: %w", run.Blocked("LinkRepeated", "round and round")))
	fail, ok := err.(*temporal.ApplicationError) //nolint:errorlint // Temporal looks at the outermost
	require.True(t, ok)
	require.True(t, fail.NonRetryable())
	require.Equal(t, "LinkRepeated", fail.Type())
	require.Contains(t, fail.Message(), "looking for events: round and round")
}
