package ledger_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// smallIndexes hold only what is to be done: rows that wait, are due, or differ. Walking one
// costs what it finds.
var smallIndexes = regexp.MustCompile(`optout_refused|parked_(guarded|by_run|blocked|ready)|quarantine_(open|due|orphan|by_run|closed)|audit_(findings|unapplied)|optout_waits|run_unpruned|run_wrote|run_loads|record_lost`)

// smallTables hold what runs at work have staged, what was open when a worker died, or a
// few rows an hour, file or mapping.
var smallTables = []string{"doubt", "file_part", "renewals", "worker", "gate", "turn", "tally", "run_total", "page", "lane", "lane_data", "watermark", "engine_calls", "revision", "export_file", "operation", "operation_chain", "access_secret", "access_used", "access_request", "config_save", "erasing", "erasure", "erasure_secret", "goose_db_version"}

// walks are the queries that may walk through a big table, each with the reason. The text
// is part of the query.
var walks = map[string]string{
	// One look at each record in all, with a new baseline or an audit, 5,000 at a time.
	`FROM (SELECT key FROM record WHERE tbl = `: "stretches of a sweep, an audit or the rollback of a load",
	`FROM (SELECT key FROM audit WHERE tbl = `:  "stretches of the end of an audit",
	// Once an audit is old enough, all that is left of it goes, 5,000 rows at a time.
	`FROM audit WHERE tbl = $1 LIMIT 1`: "whether anything is left of an old audit", `FROM audit WHERE tbl = ? LIMIT 1`: "the same",
	`DELETE FROM audit WHERE (tbl, key) IN (SELECT`: "what is left of an old audit",
	// Asked by an operator: causeway plan.
	`FROM (SELECT DISTINCT parent_key FROM link WHERE parent_tbl = `:                                "causeway plan counts parents",
	`SELECT count(*) FROM parked p JOIN record r ON r.tbl = p.tbl AND r.key = p.key WHERE p.tbl = `: "causeway plan counts what waits",
	// Asked by an operator: lists and discards of the quarantine by a filter.
	`FROM quarantine WHERE 1 = 1`:               "causeway quarantine list, discard",
	`UPDATE quarantine SET state = 'discarded'`: "causeway quarantine discard",
	// Asked by an operator, without saying which flow; it ends at its limit.
	`n_ignored, span FROM run WHERE started >= `: "causeway runs list goes through runs by their time",
	// Asked by an operator: causeway ledger rekey looks at each value once, some hundred at a time.
	`, key) > (`:            "the next rows of a rekey",
	`(contact) > (`:         "the next rows of a rekey",
	`FROM run WHERE (id) >`: "the next rows of a rekey",
	// The first row of an index.
	`UNION ALL SELECT contact FROM optout LIMIT 1`: "whether there is anything, when a ledger gets its first key",
	`SELECT key FROM returned WHERE tbl = `:        "the last record that came back",
	`SELECT coalesce(max(rowid), 0) FROM record`:   "the last row, which SQLite finds without a walk",
	// Asked by an operator, of one run: as much as the run has changed.
	`coalesce(sum(1 - t.existed), 0)`: "a rollback counts what its run changed",
}

// runWalks are the queries that may walk through the runs. PostgreSQL joins that way when
// more deletes wait for an approval than there are runs.
var runWalks = []string{`SET run = $1 WHERE tbl = $2 AND waits = 'guard'`, `FROM parked p JOIN run r ON r.id = p.run WHERE p.tbl = $2 AND p.waits = 'guard'`}

func allowed(query, step string) bool {
	for part := range walks {
		if strings.Contains(query, part) {
			return true
		}
	}
	for _, part := range runWalks {
		if strings.Contains(query, part) && strings.Contains(step, " Scan run ") {
			return true
		}
	}
	return false
}

