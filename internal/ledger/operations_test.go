package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// An operation is kept once, as it was first logged, and the newest comes last:
// those of one instant in the order they were logged.
func TestOperationsAreKeptOnceAndInOrder(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		ctx, l := t.Context(), open()
		stop := ledger.Operation{ID: "b", At: noon, By: "ada <6f0c>", Verified: true, Subject: "6f0c", What: "stop", Flow: flow, Table: table, Reason: "rel\x00ease"}
		start := ledger.Operation{ID: "a", At: noon, By: "ada", What: "start", Flow: flow, Table: table, Revision: "r2", Was: "r1"}
		undo := ledger.Operation{ID: "c", At: noon.Add(time.Hour), By: "bob", What: "rollback", Flow: flow, Table: "accounts", Run: "accounts-1", Detail: "x"}
		log(t, l, stop, start)
		log(t, l, ledger.Operation{ID: "b", At: noon.Add(time.Minute), What: "pause"}, undo)
		stop.Seq, start.Seq, undo.Seq = 1, 2, 3 // without a gap for the one that was there already
		stop.Reason = "release"                 // PostgreSQL takes no NUL

		tests := map[string]struct {
			filter ledger.OperationFilter
			want   []ledger.Operation
		}{
			"all":             {ledger.OperationFilter{}, []ledger.Operation{stop, start, undo}},
			"the newest":      {ledger.OperationFilter{Limit: 2}, []ledger.Operation{start, undo}},
			"of a table":      {ledger.OperationFilter{Table: table}, []ledger.Operation{stop, start}},
			"of a flow":       {ledger.OperationFilter{Flow: "egress"}, nil},
			"by their name":   {ledger.OperationFilter{By: "ada"}, []ledger.Operation{stop, start}},
			"by both":         {ledger.OperationFilter{By: "ada <6f0c>"}, []ledger.Operation{stop}},
			"of a subject":    {ledger.OperationFilter{By: "6f0c"}, []ledger.Operation{stop}},
			"of an operator":  {ledger.OperationFilter{By: "bob"}, []ledger.Operation{undo}},
			"of a kind":       {ledger.OperationFilter{What: "start"}, []ledger.Operation{start}},
			"of a run":        {ledger.OperationFilter{Run: "accounts-1"}, []ledger.Operation{undo}},
			"before an entry": {ledger.OperationFilter{Before: ledger.OperationPlace{At: noon, Seq: 2}}, []ledger.Operation{stop}},
			"before a time":   {ledger.OperationFilter{Before: ledger.OperationPlace{At: noon.Add(time.Hour)}}, []ledger.Operation{stop, start}},
			"since, included": {ledger.OperationFilter{Since: noon.Add(time.Hour)}, []ledger.Operation{undo}},
		}
		for name, tc := range tests {
			got, err := l.Operations(ctx, tc.filter)
			require.NoError(t, err)
			require.Equal(t, tc.want, got, name)
		}
	})
}

// log keeps operations and returns the last.
func log(t *testing.T, l *ledger.Ledger, operations ...ledger.Operation) ledger.LogEnd {
	t.Helper()
	end, err := l.Log(t.Context(), operations...)
	require.NoError(t, err)
	return end
}
