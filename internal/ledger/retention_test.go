package ledger_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

func apply(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err, statement)
}

// all is a column of a query, in order.
func all(t *testing.T, db *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var s string
		require.NoError(t, rows.Scan(&s))
		out = append(out, s)
	}
	require.NoError(t, rows.Err())
	return out
}

// A run is forgotten when it was kept long enough, and nothing needs it any more.
func TestRunsAreForgottenUnlessTheyAreNeeded(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l, db := ledgertest.Open(t, o), connect(t, o)
		run := func(id, flow, table, kind, state string, hour int64, pruned int) {
			ended := noon.Add(time.Duration(hour)*time.Hour + time.Minute).UnixMilli()
			if state == "RUNNING" {
				ended = 0
			}
			apply(t, db, `INSERT INTO run (id, flow, tbl, kind, revision, state, started, ended, n_read, pruned) VALUES ('`+id+`','`+flow+`','`+table+`','`+kind+`','r','`+state+`',`+
				fmt.Sprint(noon.Add(time.Duration(hour)*time.Hour).UnixMilli())+`,`+fmt.Sprint(ended)+`,1,`+fmt.Sprint(int64(pruned))+`)`)
		}
		run("first load", flow, table, "initial", "COMPLETED", 0, 1)
		run("last load", flow, table, "initial", "COMPLETED", 1, 1)
		run("old", flow, table, "delta", "COMPLETED", 2, 1)
		run("old and failed", flow, table, "delta", "FAILED", 3, 1)
		run("refused some", flow, table, "delta", "COMPLETED", 4, 1)
		run("waits for an approval", flow, table, "delta", "COMPLETED", 5, 1)
		run("goes on", flow, table, "backfill", "STOPPED", 6, 1)
		run("can be undone", flow, table, "delta", "COMPLETED", 7, 0)
		run("has a position", flow, table, "delta", "COMPLETED", 8, 1)
		run("running", flow, table, "delta", "RUNNING", 9, 0)
		run("last", flow, table, "delta", "COMPLETED", 10, 1)
		run("failed last", flow, table, "delta", "FAILED", 11, 1)
		run("of the past", "egress", "egress", "delta", "COMPLETED", 1, 1)
		run("ended just now", "egress", "egress", "delta", "COMPLETED", 50, 1)
		run("the newest", "egress", "egress", "delta", "COMPLETED", 51, 1)
		apply(t, db, `INSERT INTO quarantine (flow, tbl, key, run, state, class, code, field, message, version, parent_tbl, parent_key, first_seen, last_seen, attempts, next_try)
			VALUES ('ingress','contacts','k1','refused some','open','','','','','','','',1,1,1,1), ('ingress','contacts','k2','old','released','','','','','','','',1,1,1,1)`)
		apply(t, db, `INSERT INTO parked (tbl, key, waits, parent_tbl, parent_key, version, deleted, run, since, ready) VALUES ('contacts','k3','guard','','','',1,'waits for an approval',1,0)`)
		apply(t, db, `INSERT INTO watermark (flow, tbl, link, revision, obtained_at, run) VALUES ('ingress','contacts','l','r',1,'has a position')`)
		total := all(t, db, `SELECT runs FROM run_total ORDER BY flow, tbl`)

		n, err := l.PruneRuns(t.Context(), noon.Add(20*time.Hour))
		require.NoError(t, err)
		require.EqualValues(t, 4, n)
		kept := all(t, db, `SELECT id FROM run`)
		slices.Sort(kept)
		require.Equal(t, []string{"can be undone", "ended just now", "failed last", "goes on", "has a position", "last", "last load", "refused some", "running", "the newest", "waits for an approval"}, kept)
		require.Equal(t, total, all(t, db, `SELECT runs FROM run_total ORDER BY flow, tbl`), "what they did is counted for ever")
		n, err = l.PruneRuns(t.Context(), noon.Add(20*time.Hour))
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// Released and discarded records are forgotten by when they were closed; open ones stay.
func TestClosedQuarantineIsForgotten(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l, db := ledgertest.Open(t, o), connect(t, o)
		for key, of := range map[string]string{
			"open": `'open', 1, 0`, "released": `'released', 2, 0`, "released late": `'released', 200, 0`,
			"discarded": `'discarded', 3, 50`, "discarded late": `'discarded', 4, 150`, "refused again after a discard": `'released', 160, 50`,
		} {
			apply(t, db, `INSERT INTO quarantine (flow, tbl, key, run, class, code, field, message, version, parent_tbl, parent_key, first_seen, attempts, next_try, state, last_seen, discarded_at)
				VALUES ('ingress','contacts','`+key+`','r','','','','','','','',1,1,1,`+of+`)`)
		}
		n, err := l.PruneQuarantine(t.Context(), time.UnixMilli(100))
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		kept := all(t, db, `SELECT key FROM quarantine`)
		slices.Sort(kept)
		require.Equal(t, []string{"discarded late", "open", "refused again after a discard", "released late"}, kept)
		open, err := l.QuarantineCount(t.Context(), flow, table)
		require.NoError(t, err)
		require.EqualValues(t, 1, open, "the count stays right")
	})
}

