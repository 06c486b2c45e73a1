package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// docs/protocol/integration.md §26 "audit": user, time, old and new revision.
func TestLog(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Run "+activities.ListOperations, activities.OperationsResult{Operations: []activities.Operation{
		{ID: "1", At: noon.Add(-2 * time.Hour), By: "ada", What: "start", Flow: "ingress", Table: "contacts", Revision: "2d711642b726b044"},
		{ID: "2", At: noon.Add(-time.Hour), By: "bob", What: "pause", Flow: "ingress", Table: "contacts", Revision: "2d711642b726b044", Reason: "Campaign\nrelease"},
		{ID: "3", At: noon.Add(-time.Minute), What: "backfill", Flow: "ingress", Table: "contacts", Run: "contacts-20260302T115900.000Z", Revision: "2d711642b726b044", Detail: "the whole table"},
		{ID: "4", At: noon, By: "ada", What: "apply", Flow: "ingress", Table: "contacts", Revision: "8b1a9953c4611296", Was: "2d711642b726b044"},
	}})
	code, out, stderr := w.run(t, "log", "--table", "contacts", "--since", "24h", "--by", "ada", "--what", "apply", "--run", "r", "--limit", "4")
	require.Zero(t, code, stderr)
	golden(t, "log.txt", out)
	require.Equal(t, []any{activities.OperationsInput{Table: "contacts", Run: "r", By: "ada", What: "apply", Since: noon.Add(-24 * time.Hour), Limit: 4}},
		w.Requests["Run "+activities.ListOperations])
	code, out, stderr = w.run(t, "log", "-o", "json")
	require.Zero(t, code, stderr)
	golden(t, "log.json", out)

	w.on("Run "+activities.ListOperations, activities.OperationsResult{})
	code, out, _ = w.run(t, "log", "-o", "json")
	require.Zero(t, code)
	require.JSONEq(t, `{"operations": []}`, out)
	code, out, _ = w.run(t, "log")
	require.Zero(t, code)
	require.Equal(t, "Nothing was asked for that fits.\n", out)
}

func TestLogRefusesWhatItCannotShow(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args   []string
		answer any
		code   int
		says   string
	}{
		"a limit out of range":    {[]string{"--limit", "0"}, nil, 2, "--limit: got 0, want 1 to 1000"},
		"a time that is none":     {[]string{"--since", "yesterday"}, nil, 2, `--since: got "yesterday", want an instant`},
		"an argument":             {[]string{"contacts"}, nil, 2, "want none"},
		"a table that is unknown": {[]string{"--table", "kontakte"}, activities.OperationsResult{}, 2, `no table mapping "kontakte"`},
		"no worker":               {nil, operator.ErrNoWorker, 3, "no worker answered within 1m0s"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.on("Run "+activities.ListOperations, tc.answer)
			code, _, stderr := w.run(t, append([]string{"log"}, tc.args...)...)
			require.Equal(t, tc.code, code)
			require.Contains(t, stderr, tc.says)
		})
	}
}

// What flows remember of the log goes to the worker; what does not agree is a failure.
func TestLogVerify(t *testing.T) {
	t.Parallel()
	end := activities.LogEnd{Seq: 41, At: noon, Hash: []byte("abc")}
	cut := activities.RememberedEnd{Flow: "contacts", LogEnd: end}
	tests := map[string]struct {
		answer activities.VerifyLogResult
		code   int
		says   string
	}{
		"in order": {activities.VerifyLogResult{Agrees: true, Entries: 41, From: noon.Add(-time.Hour), To: noon, Pruned: 1, PrunedTo: noon.Add(-2 * time.Hour), Unkeyed: 3, Remembered: []string{"contacts"}}, 0,
			"41 operations in order, from 2026-03-02 11:00:00 UTC to 2026-03-02 12:00:00 UTC\npruned before them: 1 operation, up to 2026-03-02 10:00:00 UTC (retention.operations)\n" +
				"chained without a key: 3 operations; whoever can write to the database can make such ones; set ledger.encryption_key\n"},
		"changed": {activities.VerifyLogResult{Entries: 6, From: noon, To: noon, Fault: "entry 7 of 2026 does not agree", FaultSeq: 7, Remembered: []string{"contacts"}}, 1,
			"6 operations in order, from 2026-03-02 12:00:00 UTC to 2026-03-02 12:00:00 UTC\nFAULT: entry 7 of 2026 does not agree\n"},
		"cut": {activities.VerifyLogResult{Entries: 1, From: noon, To: noon, Lacking: []activities.RememberedEnd{cut}, Remembered: []string{"contacts"}}, 1,
			"1 operation in order, from 2026-03-02 12:00:00 UTC to 2026-03-02 12:00:00 UTC\nFAULT: contacts remembers entry 41 of 2026-03-02 12:00:00 UTC, and the log does not have it\n"},
		"restored": {activities.VerifyLogResult{Agrees: true, Entries: 1, From: noon, To: noon, Lacking: []activities.RememberedEnd{cut}, Remembered: []string{"contacts"},
			Restored: &activities.Operation{At: noon, By: "ada"}}, 0,
			"1 operation in order, from 2026-03-02 12:00:00 UTC to 2026-03-02 12:00:00 UTC\nNOTE: contacts remembers entry 41 of 2026-03-02 12:00:00 UTC, and the log does not have it\n" +
				"that is explained: ada said at 2026-03-02 12:00:00 UTC that the ledger was restored from a backup\n"},
		"nobody remembers": {activities.VerifyLogResult{Agrees: true}, 0, "The log is empty.\nno flow remembers how far the log went, so an end that was cut would not be noticed\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) { st.LogEnd = &end }))
			w.on("Run "+activities.VerifyLog, tc.answer)
			code, out, stderr := w.run(t, "log", "verify")
			require.Equal(t, tc.code, code, stderr)
			require.Equal(t, tc.says, out)
			require.Equal(t, []any{activities.VerifyLogInput{Remembered: []activities.RememberedEnd{cut}}}, w.Requests["Run "+activities.VerifyLog])
			code, out, _ = w.run(t, "log", "verify", "-o", "json")
			require.Equal(t, tc.code, code)
			require.Contains(t, out, `"agrees": `)
		})
	}
	w := newWorld()
	w.on("Run "+activities.VerifyLog, operator.ErrNoWorker)
	code, _, _ := w.run(t, "log", "verify")
	require.Equal(t, 3, code)
}
