package ledger_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

var (
	key1 = bytes.Repeat([]byte{7}, 32)
	key2 = bytes.Repeat([]byte{8}, 32)
)

func keyed(o ledger.Options, keys ...[]byte) ledger.Options {
	o.Keys = keys
	return o
}

// reopen opens a ledger again, as a worker with other keys would.
func reopen(t *testing.T, l *ledger.Ledger, o ledger.Options) *ledger.Ledger {
	t.Helper()
	require.NoError(t, l.Close())
	return ledgertest.Open(t, o)
}

const secret = "Ravenscroft-Oyelaran"

// keepSecrets puts a secret into every column that can hold one. n tells rows apart.
func keepSecrets(t *testing.T, l *ledger.Ledger, n int) {
	t.Helper()
	ctx, run := t.Context(), fmt.Sprint("r", n)
	hide := func(what string) []byte { return fmt.Appendf(nil, `{"%s":"%s %d"}`, what, secret, n) }
	link := string(hide("link"))
	_, err := l.BeginRun(ctx, ledger.Run{ID: run, Flow: flow, Table: table, Kind: "initial", Started: noon, Span: string(hide("span"))})
	require.NoError(t, err)
	require.NoError(t, l.SetPreBaseline(ctx, run, ledger.LinkCursor(link)))
	require.NoError(t, l.SaveRevision(ctx, run, hide("revision")))
	require.NoError(t, l.KeepSave(ctx, ledger.ConfigSave{ID: run, At: noon, By: "ada", Says: hide("says"), Files: hide("files")}))
	_, err = l.AskSecond(ctx, ledger.AccessRequest{ID: run, Name: "start", What: run, Input: string(hide("input")), Until: noon.Add(1e6 * time.Hour)})
	require.NoError(t, err)
	require.NoError(t, l.SaveWatermark(ctx, ledger.Watermark{Flow: flow, Table: run, Link: link}))
	staged := entries(n*100, 5)
	for i := range staged {
		staged[i].Raw = hide("raw")
	}
	_, err = l.StagePage(ctx, ledger.PageInput{Run: run, Table: table, Number: 1, Phase: "baseline", Lanes: [][]ledger.Entry{staged}, Next: ledger.LinkCursor(link), End: ledger.LinkCursor(link), ServerTime: noon})
	require.NoError(t, err)
	ln := openLane(t, l, run, 1, 0)
	written, refusal, parked := created(ln, 0), refused(ln, 1, "TooLong"), created(ln, 2)
	written.Record.Payload, written.Record.Fingerprint = hide("payload"), bytes.Repeat([]byte{byte(n)}, 16)
	written.Before = &ledger.BeforeImage{Key: written.Record.Key, Existed: true, Payload: hide("before")}
	written.OptOut = &ledger.OptOutResult{State: ledger.OptOut{Contact: written.Record.Key, Doc: hide("doc")}}
	refusal.Quarantine.Payload = hide("quarantine")
	parked.Outcome, parked.Record.State, parked.Record.Payload = ledger.ParkedOut, ledger.Parked, nil
	parked.Park = &ledger.ParkedItem{Key: parked.Record.Key, Waits: ledger.WaitsForDeleteGuard, Payload: hide("parked")}
	require.NoError(t, l.Commit(ctx, ln.ID, ln.Token, []ledger.Result{written, refusal, parked}))
	require.NoError(t, l.ReportUnanswered(ctx, ln, []int{3}))
	require.NoError(t, l.SaveObservations(ctx, table, "audit", []ledger.Observation{{Key: written.Record.Key, Finding: ledger.Changed, Fields: []string{"a"},
		Payload: hide("audit"), Fingerprint: bytes.Repeat([]byte{byte(n), 2}, 8), Expected: written.Record.Fingerprint}}))
}

// checkSecrets reads all that keepSecrets has kept.
func checkSecrets(t *testing.T, l *ledger.Ledger, n int) {
	t.Helper()
	ctx, run := t.Context(), fmt.Sprint("r", n)
	shows := func(what string, got []byte, err error) {
		t.Helper()
		require.NoError(t, err, what)
		require.Equal(t, fmt.Sprintf(`{"%s":"%s %d"}`, what, secret, n), string(got))
	}
	r, err := l.Run(ctx, run)
	require.NoError(t, err)
	shows("span", []byte(r.Span), nil)
	shows("link", []byte(r.PreBaseline.At), nil)
	doc, err := l.Revision(ctx, run)
	shows("revision", doc, err)
	saved, err := l.Save(ctx, run)
	shows("says", saved.Says, err)
	shows("files", saved.Files, nil)
	w, err := l.Watermark(ctx, flow, run)
	require.NoError(t, err)
	shows("link", []byte(w.Link), nil)
	asked, ok, err := l.FindAccessRequest(ctx, run)
	require.NoError(t, err)
	require.True(t, ok)
	shows("input", []byte(asked.Input), nil)
	page, err := l.Page(ctx, run, 1)
	require.NoError(t, err)
	shows("link", []byte(page.Next.At), nil)
	shows("link", []byte(page.End.At), nil)
	first := key(n * 100)
	rec := record(t, l, first)
	shows("payload", rec.Payload, nil)
	require.Equal(t, bytes.Repeat([]byte{byte(n)}, 16), rec.Fingerprint)
	befores, err := l.BeforeImages(ctx, run, table, "", 0)
	require.NoError(t, err)
	shows("before", befores[0].Payload, nil)
	optouts, err := l.OptOuts(ctx, []string{first})
	require.NoError(t, err)
	shows("doc", optouts[first].Doc, nil)
	payload, err := l.QuarantinePayload(ctx, ledger.QuarantineKey{Flow: flow, Table: table, Key: key(n*100 + 1)})
	shows("quarantine", payload, err)
	found, err := l.AuditFindings(ctx, table, "audit", "", 0)
	require.NoError(t, err)
	for _, f := range found {
		if f.Key == first {
			shows("audit", f.Payload, nil)
			require.Equal(t, bytes.Repeat([]byte{byte(n), 2}, 8), f.Fingerprint)
		}
	}
	shows("raw", openLane(t, l, run, 1, 0).Entries[4].Raw, nil)
}