// Whatever runs every day costs what it finds, not what there is: no query of the ledger
// goes through a big table, but for those in walks.
func TestNoQueryWalksThroughABigTable(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, o)
		db := connect(t, o)
		keepSecrets(t, l, 9)
		l = reopen(t, l, keyed(o, key1))
		rekey(t, l, func(int) {})
		callAll(t, l)
		fill(t, db, o.Driver, 6_000)
		requireNoWalks(t, l, db, o.Driver)
	})
}

// requireNoWalks explains every query that the ledger has used, with the rows that there are.
func requireNoWalks(t *testing.T, l *ledger.Ledger, db *sql.DB, driver string) {
	t.Helper()
	queries := l.Queries()
	require.Greater(t, len(queries), 110, "the test does not call everything")
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	for _, query := range queries {
		plan, bad := explain(t, conn, driver, query)
		for _, step := range bad {
			if !allowed(query, step) {
				t.Errorf("%s\n  walks: %s\n%s", query, step, plan)
			}
		}
		if testing.Verbose() {
			t.Logf("%s\n%s", query, plan)
		}
	}
}

// TestAWalkIsRecognised keeps the test above honest.
func TestAWalkIsRecognised(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		ledgertest.Open(t, o)
		db := connect(t, o)
		fill(t, db, o.Driver, 2_000)
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		for query, walks := range map[string]bool{
			`SELECT count(*) FROM record WHERE tbl = 'contacts'`:                                                true,
			`SELECT count(*) FROM record WHERE version = 'x'`:                                                   true,
			`SELECT key FROM event WHERE code = 'x'`:                                                            true,
			`SELECT key FROM event WHERE contact = 'x'`:                                                         false,
			`SELECT r.key FROM record r WHERE r.tbl = 'contacts' AND r.seen_run = 'x' ORDER BY r.key`:           true,
			`SELECT key FROM record WHERE tbl = 'contacts' AND key = 'x'`:                                       false,
			`SELECT key FROM event WHERE at < 5 ORDER BY at LIMIT 10`:                                           false,
			`SELECT key FROM record WHERE tbl = 'contacts' AND key > 'x' AND key <= 'y' AND seen_run <> 'load'`: false,
		} {
			plan, bad := explain(t, conn, o.Driver, query)
			require.Equal(t, walks, len(bad) > 0, "%s\n%s", query, plan)
		}
	})
}

