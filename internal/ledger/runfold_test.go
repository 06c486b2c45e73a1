package ledger_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// looks is how often a flow looks at its source on a day, by default: every 3 s.
const looks = 24 * 3600 / 3

// changesAllDay records what flows leave that find changes at each look of a day: one run for
// each look, of which one in a thousand refused a record.
func changesAllDay(apply func(string), driver string, flows ...string) {
	numbers, name := `WITH RECURSIVE s(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM s WHERE i < %d) `, `strftime('%Y%m%dT%H%M%S', (FROM_DAY + i * 3000) / 1000, 'unixepoch')`
	if driver == "postgres" {
		numbers, name = `WITH s(i) AS (SELECT CAST(generate_series(%d, %d) AS BIGINT)) `, `to_char(to_timestamp((FROM_DAY + i * 3000) / 1000) AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MISS')`
	}
	run := `INSERT INTO run (id, flow, tbl, kind, revision, state, workflow, started, ended, n_read, n_updated, n_quarantined)
		SELECT 'FLOW-' || ` + name + ` || '.000Z', 'FLOW', 'FLOW', 'delta', 'rev', 'COMPLETED', 'owner', FROM_DAY + i * 3000, FROM_DAY + i * 3000 + 400,
		3, CASE WHEN i % 1000 = 999 THEN 2 ELSE 3 END, CASE WHEN i % 1000 = 999 THEN 1 ELSE 0 END FROM s`
	for _, flow := range flows {
		of := strings.NewReplacer("FROM_DAY", fmt.Sprint(noon.Truncate(24*time.Hour).UnixMilli()), "FLOW", flow)
		for i := 0; i < looks; i += 400 { // in one transaction each: all of them add to one row
			apply(fmt.Sprintf(numbers, i, i+399) + of.Replace(run))
		}
	}
}

