package ledger_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// growthRows are how many rows of each kind BenchmarkGrowth makes.
const growthRows = 100_000

// BenchmarkGrowth says how many bytes a row of what a ledger keeps most of takes, with its
// indexes, and how many of them are forgotten a second, without the rests between steps. A
// day of a million events has 12 a second. With -benchtime 1x it makes each kind once;
// docs/production.md says what came of it.
func BenchmarkGrowth(b *testing.B) {
	for _, driver := range []string{"sqlite", "postgres"} {
		for _, kind := range []struct {
			name   string
			rows   []string // statements, of numbers i
			forget func(*ledger.Ledger, context.Context, time.Time) (int64, error)
		}{
			{name: "contact", rows: []string{`INSERT INTO record (tbl, key, version, target_key, state, payload, fingerprint, run, created_run, seen_run)
				SELECT 'contacts', KEY, '1234567', KEY, 'written', PAYLOAD, PRINT, 'contacts-20260101T000000.000Z', 'contacts-20260101T000000.000Z', 'contacts-20260101T000000.000Z' FROM s`}},
			{name: "event", rows: []string{`INSERT INTO event (key, type, contact, outcome, code, time, run, at, again, again_run, again_at)
				SELECT KEY || KEY, 'open', KEY, 99, '', i, 'egress-20260101T000000.000Z', i, 0, 'egress-20260101T000000.000Z', i FROM s`}, forget: (*ledger.Ledger).PruneEvents},
			{name: "optout", rows: []string{`INSERT INTO optout (contact, doc, waits, due, run, at) SELECT KEY, PAYLOAD, '', 0, 'optout-20260101T000000.000Z', i FROM s`}},
			{name: "decision", rows: []string{`INSERT INTO optout_decision (contact, at, run, pair, rule, chosen, dynamics, dynamics_at, campaign, campaign_at, effect)
				SELECT KEY, i, 'optout-20260101T000000.000Z', 'blackListEmail', 'later', 1, 1, i, 0, i, 'both' FROM s`}, forget: (*ledger.Ledger).PruneOptOutDecisions},
			{name: "before-image", rows: []string{`INSERT INTO run (id, flow, tbl, kind, revision, state, started, ended) SELECT 'r' || i, 'ingress', 'contacts', 'delta', 'r', 'COMPLETED', i, i + 1 FROM s WHERE i % 1000 = 0`,
				`INSERT INTO before_image (run, tbl, key, existed, payload, at) SELECT 'r' || (i - i % 1000), 'contacts', KEY, 1, PAYLOAD, i FROM s WHERE i >= 1000`},
				forget: func(l *ledger.Ledger, ctx context.Context, at time.Time) (int64, error) {
					return l.PruneBefores(ctx, at)
				}},
			{name: "pass", rows: []string{`INSERT INTO run (id, flow, tbl, kind, revision, state, workflow, started, ended, n_read, n_updated, pruned)
				SELECT 'contacts-' || NAME || '.000Z', 'ingress', 'contacts', 'delta', '0123456789abcdef', 'COMPLETED', 'causeway/acme/table/contacts', i, i + 1, 3, 3, 1 FROM s`}, forget: (*ledger.Ledger).FoldRuns},
		} {
			b.Run(driver+"/"+kind.name, func(b *testing.B) {
				var size, gone int64
				var took time.Duration
				for b.Loop() {
					o := ledgertest.SQLite(b)
					if driver == "postgres" {
						o = ledgertest.Postgres(b)
					}
					l := ledgertest.Open(b, o)
					db := connect(b, o)
					before := databaseSize(b, db, driver)
					for _, statement := range kind.rows {
						for from := 0; from < growthRows; from += 1000 {
							_, err := db.ExecContext(b.Context(), grown(driver, statement, from, from+999))
							require.NoError(b, err, statement)
						}
					}
					if driver == "postgres" {
						_, err := db.ExecContext(b.Context(), `ANALYZE`)
						require.NoError(b, err)
					}
					size = databaseSize(b, db, driver) - before
					gone, took = 0, 0
					if kind.forget == nil {
						continue
					}
					for began := time.Now(); ; {
						n, err := kind.forget(l, b.Context(), noon)
						require.NoError(b, err)
						if took = time.Since(began); n == 0 {
							break
						}
						gone += n
					}
				}
				b.ReportMetric(float64(size)/growthRows, "B/row")
				if gone > 0 {
					b.ReportMetric(float64(gone)/took.Seconds(), "forgotten/s")
				}
			})
		}
	}
}

// grown is a statement over some numbers i.
func grown(driver, statement string, from, to int) string {
	numbers, key := `WITH RECURSIVE s(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM s WHERE i < %d) `, `printf('%08x-0000-4000-8000-%012x', (i * 2654435761) % 4294967296, i)`
	value, name := "CAST('%s' AS BLOB)", `strftime('%Y%m%dT%H%M%S', i * 3, 'unixepoch')`
	if driver == "postgres" {
		numbers, key = `WITH s(i) AS (SELECT CAST(generate_series(%d, %d) AS BIGINT)) `, `lpad(to_hex((i * 2654435761) % 4294967296), 8, '0') || '-0000-4000-8000-' || lpad(to_hex(i), 12, '0')`
		value, name = "convert_to('%s', 'UTF8')", `to_char(to_timestamp(i * 3) AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MISS')`
	}
	payload := `{"firstName":"First","lastName":"Last","email":"somebody@example.com","mobilePhone":"+49 170 1234567","birthDate":"1970-01-01","address":"Street 1, 12345 City"}`
	return fmt.Sprintf(numbers, from, to) + strings.NewReplacer("KEY", key, "NAME", name, "PAYLOAD", fmt.Sprintf(value, payload), "PRINT", fmt.Sprintf(value, "0123456789abcdef")).Replace(statement)
}

// databaseSize is the size of a ledger's database.
func databaseSize(b *testing.B, db *sql.DB, driver string) (n int64) {
	query := `SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)`
	if driver == "postgres" {
		query = `SELECT pg_database_size(current_database())`
	}
	require.NoError(b, db.QueryRowContext(b.Context(), query).Scan(&n))
	return n
}