// callAll uses every method of a ledger, so that it has used every query.
func callAll(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	ctx := t.Context()
	begin(t, l, "r1")
	stage(t, l, "r1", 1, 30)
	ln := openLane(t, l, "r1", 1, 0)
	var group []ledger.Result
	for i := range ln.Entries {
		group = append(group, anyResult(ln, i, i/7))
	}
	require.NoError(t, l.Commit(ctx, ln.ID, ln.Token, group))
	_ = l.MarkInFlight(ctx, ln.ID, ln.Token, 1)
	_ = l.HoldsLane(ctx, ln.ID, ln.Token)
	_ = l.ReleaseLane(ctx, ln.ID, ln.Token, true)
	require.NoError(t, l.SaveObservations(ctx, table, "a1", []ledger.Observation{{Key: key(1), Finding: ledger.Missing, Expected: []byte{1, 2}}}))
	for _, f := range []ledger.RunFilter{
		{}, {Flow: flow}, {Flow: flow, Table: table}, {Flow: flow, State: "RUNNING"}, {Flow: flow, Table: table, State: "RUNNING"},
		{Flow: flow, Table: table, States: []ledger.RunState{"STOPPED", "RUNNING"}}, {Before: ledger.RunPlace{Started: noon, ID: "r1"}}, {Table: table, Before: ledger.RunPlace{Started: noon, ID: "r1"}},
	} {
		_, err := l.Runs(ctx, f)
		require.NoError(t, err)
	}
	_, err := l.ReadSince(ctx, flow, table, noon)
	require.NoError(t, err)
	for _, f := range []ledger.QuarantineFilter{{Flow: flow, Table: table}, {Flow: flow, Table: table, DueBy: noon}, {Flow: flow, Table: table, OtherRevision: "x"}, {Flow: flow, Table: table, Keys: []string{"x"}}} {
		_, err := l.Claim(ctx, "r1", f)
		require.NoError(t, err)
	}
	_, err = l.AccessSecret(ctx, make([]byte, 32))
	require.NoError(t, err)
	_, err = l.UseOnce(ctx, "n", "x", noon)
	require.NoError(t, err)
	_, err = l.AskSecond(ctx, ledger.AccessRequest{ID: "ask", Until: noon})
	require.NoError(t, err)
	_, err = l.DecideAccess(ctx, "ask", "confirmed", "b")
	require.NoError(t, err)
	_, _, err = l.FindAccessRequest(ctx, "ask")
	require.NoError(t, err)
	_, err = l.AccessRequests(ctx, noon)
	require.NoError(t, err)
	for _, f := range []ledger.DecisionFilter{{}, {Contact: "c"}, {Since: noon, Until: noon}, {After: &ledger.OptOutDecision{}}} {
		_, err := l.OptOutDecisions(ctx, f)
		require.NoError(t, err)
	}
	_, err = l.EventsHandled(ctx, noon, noon, &ledger.Event{At: noon}, 0)
	require.NoError(t, err)
	_, err = l.OptOutsDue(ctx, table, []string{"blackListEmail"}, 0)
	require.NoError(t, err)

	// The rest is called with whatever its parameters take; only what it asks matters.
	v := reflect.ValueOf(l)
	for i := range v.NumMethod() {
		name, m := v.Type().Method(i).Name, v.Method(i)
		if name == "Close" || name == "Queries" {
			continue
		}
		var args []reflect.Value
		for j := range m.Type().NumIn() {
			if m.Type().IsVariadic() && j == m.Type().NumIn()-1 {
				args = append(args, sample(ctx, m.Type().In(j).Elem()))
				continue
			}
			args = append(args, sample(ctx, m.Type().In(j)))
		}
		m.Call(args)
	}
	_, err = l.PruneBefores(ctx, time.Now().Add(time.Hour))
	require.NoError(t, err)
}

// sample is a value of a type: texts that name the run, so that something is found.
func sample(ctx context.Context, of reflect.Type) reflect.Value {
	out := reflect.New(of).Elem()
	switch {
	case of == reflect.TypeFor[context.Context]():
		return reflect.ValueOf(ctx)
	case of == reflect.TypeFor[time.Time]():
		return reflect.ValueOf(noon)
	case of.Kind() == reflect.String:
		out.SetString("r1")
	case of.Kind() == reflect.Int || of.Kind() == reflect.Int64:
		out.SetInt(1)
	case of == reflect.TypeFor[[]string]():
		return reflect.ValueOf([]string{"r1"})
	case of == reflect.TypeFor[ledger.LaneID]():
		return reflect.ValueOf(ledger.LaneID{Run: "r1", Page: 1})
	case of == reflect.TypeFor[*ledger.Lane]():
		return reflect.ValueOf(&ledger.Lane{ID: ledger.LaneID{Run: "r1", Page: 1}, Flow: flow, Table: table, Entries: entries(1, 3)})
	case of == reflect.TypeFor[[]ledger.Observation]():
		return reflect.ValueOf([]ledger.Observation{{Key: "r1"}})
	}
	return out
}

// explain is the plan of a query, and which of its steps walk through a big table.
func explain(t *testing.T, conn *sql.Conn, driver, query string) (plan string, bad []string) {
	t.Helper()
	if driver == "sqlite" {
		rows, err := conn.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+query, make([]any, strings.Count(query, "?"))...)
		require.NoError(t, err, query)
		defer rows.Close()
		for rows.Next() {
			var id, parent, unused int
			var step string
			require.NoError(t, rows.Scan(&id, &parent, &unused, &step))
			plan += "    " + step + "\n"
			if walksSQLite(step) {
				bad = append(bad, step)
			}
		}
		require.NoError(t, rows.Err())
		return plan, bad
	}
	return explainPostgres(t, conn, query)
}

