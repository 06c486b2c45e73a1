package ledger_test

import (
	"database/sql"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

var scaleRows = flag.Int("rows", 0, "size of the ledger that TestTimesAtScale builds; 0: it is skipped")

// fill builds a ledger of n records beside it: one load, half a percent of it changed in
// 200 runs since, and what came with them.
func fill(t testing.TB, db *sql.DB, driver string, n int) {
	t.Helper()
	series, key := `WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) `, `printf('%08x-0000-4000-8000-%012x', (i * 2654435761) % 4294967296, i)`
	bytes := "CAST(%s AS BLOB)"
	if driver == "postgres" {
		series, key = `WITH s(i) AS (SELECT CAST(generate_series(1, %d) AS BIGINT)) `, `lpad(to_hex((i * 2654435761) %% 4294967296), 8, '0') || '-0000-4000-8000-' || lpad(to_hex(i), 12, '0')`
		key = strings.ReplaceAll(key, "%%", "%")
		bytes = "convert_to(%s, 'UTF8')"
	}
	payload := fmt.Sprintf(bytes, `'{"firstName":"First","lastName":"Last","email":"somebody@example.com","mobilePhone":"+49 170 1234567","birthDate":"1970-01-01","address":"Street 1, 12345 City"}'`)
	print16 := fmt.Sprintf(bytes, `'0123456789abcdef'`)
	for _, part := range []struct {
		rows int
		text string
	}{
		{n/1000 + 500, `INSERT INTO run (id, flow, tbl, kind, revision, state, started, ended, n_created, pruned) SELECT 'delta-' || i, 'ingress', 'contacts', 'delta', 'rev', 'COMPLETED', i * 1000, i * 1000 + 500, 1, 1 FROM s`},
		{n, `INSERT INTO record (tbl, key, version, target_key, state, payload, fingerprint, run, created_run, seen_run)
			SELECT 'contacts', ` + key + `, '1', 'k' || i, 'written', ` + payload + `, ` + print16 + `,
			CASE WHEN i % 200 = 0 THEN 'delta-' || (1 + i % 199) ELSE 'load' END, CASE WHEN i % 200 = 0 THEN 'delta-' || (1 + i % 199) ELSE 'load' END, 'load' FROM s`},
		{n / 200, `INSERT INTO before_image (run, tbl, key, existed, payload, at) SELECT 'delta-' || (1 + i % 200), 'contacts', ` + key + `, 1, ` + payload + `, 1 FROM s`},
		{n / 100, `INSERT INTO quarantine (flow, tbl, key, run, state, class, code, field, message, version, parent_tbl, parent_key, first_seen, last_seen, attempts, next_try)
			SELECT 'ingress', 'contacts', ` + key + `, 'load', CASE WHEN i % 2 = 0 THEN 'open' ELSE 'released' END, 'rejected', 'TooLong', 'email', 'too long', '1', '', '', 1, 1, 1, 253370764800000 FROM s`},
		{n / 30, `INSERT INTO parked (tbl, key, waits, parent_tbl, parent_key, version, deleted, run, since, ready)
			SELECT 'contacts', ` + key + `, CASE WHEN i % 2 = 0 THEN 'guard' ELSE 'parent' END, 'accounts', 'a' || i, '1', 0, 'delta-' || (1 + i % 3), 1, 0 FROM s`},
		{n / 3, `INSERT INTO link (tbl, key, parent_tbl, parent_key) SELECT 'contacts', ` + key + `, 'accounts', 'a' || (i % 10000) FROM s`},
		{n / 3, `INSERT INTO event (key, type, contact, outcome, code, time, run, at, again, again_run, again_at) SELECT ` + key + `, 'open', 'c' || i, 99, '', i, 'load', i + 1000000000000, 0, '', 0 FROM s`},
		{n / 3, `INSERT INTO optout (contact, doc, waits, due, run, at) SELECT ` + key + `, ` + print16 + `, CASE WHEN i % 30 = 0 THEN 'profile' ELSE '' END, 4102444800000, 'load', 1 FROM s`},
		{n / 3, `INSERT INTO optout_decision (contact, at, run, pair, rule, chosen, dynamics, dynamics_at, campaign, campaign_at, effect) SELECT ` + key + `, i + 1000000000000, 'load', 'email', 'later', 1, 1, 1, 0, 1, 'both' FROM s`},
		{n / 100, `INSERT INTO returned (tbl, key, run, at) SELECT 'contacts', ` + key + `, 'load', i + 1000000000000 FROM s`},
		{n / 100, `INSERT INTO optout_owed (contact, attribute, loser, at) SELECT ` + key + `, CASE WHEN i % 3 = 0 THEN 'blackListEmail' ELSE 'blackListMobile' END, 'c', 1 FROM s`},
		{n / 300, `INSERT INTO audit (run, tbl, key, finding, fields, expected) SELECT 'audit', 'contacts', ` + key + `, CASE WHEN i % 10 = 0 THEN 'missing' ELSE '' END, '', ` + print16 + ` FROM s`},
	} {
		_, err := db.ExecContext(t.Context(), fmt.Sprintf(series, part.rows)+part.text)
		require.NoError(t, err, part.text)
	}
	last := `ANALYZE`
	if driver == "sqlite" { // which has no trigger on new records, and no statistics in use
		last = fmt.Sprintf(`INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('held', '', 'contacts', 0, %d) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + excluded.n`, n)
	}
	_, err := db.ExecContext(t.Context(), last)
	require.NoError(t, err)
}

// TestTimesAtScale prints how each query is carried out in a ledger of -rows records, and
// how long the calls take that are made every day. A query that walks through a big table
// fails it; times are only printed: docs/production.md says what they were.
func TestTimesAtScale(t *testing.T) {
	if *scaleRows == 0 {
		t.Skip("SKIPPED: it takes minutes; make scale")
	}
	for _, driver := range []string{"sqlite", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			o := ledgertest.SQLite(t)
			if driver == "postgres" {
				o = ledgertest.Postgres(t)
			}
			l := ledgertest.Open(t, o)
			began := time.Now()
			db := connect(t, o)
			callAll(t, l)
			fill(t, db, driver, *scaleRows)
			t.Logf("%d records in %s", *scaleRows, time.Since(began).Round(time.Second))
			requireTallied(t, o)
			requireNoWalks(t, l, db, driver)
			keys, err := l.Unseen(t.Context(), "contacts", "other", "", 500)
			require.NoError(t, err)
			count := func(query string) func() error {
				return func() error {
					var n int64
					return db.QueryRowContext(t.Context(), query).Scan(&n)
				}
			}
			for _, call := range []struct {
				name string
				do   func() error
			}{
				{"what it was before: counting the records of a table", count(`SELECT (SELECT count(*) FROM record WHERE tbl = 'contacts') - (SELECT count(*) FROM record WHERE tbl = 'contacts' AND payload IS NULL)`)},
				{"KnownCount", func() error { _, err := l.KnownCount(t.Context(), "contacts"); return err }},
				{"ParkedCount", func() error { _, err := l.ParkedCount(t.Context(), "contacts"); return err }},
				{"QuarantineCount", func() error { _, err := l.QuarantineCount(t.Context(), "ingress", "contacts"); return err }},
				{"OptOutsWaiting", func() error { _, err := l.OptOutsWaiting(t.Context(), ledger.WaitsForProfile); return err }},
				{"Approvals", func() error { _, err := l.Approvals(t.Context(), "contacts", 24*time.Hour); return err }},
				{"ReleaseUnblocked", func() error { _, err := l.ReleaseUnblocked(t.Context(), "contacts"); return err }},
				{"RetryUnblocked", func() error { _, err := l.RetryUnblocked(t.Context(), "ingress", "contacts"); return err }},
				{"Ready", func() error { _, err := l.Ready(t.Context(), "contacts", 0); return err }},
				{"QuarantineDue", func() error { _, err := l.QuarantineDue(t.Context(), "ingress", "contacts", time.Now()); return err }},
				{"QuarantinedBy", func() error { _, err := l.QuarantinedBy(t.Context(), "delta-7"); return err }},
				{"OptOutsDue", func() error { _, err := l.OptOutsDue(t.Context(), "contacts", nil, 0); return err }},
				{"Records, 500 keys", func() error { _, err := l.Records(t.Context(), "contacts", keys); return err }},
				{"Runs that are at work", func() error {
					_, err := l.Runs(t.Context(), ledger.RunFilter{Flow: "ingress", Table: "contacts", State: ledger.RunRunning, Limit: 100})
					return err
				}},
				{"Runs, the last one", func() error {
					_, err := l.Runs(t.Context(), ledger.RunFilter{Flow: "ingress", Table: "contacts", Limit: 1})
					return err
				}},
				{"PruneBefores, nothing due", func() error { _, err := l.PruneBefores(t.Context(), time.UnixMilli(1)); return err }},
				{"PruneEvents, nothing due", func() error { _, err := l.PruneEvents(t.Context(), time.UnixMilli(1)); return err }},
				{"PruneEvents, 1,000 of those due", func() error { _, err := l.PruneEvents(t.Context(), noon); return err }},
				{"PruneOptOutDecisions, 1,000 of those due", func() error { _, err := l.PruneOptOutDecisions(t.Context(), noon); return err }},
				{"ProfilesChanged", func() error { _, err := l.ProfilesChanged(t.Context(), noon, time.Now()); return err }},
				{"Touched, a page of a small run", func() error { _, err := l.Touched(t.Context(), "delta-7", "contacts", "", 500); return err }},
				{"Touched, a page of the load", func() error { _, err := l.Touched(t.Context(), "load", "contacts", "", 500); return err }},
				{"CountTouched, a small run", func() error { _, err := l.CountTouched(t.Context(), "delta-7", "contacts", "rollback"); return err }},
				{"Unseen, a whole pass (with a new baseline)", func() error { _, err := l.Unseen(t.Context(), "contacts", "load", "", 500); return err }},
				{"Unaudited, a page (audit)", func() error { _, err := l.Unaudited(t.Context(), "contacts", "audit", "", 500); return err }},
				{"Correct and EndAudit (audit)", func() error {
					_, err := l.Correct(t.Context(), "contacts")
					require.NoError(t, err)
					return l.EndAudit(t.Context(), "contacts", "audit")
				}},
			} {
				began := time.Now()
				require.NoError(t, call.do(), call.name)
				t.Logf("| %-52s | %10s |", call.name, time.Since(began).Round(10*time.Microsecond))
			}
		})
	}
}