// What an audit saw is forgotten as a whole, by when the last audit of the table ended.
func TestFindingsOfAnOldAuditAreForgotten(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l, db := ledgertest.Open(t, o), connect(t, o)
		for _, table := range []string{"accounts", "contacts", "leads"} {
			_, err := l.BeginRun(t.Context(), ledger.Run{ID: "audit-" + table, Flow: "audit", Table: table, Kind: "audit", Started: noon})
			require.NoError(t, err)
			require.NoError(t, l.SaveObservations(t.Context(), table, "audit-"+table, []ledger.Observation{{Key: "k", Finding: ledger.Changed, Payload: []byte("x")}}))
		}
		for _, table := range []string{"accounts", "contacts"} {
			require.NoError(t, l.SetRunState(t.Context(), "audit-"+table, ledger.RunCompleted, ""))
		}
		apply(t, db, `UPDATE run SET ended = started + 1 WHERE id = 'audit-contacts'`)
		n, err := l.PruneAudits(t.Context(), noon.Add(time.Hour))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.Equal(t, []string{"accounts", "leads"}, all(t, db, `SELECT tbl FROM audit ORDER BY tbl`))
	})
}

// Of a record that Dynamics has deleted the ledger keeps what brings it back, and nothing
// that it held before.
func TestADeletionLeavesWhatARollbackNeeds(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l, db := ledgertest.Open(t, o), connect(t, o)
		first := lane(t, l, "r1", 3)
		results := []ledger.Result{refused(first, 0, "TooLong"), refused(first, 1, "TooLong"), refused(first, 2, "TooLong")}
		for i := range results {
			results[i].Before = &ledger.BeforeImage{Key: first.Entries[i].Key, Existed: true, Payload: []byte("edited")}
		}
		require.NoError(t, l.Commit(t.Context(), first.ID, first.Token, results))
		for i := range 2 {
			s := created(first, i)
			s.Resolve = true
			require.NoError(t, l.Commit(t.Context(), first.ID, first.Token, []ledger.Result{s}))
		}

		second := lane(t, l, "r2", 3)
		gone := func(i int, state ledger.State) ledger.Result {
			e := second.Entries[i]
			return ledger.Result{Index: i, Outcome: ledger.Removed, Record: &ledger.Record{Key: e.Key, Version: "2", State: state, Run: "r2"},
				Before: &ledger.BeforeImage{Key: e.Key, Existed: true, Payload: []byte("last")}}
		}
		require.Equal(t, first.Entries[0].Key, second.Entries[0].Key)
		require.NoError(t, l.Commit(t.Context(), second.ID, second.Token, []ledger.Result{gone(0, ledger.Deleted), gone(1, ledger.Filtered), gone(2, ledger.Deleted)}))

		k := func(i int) string { return first.Entries[i].Key[:8] }
		require.Equal(t, []string{k(1) + " r1", k(0) + " r2", k(1) + " r2", k(2) + " r2"}, all(t, db, `SELECT substr(key, 1, 8) || ' ' || run FROM before_image ORDER BY run, key`))
		require.Equal(t, []string{k(1) + " released", k(2) + " open"}, all(t, db, `SELECT substr(key, 1, 8) || ' ' || state FROM quarantine ORDER BY key`))
	})
}

// Each step of pruning is of bounded size: it never keeps a flow from the ledger for long.
func TestPruningGoesInSmallSteps(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l, db := ledgertest.Open(t, o), connect(t, o)
		many := map[string]string{"sqlite": `WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 2400) `, "postgres": `WITH s AS (SELECT generate_series(1, 2400) AS i) `}[o.Driver]
		apply(t, db, many+`INSERT INTO quarantine (flow, tbl, key, run, state, class, code, field, message, version, parent_tbl, parent_key, first_seen, last_seen, attempts, next_try)
			SELECT 'ingress','contacts','k' || i,'r','released','','','','','','','',1,i,1,1 FROM s`)
		var steps []int64
		for {
			n, err := l.PruneQuarantine(context.WithoutCancel(t.Context()), noon)
			require.NoError(t, err)
			if n == 0 {
				break
			}
			steps = append(steps, n)
		}
		require.Equal(t, []int64{1000, 1000, 400}, steps)
		require.Equal(t, "0", strings.Join(all(t, db, `SELECT count(*) FROM quarantine`), ""))
	})
}