// bytesOf is all that a database holds.
func bytesOf(t *testing.T, o ledger.Options) []byte {
	t.Helper()
	if o.Driver == "sqlite" {
		file, err := os.ReadFile(o.Path)
		require.NoError(t, err)
		wal, err := os.ReadFile(o.Path + "-wal")
		if err != nil {
			require.ErrorIs(t, err, os.ErrNotExist)
		}
		return append(file, wal...)
	}
	db := connect(t, o)
	var out []byte
	for _, name := range tablesOf(t, db) {
		rows, err := db.QueryContext(t.Context(), `SELECT * FROM `+name)
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			values := make([]sql.RawBytes, len(columns))
			places := make([]any, len(columns))
			for i := range values {
				places[i] = &values[i]
			}
			require.NoError(t, rows.Scan(places...))
			out = append(out, bytes.Join(func() (all [][]byte) {
				for _, v := range values {
					all = append(all, v)
				}
				return all
			}(), []byte{0})...)
		}
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())
	}
	return out
}

func tablesOf(t *testing.T, db *sql.DB) (names []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	return names
}

func TestNoValueIsInAKeyedLedger(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		clear := ledgertest.Open(t, o)
		keepSecrets(t, clear, 1)
		require.Contains(t, string(bytesOf(t, o)), secret, "the search finds what is there")
	})
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		o = keyed(o, key1)
		l := ledgertest.Open(t, o)
		keepSecrets(t, l, 1)
		checkSecrets(t, l, 1)
		held := bytesOf(t, o)
		require.NotContains(t, string(held), secret)
		require.NotContains(t, string(held), strings.Repeat("\x01", 16), "a fingerprint that can be guessed")
		checkSecrets(t, reopen(t, l, o), 1)
	})
}

func TestTheKeysOfALedger(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, keyed(o, key1))
		keepSecrets(t, l, 1)
		require.NoError(t, l.Close())
		was := bytesOf(t, o)
		for name, c := range map[string]struct {
			keys [][]byte
			says string
		}{
			"no key":      {nil, "ledger.encryption_key: the ledger holds what is sealed with key 7d52e340, and no key is configured: add that key"},
			"another key": {[][]byte{key2}, "ledger.encryption_key: the ledger holds what is sealed with key 7d52e340, and the keys configured are 9f5ccdfc: add that key"},
		} {
			_, err := ledger.Open(t.Context(), keyed(o, c.keys...))
			require.ErrorContains(t, err, c.says, name)
			require.Equal(t, len(was), len(bytesOf(t, o)), name)
		}
		both := ledgertest.Open(t, keyed(o, key2, key1))
		keepSecrets(t, both, 2)
		checkSecrets(t, both, 1)
		checkSecrets(t, both, 2)
		require.NoError(t, both.Close())
		// Both have sealed something: neither alone is enough, whichever seals first.
		for _, keys := range [][][]byte{{key1}, {key2}} {
			_, err := ledger.Open(t.Context(), keyed(o, keys...))
			var missing *ledger.MissingKeyError
			require.ErrorAs(t, err, &missing)
		}
		checkSecrets(t, ledgertest.Open(t, keyed(o, key1, key2)), 2)
	})
}