var (
	sqliteStep = regexp.MustCompile(`^(SCAN|SEARCH) (\S+)(.*)$`)
	named      = regexp.MustCompile(`(\w+)(?:=|<|>)\?`)
	subqueries = []string{"one", "part", "oldest", "t", "(subquery-", "CONSTANT", "json_each"}
)

func walksSQLite(step string) bool {
	m := sqliteStep.FindStringSubmatch(step)
	if m == nil || smallIndexes.MatchString(step) {
		return false
	}
	for _, s := range subqueries {
		if m[2] == s || strings.HasPrefix(m[2], "(") {
			return false
		}
	}
	for _, s := range smallTables {
		if m[2] == s {
			return false
		}
	}
	if m[1] == "SCAN" {
		return true
	}
	return !narrow(named.FindAllStringSubmatch(m[3], -1))
}

// narrow says whether the columns of an index condition select few rows: more than a flow
// and a table.
func narrow(columns [][]string) bool {
	for _, c := range columns {
		switch c[1] {
		case "tbl", "flow", "parent_tbl", "state", "finding":
		default:
			return true
		}
	}
	return false
}

func explainPostgres(t *testing.T, conn *sql.Conn, query string) (plan string, bad []string) {
	t.Helper()
	exec := func(text string) {
		_, err := conn.ExecContext(t.Context(), text)
		require.NoError(t, err, text)
	}
	for _, set := range []string{`SET plan_cache_mode = force_generic_plan`, `SET enable_seqscan = off`, `SET enable_bitmapscan = off`} {
		exec(set) // a small table would be read as a whole
	}
	exec(`PREPARE q AS ` + query)
	defer exec(`DEALLOCATE q`)
	var params int
	require.NoError(t, conn.QueryRowContext(t.Context(), `SELECT coalesce(array_length(parameter_types, 1), 0) FROM pg_prepared_statements WHERE name = 'q'`).Scan(&params))
	call := `EXPLAIN (FORMAT JSON) EXECUTE q`
	if params > 0 {
		call += `(` + strings.TrimSuffix(strings.Repeat("NULL,", params), ",") + `)`
	}
	var text string
	require.NoError(t, conn.QueryRowContext(t.Context(), call).Scan(&text), query)
	var plans []struct{ Plan map[string]any }
	require.NoError(t, json.Unmarshal([]byte(text), &plans))
	var visit func(node map[string]any, depth int)
	visit = func(node map[string]any, depth int) {
		at := func(name string) string { s, _ := node[name].(string); return s }
		step := strings.Join(strings.Fields(fmt.Sprint(at("Node Type"), " ", at("Relation Name"), " ", at("Index Name"), " ", at("Index Cond"))), " ")
		plan += strings.Repeat("  ", depth+2) + step + "\n"
		if at("Relation Name") != "" && walksPostgres(node["Node Type"].(string), at("Relation Name"), at("Index Name"), at("Index Cond")) {
			bad = append(bad, step)
		}
		children, _ := node["Plans"].([]any)
		for _, c := range children {
			visit(c.(map[string]any), depth+1)
		}
	}
	visit(plans[0].Plan, 0)
	return plan, bad
}

var pgColumn = regexp.MustCompile(`\(*"?(\w+)"?\)*(?:::\w+)? (?:=|<|>|<=|>=) `)

func walksPostgres(node, relation, index, condition string) bool {
	if smallIndexes.MatchString(index) || node == "ModifyTable" {
		return false
	}
	for _, s := range smallTables {
		if relation == s {
			return false
		}
	}
	if strings.HasPrefix(node, "Seq Scan") {
		return true
	}
	return !narrow(pgColumn.FindAllStringSubmatch(condition, -1))
}