// While changes never stop there is a run for each look. Once they cannot be undone any more,
// a day of them is one row an hour for each flow, and what they did is still known of each.
func TestADayOfChangesIsARowAnHour(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l, db := ledgertest.Open(t, o), connect(t, o)
		changesAllDay(func(q string) { apply(t, db, q) }, o.Driver, "ingress", "optout")
		apply(t, db, `INSERT INTO quarantine (flow, tbl, key, run, state, class, code, field, message, version, parent_tbl, parent_key, first_seen, last_seen, attempts, next_try)
			SELECT 'ingress', 'ingress', 'k', id, 'open', '', '', '', '', '', '', '', 1, 1, 1, 1 FROM run WHERE flow = 'ingress' AND n_quarantined = 1 AND started < `+fmt.Sprint(noon.Truncate(24*time.Hour).Add(time.Hour).UnixMilli()))
		totals := all(t, db, `SELECT runs || ' ' || n_read || ' ' || n_updated || ' ' || n_quarantined FROM run_total ORDER BY flow`)
		require.Equal(t, []string{"28800 86400 86372 28", "28800 86400 86372 28"}, totals)
		end := noon.Add(24 * time.Hour)

		forget := func(step func() (int64, error)) (most, n int64) {
			for {
				gone, err := step()
				require.NoError(t, err)
				if gone == 0 {
					return most, n
				}
				most, n = max(most, gone), n+gone
			}
		}
		_, n := forget(func() (int64, error) { return l.FoldRuns(t.Context(), end) })
		require.Zero(t, n, "each can still be undone")
		forget(func() (int64, error) {
			return l.PruneBefores(t.Context(), noon.Truncate(24*time.Hour).Add(15*time.Minute))
		})
		apply(t, db, `UPDATE run SET pruned = 1 WHERE pruned = 0`) // as that would, in a minute
		most, n := forget(func() (int64, error) { return l.FoldRuns(t.Context(), end) })
		require.EqualValues(t, 2*looks-3, n, "the last run of each flow stays, and the one with a record in quarantine")
		require.LessOrEqual(t, most, int64(500), "in steps of bounded size")

		require.Equal(t, "51", all(t, db, `SELECT count(*) FROM run`)[0], "24 hours of two flows, and three runs")
		require.Equal(t, totals, all(t, db, `SELECT runs || ' ' || n_read || ' ' || n_updated || ' ' || n_quarantined FROM run_total ORDER BY flow`), "what they did is counted for ever, once")
		require.Equal(t, "57600 172800 172744 56", all(t, db, `SELECT CAST(sum(CASE WHEN passes = 0 THEN 1 ELSE passes END) AS BIGINT) || ' ' || CAST(sum(n_read) AS BIGINT) || ' ' || CAST(sum(n_updated) AS BIGINT) || ' ' || CAST(sum(n_quarantined) AS BIGINT) FROM run`)[0])

		day := noon.Format("20060102")
		hour, err := l.RunOrHour(t.Context(), "ingress-"+day+"T053000.000Z")
		require.NoError(t, err)
		require.Equal(t, "ingress-"+day+"T05", hour.ID)
		require.EqualValues(t, 1200, hour.Passes)
		require.EqualValues(t, 3600, hour.Counts.Read)
		require.EqualValues(t, 1, hour.Counts.Quarantined)
		require.Equal(t, "owner", hour.Workflow)
		require.Equal(t, noon.Truncate(24*time.Hour).Add(5*time.Hour), hour.Started)
		require.Equal(t, noon.Truncate(24*time.Hour).Add(6*time.Hour-2600*time.Millisecond), hour.Ended)
		last, err := l.RunOrHour(t.Context(), "ingress-"+day+"T235957.000Z")
		require.NoError(t, err)
		require.Zero(t, last.Passes, "it is a run of its own")
		for _, unknown := range []string{"ingress-20200101T053000.000Z", "ingress", "contacts-99", "20200101T053000.000Z", "-20200101T053000.000Z"} {
			_, err = l.RunOrHour(t.Context(), unknown)
			require.ErrorIs(t, err, ledger.ErrNotFound, unknown)
		}
		runs, err := l.Runs(t.Context(), ledger.RunFilter{Flow: "ingress", Table: "ingress"})
		require.NoError(t, err)
		require.Len(t, runs, 26)

		// A pass that could not be put together before joins the row of its hour.
		apply(t, db, `UPDATE quarantine SET state = 'released'`)
		_, n = forget(func() (int64, error) { return l.FoldRuns(t.Context(), end) })
		require.EqualValues(t, 1, n)
		hour, err = l.RunOrHour(t.Context(), "ingress-"+day+"T00")
		require.NoError(t, err)
		require.EqualValues(t, 1200, hour.Passes)
		require.EqualValues(t, 3600, hour.Counts.Read)

		// After a year they go like other runs.
		_, n = forget(func() (int64, error) { return l.PruneRuns(t.Context(), end) })
		require.EqualValues(t, 48, n)
	})
}

// Only completed passes of changes whose names say their hour are put together.
func TestOtherRunsAreNotPutTogether(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l, db := ledgertest.Open(t, o), connect(t, o)
		for i, r := range []struct{ id, kind, state string }{
			{"contacts-20260101T000000.000Z", "initial", "COMPLETED"}, {"contacts-20260101T000001.000Z", "delta", "FAILED"}, {"contacts-20260101T000002.000Z", "release", "COMPLETED"},
			{"contacts-20260101T000003.000Z", "delta", "INCOMPLETE"}, {"contacts-4", "delta", "COMPLETED"}, {"contacts-20260101T000005.000Z", "delta", "COMPLETED"}, {"contacts-20260101T000006.000Z", "delta", "COMPLETED"},
		} {
			apply(t, db, fmt.Sprintf(`INSERT INTO run (id, flow, tbl, kind, revision, state, started, ended, pruned) VALUES ('%s', 'ingress', 'contacts', '%s', 'r', '%s', %d, %d, 1)`, r.id, r.kind, r.state, i+1, i+2))
		}
		n, err := l.FoldRuns(t.Context(), noon)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.Equal(t, []string{"contacts-20260101T00", "1"}, []string{all(t, db, `SELECT id FROM run WHERE passes > 0`)[0], all(t, db, `SELECT passes FROM run WHERE passes > 0`)[0]})
		n, err = l.FoldRuns(t.Context(), noon)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}