// A value that was put into another row is refused, and the row named.
func TestASwappedRowIsRefused(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, keyed(o, key1))
		keepSecrets(t, l, 1)
		keepSecrets(t, l, 2)
		db := connect(t, o)
		first, second := key(100), key(200)
		ctx := t.Context()
		reads := []struct {
			swap, place string
			read        func() error
		}{
			{`UPDATE record SET payload = (SELECT payload FROM record WHERE key = '` + second + `') WHERE key = '` + first + `'`, "record.payload of contacts " + first,
				func() error { _, err := l.Records(ctx, table, []string{first}); return err }},
			{`UPDATE before_image SET payload = (SELECT payload FROM before_image WHERE run = 'r2') WHERE run = 'r1'`, "before_image.payload of r1 contacts " + first,
				func() error { _, err := l.BeforeImages(ctx, "r1", table, "", 0); return err }},
			{`UPDATE lane_data SET data = (SELECT data FROM lane_data WHERE run = 'r2') WHERE run = 'r1'`, "lane_data.data of r1 1 0",
				func() error { _, err := l.OpenLane(ctx, ledger.LaneID{Run: "r1", Page: 1}); return err }},
			{`UPDATE quarantine SET payload = (SELECT payload FROM quarantine WHERE run = 'r2') WHERE run = 'r1'`, "quarantine.payload of ingress contacts " + key(101),
				func() error {
					_, err := l.QuarantinePayload(ctx, ledger.QuarantineKey{Flow: flow, Table: table, Key: key(101)})
					return err
				}},
			{`UPDATE quarantine SET payload = (SELECT payload FROM parked WHERE run = 'r1') WHERE run = 'r1'`, "quarantine.payload of ingress contacts " + key(101),
				func() error {
					_, err := l.QuarantinePayload(ctx, ledger.QuarantineKey{Flow: flow, Table: table, Key: key(101)})
					return err
				}},
			{`UPDATE parked SET ready = 1, payload = (SELECT payload FROM parked WHERE run = 'r2') WHERE run = 'r1'`, "parked.payload of contacts " + key(102),
				func() error { _, err := l.Ready(ctx, table, 0); return err }},
			{`UPDATE doubt SET look = 0, payload = (SELECT payload FROM doubt WHERE run = 'r2') WHERE run = 'r1'`, "doubt.payload of contacts " + key(103),
				func() error { _, err := l.Doubts(ctx, table, []string{key(103)}); return err }},
			{`UPDATE audit SET payload = (SELECT payload FROM record WHERE key = '` + second + `') WHERE key = '` + second + `'`, "audit.payload of contacts " + second,
				func() error { _, err := l.AuditFindings(ctx, table, "audit", "", 0); return err }},
			{`UPDATE audit SET expected = (SELECT fingerprint FROM record WHERE key = '` + second + `') WHERE key = '` + second + `'`, "audit.payload of contacts " + second,
				func() error { _, err := l.Correct(ctx, table); return err }},
			{`UPDATE optout SET doc = (SELECT doc FROM optout WHERE run = 'r2') WHERE run = 'r1'`, "optout.doc of " + first,
				func() error { _, err := l.OptOuts(ctx, []string{first}); return err }},
			{`UPDATE revision SET doc = (SELECT doc FROM revision WHERE hash = 'r2') WHERE hash = 'r1'`, "revision.doc of r1",
				func() error { _, err := l.Revision(ctx, "r1"); return err }},
			{`UPDATE watermark SET link = (SELECT link FROM watermark WHERE tbl = 'r2') WHERE tbl = 'r1'`, "watermark.link of ingress r1",
				func() error { _, err := l.Watermark(ctx, flow, "r1"); return err }},
			{`UPDATE page SET next_at = end_at WHERE run = 'r1'`, "page.next_at of r1 1",
				func() error { _, err := l.Page(ctx, "r1", 1); return err }},
			{`UPDATE run SET span = (SELECT span FROM run WHERE id = 'r2') WHERE id = 'r1'`, "run.span of r1",
				func() error { _, err := l.Run(ctx, "r1"); return err }},
			// One that is not sealed was not put there by a worker.
			{`UPDATE record SET payload = fingerprint WHERE key = '` + first + `'`, "record.payload of contacts " + first + ": a sealed value in the ledger is damaged, or was taken from another row: it is not sealed",
				func() error { _, err := l.Records(ctx, table, []string{first}); return err }},
		}
		for _, r := range reads {
			done, err := db.ExecContext(ctx, r.swap)
			require.NoError(t, err, r.swap)
			n, err := done.RowsAffected()
			require.NoError(t, err)
			require.EqualValues(t, 1, n, r.swap)
			err = r.read()
			require.ErrorIs(t, err, ledger.ErrDamaged, r.swap)
			require.ErrorContains(t, err, r.place)
		}
	})
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	want := []byte("0123456789abcdef0123456789abcdef")
	const inHex, inBase64 = "3031323334353637383961626364656630313233343536373839616263646566", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	for text, n := range map[string]int{inHex: 1, inBase64: 1, inHex + "\n" + inBase64 + "\n": 2, inHex + ", " + inBase64: 2} {
		keys, err := ledger.ParseKeys(text)
		require.NoError(t, err)
		require.Len(t, keys, n)
		for _, key := range keys {
			require.Equal(t, want, key)
		}
	}
	for _, text := range []string{"", "00", "0123456789abcdef0123456789abcdef", "MDEy", inHex + " 00"} {
		_, err := ledger.ParseKeys(text)
		require.ErrorContains(t, err, "want 32 bytes")
	}
}
