package ledger_test

import (
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// counted are the numbers that the ledger keeps, beside the queries that count.
var counted = map[string]string{
	"held":        `SELECT 'held', '', tbl, count(*) FROM record WHERE payload IS NOT NULL GROUP BY tbl`,
	"parked":      `SELECT 'parked', '', tbl, count(*) FROM parked GROUP BY tbl`,
	"quarantined": `SELECT 'quarantined', flow, tbl, count(*) FROM quarantine WHERE state = 'open' GROUP BY flow, tbl`,
	"returned":    `SELECT 'returned', '', tbl, count(*) FROM returned GROUP BY tbl`,
	"optout":      `SELECT 'optout', '', waits, count(*) FROM optout WHERE waits <> '' GROUP BY waits`,
}

// requireTallied compares the numbers that the ledger keeps with what is there, in one
// snapshot.
func requireTallied(t testing.TB, o ledger.Options) {
	t.Helper()
	db := connect(t, o)
	var queries []string
	for _, q := range counted {
		queries = append(queries, q)
	}
	there := strings.Join(queries, " UNION ALL ")
	kept := `SELECT what, flow, tbl, CAST(sum(n) AS BIGINT) FROM tally GROUP BY what, flow, tbl HAVING sum(n) <> 0`
	rows, err := db.QueryContext(t.Context(), `SELECT 'kept, and not there', k.* FROM (`+kept+` EXCEPT SELECT * FROM (`+there+`) x) k
		UNION ALL SELECT 'there, and not kept', m.* FROM (SELECT * FROM (`+there+`) y EXCEPT `+kept+`) m`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var says, what, flow, tbl string
		var n int64
		require.NoError(t, rows.Scan(&says, &what, &flow, &tbl, &n))
		t.Errorf("%s: %s of %q/%q: %d", says, what, flow, tbl, n)
	}
	require.NoError(t, rows.Err())
}

// connect opens the database of a ledger beside it.
func connect(t testing.TB, o ledger.Options) *sql.DB {
	t.Helper()
	driver, dsn := "sqlite", o.Path
	if o.Driver == "postgres" {
		driver, dsn = "pgx", o.DSN
	}
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// eachDriver is ledgertest.Each for tests that look into the database.
func eachDriver(t *testing.T, test func(t *testing.T, o ledger.Options)) {
	t.Helper()
	for driver, options := range map[string]func(testing.TB) ledger.Options{"sqlite": ledgertest.SQLite, "postgres": ledgertest.Postgres} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			test(t, options(t))
		})
	}
}

// Lanes of several workers write the same records in and out of every state at once, in
// groups, so that transactions meet, are given up and run again.
func TestCountersAgreeWithWhatIsThere(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		workers := []*ledger.Ledger{ledgertest.Open(t, o), ledgertest.Open(t, o)}
		begin(t, workers[0], "r1")
		stage(t, workers[0], "r1", 1, 80, 80, 80, 80)
		var wg sync.WaitGroup
		for n := range 4 {
			wg.Go(func() {
				l := workers[n%2]
				ln, err := l.OpenLane(t.Context(), ledger.LaneID{Run: "r1", Page: 1, Lane: n})
				for i := 0; err == nil && i < 80; i += 10 {
					var group []ledger.Result
					for j := i; j < i+10; j++ {
						group = append(group, anyResult(ln, j, n))
					}
					// Real lanes share no keys. These do, and their transactions are given up so
					// often that a commit fails, as it may: its activity tries again.
					for range 10 {
						if err = l.Commit(t.Context(), ln.ID, ln.Token, group); err == nil {
							break
						}
					}
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		requireTallied(t, o)
		known, err := workers[1].KnownCount(t.Context(), table)
		require.NoError(t, err)
		require.NotZero(t, known)

		require.NoError(t, workers[0].SaveObservations(t.Context(), table, "a1", []ledger.Observation{
			{Key: key(1), Finding: ledger.Missing, Expected: []byte{1, 2}}, {Key: key(2), Finding: ledger.Missing, Expected: []byte{1, 2}},
		}))
		_, err = workers[0].Correct(t.Context(), table)
		require.NoError(t, err)
		_, err = workers[0].Discard(t.Context(), ledger.QuarantineFilter{Table: table}, ledger.Discard{By: "me", Reason: "x", At: noon})
		require.NoError(t, err)
		open, err := workers[0].QuarantineCount(t.Context(), "", "")
		require.NoError(t, err)
		require.Zero(t, open)
		requireTallied(t, o)
	})
}

// anyResult is a result whose kind depends on the entry and the lane. Records, contacts
// and what is refused are the same few in every lane.
func anyResult(ln *ledger.Lane, i, n int) ledger.Result {
	out := created(ln, i)
	out.Record.Key = key(i % 7)
	switch (i/7 + n + i) % 5 {
	case 0:
		out.Record.State, out.Record.Payload, out.Record.Fingerprint = ledger.Deleted, nil, nil
		out.Outcome = ledger.Removed
	case 1:
		out.Outcome, out.Record.State = ledger.ParkedOut, ledger.Parked
		out.Park = &ledger.ParkedItem{Key: out.Record.Key, Waits: ledger.WaitsForParent, Parent: ledger.Parent{Table: "p", Key: "k"}}
	case 2:
		out.Outcome, out.Record.State = ledger.Refused, ledger.Quarantined
		out.Quarantine = &ledger.QuarantineItem{Key: out.Record.Key, Class: "rejected", Code: "TooLong"}
	default:
		out.Resolve, out.Returned = true, i%2 == 0
	}
	waits := []ledger.OptOutWaits{"", ledger.WaitsForProfile, ledger.WaitsForRetry}[(i+n)%3]
	out.OptOut = &ledger.OptOutResult{State: ledger.OptOut{Contact: fmt.Sprint("c", i%5), Doc: []byte("{}"), Waits: waits, Due: noon.Add(time.Hour)}}
	return out
}
