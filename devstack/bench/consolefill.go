package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"causeway.dev/internal/ledger"
)

// What the measurement called console finds in the ledger.
const (
	filledTables      = 21 // with contacts, which is the most
	fieldsOfTable     = 50
	filledRuns        = 10_000
	filledQuarantined = 100_000
	filledOperations  = 1_000_000
	oneRefused        = "00000001-0000-4000-8000-000000000000"
)

// wideTables are the mappings beside contacts.
func wideTables() string {
	var b strings.Builder
	for n := 1; n < filledTables; n++ {
		fmt.Fprintf(&b, "\n    wide%02d:\n      dynamics: {table: new_wide%02d}\n      campaign: {resource: cusWide%02d, key: externalId}\n      fields:", n, n, n)
		for f := range fieldsOfTable {
			fmt.Fprintf(&b, "\n        - {from: new_field%02d, to: cusField%02d}", f, f)
		}
	}
	return b.String()
}

// fillForConsole makes the ledger one that has been in use for a year.
func fillForConsole(ctx context.Context, r *rig) (err error) {
	path := filepath.Join(r.dir, "ledger.db")
	l, err := ledger.Open(ctx, ledger.Options{Driver: "sqlite", Path: path, Synchronous: "normal"})
	if err != nil {
		return err
	}
	if err := logOperations(ctx, l); err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer db.Close()
	now := time.Now().UnixMilli()
	const series = `WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) `
	table := fmt.Sprintf(`CASE WHEN i %% %[1]d = 0 THEN 'contacts' ELSE printf('wide%%02d', i %% %[1]d) END`, filledTables)
	wide := fmt.Sprintf(`printf('wide%%02d', 1 + i %% %d)`, filledTables-1) // contacts has the load that is made here
	for _, part := range []struct {
		rows int
		text string
	}{
		{filledRuns, fmt.Sprintf(`INSERT INTO run (id, flow, tbl, kind, revision, state, error, started, ended, n_read, n_created, n_updated, n_unchanged, n_quarantined, pruned)
			SELECT 'wide-' || i, 'ingress', %s, CASE WHEN i <= %d THEN 'initial' ELSE 'delta' END, 'rev', CASE WHEN i %% 50 = 0 THEN 'FAILED' ELSE 'COMPLETED' END,
			CASE WHEN i %% 50 = 0 THEN 'the service did not answer for an hour' ELSE '' END, %d + i * 1000000, %d + i * 1000000 + 5000, 100, 10, 20, 60, 10, i %% 2 FROM s`,
			wide, filledTables, now-filledRuns*1_000_000, now-filledRuns*1_000_000)},
		// Most refusals are of one table, as when a rule of Campaign's data model changes.
		{filledQuarantined, fmt.Sprintf(`INSERT INTO quarantine (flow, tbl, key, run, state, class, code, field, message, version, payload, parent_tbl, parent_key, first_seen, last_seen, attempts, next_try)
			SELECT 'ingress', CASE WHEN i %% 3 < 2 THEN 'contacts' ELSE %s END, printf('%%08x-0000-4000-8000-000000000000', i), 'wide-' || (1 + i %% %d), 'open', 'rejected', 'Code' || (i %% 7), printf('cusField%%02d', i %% %d),
			printf('new_field%%02d -> cusField%%02d: longer than %%d characters', i %% %d, i %% %d, i %% 7), '1', randomblob(600), '', '', %d - i * 1000, %d - i * 500, 1 + i %% 5, 253370764800000 FROM s`,
			table, filledRuns, fieldsOfTable, fieldsOfTable, fieldsOfTable, now, now)},
		{filledQuarantined, fmt.Sprintf(`INSERT INTO quarantine (flow, tbl, key, run, state, class, code, field, message, version, parent_tbl, parent_key, first_seen, last_seen, attempts, next_try)
			SELECT 'ingress', 'contacts', printf('%%08x-1111-4000-8000-000000000000', i), 'wide-1', 'released', 'rejected', 'Code1', 'email', 'too long', '1', '', '', %d, %d, 1, 253370764800000 FROM s`, now-86400000, now)},
		{31 * 24 * filledTables, fmt.Sprintf(`INSERT INTO settled (flow, tbl, step, at, slot, n_created, n_updated, n_unchanged, n_filtered, n_deleted, n_parked, n_quarantined, n_disabled, n_soft_bounce, n_seed, n_no_contact, n_ignored)
			SELECT 'ingress', %[1]s, 3600, (%[2]d / 3600000 - i / %[3]d) * 3600000, 0, 100, 200, 50, 0, 1, 0, 2, 0, 0, 0, 0, 0 FROM s WHERE true ON CONFLICT DO NOTHING`, table, now, filledTables)},
		{2 * 24 * 60 * filledTables, fmt.Sprintf(`INSERT INTO settled (flow, tbl, step, at, slot, n_created, n_updated, n_unchanged, n_filtered, n_deleted, n_parked, n_quarantined, n_disabled, n_soft_bounce, n_seed, n_no_contact, n_ignored)
			SELECT 'ingress', %[1]s, 60, (%[2]d / 60000 - i / %[3]d) * 60000, 0, 2, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM s WHERE true ON CONFLICT DO NOTHING`, table, now, filledTables)},
		{2 * 24 * 60 * filledTables, fmt.Sprintf(`INSERT INTO level (flow, tbl, step, at, backlog, lag) SELECT 'ingress', %[1]s, 60, (%[2]d / 60000 - i / %[3]d) * 60000, i %% 500, i %% 60 FROM s WHERE true ON CONFLICT DO NOTHING`, table, now, filledTables)},
	} {
		if _, err := db.ExecContext(ctx, fmt.Sprintf(series, part.rows)+part.text); err != nil {
			return fmt.Errorf("filling the ledger: %w: %.80s", err, part.text)
		}
	}
	return nil
}

// logOperations fills the log by the ledger's own way, so that its chain holds.
func logOperations(ctx context.Context, l *ledger.Ledger) error {
	const together = 10_000
	began := time.Now().Add(-365 * 24 * time.Hour)
	whats := []string{"start", "stop", "pause", "resume", "backfill", "release", "discard", "reveal"}
	for done := 0; done < filledOperations; done += together {
		batch := make([]ledger.Operation, together)
		for n := range batch {
			i := done + n
			batch[n] = ledger.Operation{
				ID: fmt.Sprintf("op-%d", i), At: began.Add(time.Duration(i) * 31 * time.Second), By: fmt.Sprintf("person %d", i%30), What: whats[i%len(whats)],
				Flow: "ingress", Table: fmt.Sprintf("wide%02d", 1+i%(filledTables-1)), Run: fmt.Sprintf("wide-%d", 1+i%filledRuns), Reason: "because",
			}
		}
		if _, err := l.Log(ctx, batch...); err != nil {
			return err
		}
	}
	return nil
}
