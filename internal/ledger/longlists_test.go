package ledger_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// planOf is how the last query of a ledger that has a text is carried out.
func planOf(t *testing.T, l *ledger.Ledger, o ledger.Options, has string) string {
	t.Helper()
	conn, err := connect(t, o).Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	for _, query := range l.Queries() {
		if strings.Contains(query, has) {
			plan, _ := explain(t, conn, o.Driver, query)
			return plan
		}
	}
	require.Fail(t, "no such query", has)
	return ""
}

// The page of a run lists who asked for it. A run of which nobody asked anything must not
// be looked for in all of the log.
func TestTheOperationsOfARunAreFoundByTheRun(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, o)
		_, err := l.Log(t.Context(), ledger.Operation{ID: "o1", At: noon, What: "start", Flow: "ingress", Table: "contacts", Run: "r1"}, ledger.Operation{ID: "o2", At: noon, What: "stop", Flow: "ingress", Table: "contacts"})
		require.NoError(t, err)
		got, err := l.Operations(t.Context(), ledger.OperationFilter{Run: "r1", Limit: 50})
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.Contains(t, planOf(t, l, o, "run <> ''"), "operation_by_run")
	})
}

// The quarantine is counted by reason from an index: the rows hold whole records.
func TestReasonsAreCountedWithoutReadingRecords(t *testing.T) {
	t.Parallel()
	o := ledgertest.SQLite(t)
	l := ledgertest.Open(t, o)
	_, err := l.QuarantineGroups(t.Context(), ledger.QuarantineFilter{Flow: "ingress", State: ledger.QuarantineOpen, Limit: 100})
	require.NoError(t, err)
	require.Contains(t, planOf(t, l, o, "GROUP BY tbl, code, field, message"), "USING COVERING INDEX quarantine_by_reason")
	_, err = l.QuarantineGroups(t.Context(), ledger.QuarantineFilter{Flow: "ingress", Table: "contacts", State: ledger.QuarantineOpen, Limit: 100})
	require.NoError(t, err)
	require.Contains(t, planOf(t, l, o, "tbl = ? AND state = 'open' GROUP BY"), "USING COVERING INDEX quarantine_by_reason")
}

// A further page of the quarantine begins where the last one ended, and does not go through
// what was listed before.
func TestAFurtherPageOfTheQuarantineBeginsWhereTheLastEnded(t *testing.T) {
	t.Parallel()
	o := ledgertest.SQLite(t)
	l := ledgertest.Open(t, o)
	fill(t, connect(t, o), o.Driver, 2_000)
	for has, f := range map[string]ledger.QuarantineFilter{
		"AND key > ?":          {Flow: "ingress", Table: "contacts", State: ledger.QuarantineOpen},
		"(tbl, key) > (?, ?) ": {Flow: "ingress", State: ledger.QuarantineOpen},
	} {
		all, err := l.Quarantined(t.Context(), f)
		require.NoError(t, err)
		require.Greater(t, len(all), 5)
		f.After = ledger.QuarantineKey{Flow: all[3].Flow, Table: all[3].Table, Key: all[3].Key}
		rest, err := l.Quarantined(t.Context(), f)
		require.NoError(t, err)
		require.Equal(t, all[4:], rest)
		plan := planOf(t, l, o, strings.TrimPrefix(has, "AND "))
		require.Regexp(t, `flow=\? AND (tbl=\? AND key>\?|\(?tbl(,key\))?>)`, plan, has)
		require.NotContains(t, plan, "TEMP B-TREE")
	}
}

// What is open is counted as it comes and goes, not each time that somebody looks. The counts
// are those of the rows, as a filter that goes through them finds.
func TestOpenRecordsAreCountedWithoutReadingThem(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, o)
		fill(t, connect(t, o), o.Driver, 2_000)
		some, err := l.Quarantined(t.Context(), ledger.QuarantineFilter{Flow: "ingress", Table: "contacts", State: ledger.QuarantineOpen, Limit: 2})
		require.NoError(t, err)
		_, err = l.Discard(t.Context(), ledger.QuarantineFilter{Flow: "ingress", Table: "contacts", Keys: []string{some[0].Key, some[1].Key}}, ledger.Discard{By: "ann", Reason: "old", At: noon})
		require.NoError(t, err)
		for _, f := range []ledger.QuarantineFilter{{}, {Flow: "ingress"}, {Flow: "ingress", Table: "contacts"}, {Flow: "egress"}, {Table: "contacts"}} {
			f.State = ledger.QuarantineOpen
			slow := f
			slow.SeenBefore = noon.AddDate(100, 0, 0) // all of them
			want, err := l.CountQuarantined(t.Context(), slow)
			require.NoError(t, err)
			got, err := l.CountQuarantined(t.Context(), f)
			require.NoError(t, err)
			require.Equal(t, want, got, f)
			wants, err := l.QuarantineTotals(t.Context(), slow)
			require.NoError(t, err)
			gots, err := l.QuarantineTotals(t.Context(), f)
			require.NoError(t, err)
			require.Equal(t, wants, gots, f)
		}
		n, err := l.CountQuarantined(t.Context(), ledger.QuarantineFilter{State: ledger.QuarantineOpen})
		require.NoError(t, err)
		require.Positive(t, n)
	})
}
