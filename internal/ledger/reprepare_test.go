package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// SQLite prepares some statements anew when a parameter has another value, which costs more
// than to carry them out.
func TestNoStatementOfACommitIsPreparedAnew(t *testing.T) {
	l := ledgertest.Open(t, ledgertest.SQLite(t))
	begin(t, l, "r1")
	const pages, lanes, size = 3, 8, 20
	for page := range pages { // from 2 on: what is looked up once a lane may be prepared anew after page 1
		in := ledger.PageInput{Run: "r1", Table: table, Number: page + 2}
		for range lanes {
			in.Lanes = append(in.Lanes, benchEntries(size))
		}
		_, err := l.StagePage(t.Context(), in)
		require.NoError(t, err)
		var open []*ledger.Lane
		for n := range lanes {
			lane, err := l.OpenLane(t.Context(), ledger.LaneID{Run: "r1", Page: page + 2, Lane: n})
			require.NoError(t, err)
			open = append(open, lane)
		}
		for i := range size {
			for _, lane := range open { // lanes take turns, as they do in a worker
				r := created(lane, i)
				r.Record.Payload = benchPayload
				require.NoError(t, l.Commit(t.Context(), lane.ID, lane.Token, []ledger.Result{r}))
			}
		}
	}
	runs, anew := ledger.Prepared(t, l)
	assert.Greater(t, runs["COMMIT"], pages*lanes*size, "the statements are those of the writer")
	assert.Empty(t, anew)
}
