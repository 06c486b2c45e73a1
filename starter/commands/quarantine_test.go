package commands

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/readable"
	"causeway.dev/workflows"
)

const (
	listQuestion    = "Run " + activities.ListQuarantine
	showQuestion    = "Run " + activities.ShowQuarantined
	discardQuestion = "Run " + activities.DiscardQuarantined
	releaseUpdate   = "Update " + contactsFlow + " " + workflows.UpdateRelease
	firstID         = "6f0c1d2e-0000-4000-8000-000000000001"
)

func refusedRecord() activities.QuarantinedRecord {
	return activities.QuarantinedRecord{Table: "contacts", ID: firstID, State: "open", Run: "r1", Class: "Rejected", Code: "TooLong", Field: "mobilePhone", Version: "7",
		Message: "mobilephone -> mobilePhone: text too long, want at most 32 characters", FirstSeen: noon.Add(-time.Hour), LastSeen: noon.Add(-time.Minute), Attempts: 2, NextTry: noon.Add(239 * time.Minute)}
}

func TestQuarantineList(t *testing.T) {
	t.Parallel()
	second := refusedRecord()
	second.ID, second.Code, second.Field, second.Message, second.Attempts, second.State = "6f0c1d2e-0000-4000-8000-000000000002", "Refused", "", "refused\nby Campaign", 12, "discarded"
	second.NextTry, second.Discarded = time.Time{}, &activities.Discard{By: "ada", Reason: "a test\nrecord", At: noon.Add(-time.Hour)}
	two := activities.QuarantineListResult{Total: 1_234,
		Groups: []activities.QuarantineGroup{
			{Table: "contacts", Code: "TooLong", Field: "mobilePhone", Message: refusedRecord().Message, Records: 1_233, FirstSeen: noon.Add(-72 * time.Hour), LastSeen: noon, NextTry: noon.Add(-time.Minute)},
			{Table: "contacts", Code: "Refused", Message: "refused\nby Campaign", Records: 1, FirstSeen: noon.Add(-time.Hour), LastSeen: noon},
		},
		Records: []activities.QuarantinedRecord{refusedRecord(), second}}
	list := func(result any, args ...string) (*world, int, string, string) {
		w := newWorld()
		w.on(listQuestion, result)
		code, out, stderr := w.run(t, append([]string{"quarantine", "list"}, args...)...)
		return w, code, out, stderr
	}

	w, code, out, _ := list(two, "--table", "contacts", "--run", "r1", "--code", "TooLong", "--field", "mobilePhone", "--older-than", "24h", "--ids", strings.ToUpper(firstID), "--state", "all", "--limit", "2")
	require.Zero(t, code)
	require.Equal(t, []any{activities.QuarantineListInput{Table: "contacts", State: "all", Limit: 2, Selection: activities.Selection{
		IDs: []string{firstID}, Run: "r1", Code: "TooLong", Field: "mobilePhone", Before: noon.Add(-24 * time.Hour)}}}, w.Requests[listQuestion])
	golden(t, "quarantine.txt", out)

	_, code, out, _ = list(two, "-o", "json")
	require.Zero(t, code)
	golden(t, "quarantine.json", out)

	_, code, out, _ = list(activities.QuarantineListResult{}, "-o", "json")
	require.Zero(t, code)
	require.JSONEq(t, `{"total": 0, "groups": [], "records": []}`, out)

	_, code, out, _ = list(activities.QuarantineListResult{})
	require.Zero(t, code)
	require.Equal(t, "No record in quarantine fits.\n", out)

	w, code, out, _ = list(activities.QuarantineListResult{Elsewhere: []activities.QuarantineElsewhere{{Table: "egress", Records: 17}, {Table: "optout", Records: 1}}}, "contacts")
	require.Zero(t, code)
	require.Equal(t, []any{activities.QuarantineListInput{Table: "contacts", State: "open", Limit: 100}}, w.Requests[listQuestion], "the table as people type it")
	require.Equal(t, `No record in quarantine fits.
egress holds 17 records that fit: causeway quarantine list egress
optout holds 1 record that fits: causeway quarantine list optout
`, out)

	_, code, _, stderr := list(activities.QuarantineListResult{}, "contact")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, stderr, `there is no table mapping "contact"`)

	_, code, _, stderr = list(activities.QuarantineListResult{}, "--table", "contact")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, stderr, `there is no table mapping "contact"`)

	_, code, out, _ = list(activities.QuarantineListResult{}, "--table", "egress")
	require.Zero(t, code, "a flow apart")
	require.Equal(t, "No record in quarantine fits.\n", out)

	for args, says := range map[string]string{
		"--limit 1001":            "--limit: got 1001, want 1 to 1000",
		"--state closed":          `--state: got "closed", want open, released, discarded or all`,
		"--older-than forever":    `--older-than: got "forever", want an instant like`,
		"--ids 7":                 `--ids: got "7", want record ids like`,
		"contacts --table egress": `got both "contacts" and --table "egress", want one table`,
		"contacts " + firstID:     `want records as --ids`,
	} {
		w, code, _, stderr = list(two, strings.Fields(args)...)
		require.Equal(t, exitBadInput, code)
		require.Contains(t, stderr, says)
		require.Empty(t, w.Asked)
	}

	_, code, _, stderr = list(operator.ErrNoWorker)
	require.Equal(t, exitUnreachable, code)
	require.Contains(t, stderr, "no worker answered within 1m0s; start one with: worker --config testdata/causeway.yaml (only a worker can answer this)")

	_, code, _, stderr = list(badInput("the ledger is locked"))
	require.Equal(t, exitFailed, code, "work that failed is no refusal")
	require.Equal(t, "causeway: the ledger is locked\n", stderr)
}

// Names and values that others chose steer no terminal, whatever prints them.
func TestForeignTextSteersNoTerminal(t *testing.T) {
	t.Parallel()
	const evil = "export\x1b[2J\u202egnp.csv\u200b"
	record := refusedRecord()
	record.Code, record.Message, record.Run, record.ID = evil, evil, evil, evil
	list := activities.QuarantineListResult{Total: 1, Records: []activities.QuarantinedRecord{record}, Elsewhere: []activities.QuarantineElsewhere{{Table: evil, Records: 1}},
		Groups: []activities.QuarantineGroup{{Table: evil, Code: evil, Field: evil, Message: evil, Records: 1}}}
	st := contacts(func(st *workflows.Status) { st.State, st.Reason, st.Phase = workflows.StateFailed, evil, evil })
	for _, args := range [][]string{{"quarantine", "list"}, {"quarantine", "list", "-o", "json"}, {"status", "contacts"}, {"status", "contacts", "-o", "json"}, {"start", evil}, {"config", "validate", "-c", evil}} {
		w := newWorld()
		w.on(listQuestion, list)
		w.on("Query "+contactsFlow+" "+workflows.QueryStatus, st)
		_, out, stderr := w.run(t, args...)
		printed := strings.NewReplacer("\n", "", "\t", "").Replace(out + stderr)
		require.False(t, strings.ContainsFunc(printed, readable.Steers), "%v: %q", args, printed)
		if args[0] != "status" {
			require.Contains(t, printed, "gnp.csv", "%v", args)
		}
	}
}

// sealed is what a worker answers: values only for the key that came along.
func sealed(t *testing.T, in activities.ShowQuarantinedInput, values []activities.RevealedField) []byte {
	t.Helper()
	if in.RevealTo == nil {
		return nil
	}
	plain, err := json.Marshal(values)
	require.NoError(t, err)
	key := [32]byte(in.RevealTo)
	out, err := box.SealAnonymous(nil, plain, &key, rand.Reader)
	require.NoError(t, err)
	return out
}

func TestQuarantineShow(t *testing.T) {
	t.Parallel()
	shown := activities.ShowQuarantinedResult{
		Record: refusedRecord(), Rule: "mobilephone -> mobilePhone", Held: true, Mapping: "4f2a",
		Live: activities.ExplainLive{InDynamics: true, Version: "9", InCampaign: true, Decision: "refuse", Why: "TooLong: mobilephone -> mobilePhone: text too long, want at most 32 characters"},
		Fields: []activities.ShownField{
			{From: "lastname", To: "lastName", InDynamics: "text of 6", InCampaign: "text of 9", WouldSend: "text of 6"},
			{From: "mobilephone", To: "mobilePhone", InDynamics: "text of 61", InCampaign: "nothing"},
		},
	}
	values := []activities.RevealedField{
		{InDynamics: json.RawMessage(`"Müller"`), InCampaign: json.RawMessage(`"Old\u001b[31m"`), WouldSend: json.RawMessage(`"Müller"`)},
		{InDynamics: json.RawMessage(`"0049 …"`)},
	}
	show := func(answer any, args ...string) (*world, int, string, string) {
		w := newWorld()
		w.on(showQuestion, func(request any) any {
			in := request.(activities.ShowQuarantinedInput)
			if r, ok := answer.(activities.ShowQuarantinedResult); ok {
				r.Sealed = sealed(t, in, values)
				return r
			}
			return answer
		})
		code, out, stderr := w.run(t, append([]string{"quarantine", "show"}, args...)...)
		return w, code, out, stderr
	}

	w, code, out, stderr := show(shown, "contacts", strings.ToUpper(firstID))
	require.Zero(t, code, stderr)
	require.Equal(t, []any{activities.ShowQuarantinedInput{Table: "contacts", ID: firstID, By: "ada"}}, w.Requests[showQuestion])
	golden(t, "quarantine-show.txt", out)

	_, code, out, _ = show(shown, "contacts", firstID, "--reveal")
	require.Zero(t, code)
	golden(t, "quarantine-show-reveal.txt", out)
	require.NotContains(t, out, "\x1b", "a value does not steer the terminal")

	_, code, out, _ = show(shown, "contacts", firstID, "--reveal", "-o", "json")
	require.Zero(t, code)
	golden(t, "quarantine-show.json", out)

	stays := shown
	stays.Record.NextTry, stays.Held = time.Time{}, false
	_, _, out, _ = show(stays, "contacts", firstID)
	require.Contains(t, out, "not by itself; causeway quarantine release contacts --ids "+firstID)

	_, code, _, stderr = show(badInput("record x of contacts was never refused"), "contacts", firstID)
	require.Equal(t, exitFailed, code)
	require.Equal(t, "causeway: record x of contacts was never refused\n", stderr)

	for args, says := range map[string]string{
		"contacts":               "got 1 argument, want a table and the id of a record",
		"contacts seven":         `id: got "seven", want the id of one record in Dynamics`,
		"contact " + firstID:     `there is no table mapping "contact"`,
		"egress tracking/5000":   "tracking/5000 is an event; what became of it says: causeway explain event",
		"contacts @-":            `id: got "@-", want the id of one record`,
		"contacts a b --reveal":  "got 3 arguments",
		"contacts " + "--nosuch": "unknown flag: --nosuch",
	} {
		w, code, _, stderr = show(shown, strings.Fields(args)...)
		require.Equal(t, exitBadInput, code, args)
		require.Contains(t, stderr, says)
		require.Empty(t, w.Asked)
	}
	_, code, _, _ = show(operator.ErrNoWorker, "contacts", firstID)
	require.Equal(t, exitUnreachable, code)
}

func TestQuarantineRelease(t *testing.T) {
	t.Parallel()
	script := func(total int64) *world {
		w := newWorld()
		w.on(listQuestion, activities.QuarantineListResult{Total: total})
		w.on(releaseUpdate, workflows.ReleaseAnswer{Run: "r2", WorkflowID: contactsFlow + "/release/r2"})
		return w
	}
	w := script(412)
	code, out, stderr := w.run(t, "quarantine", "release", "contacts", "--code", "TooLong", "--field", "lastName")
	require.Zero(t, code, stderr)
	chosen := activities.Selection{Code: "TooLong", Field: "lastName"}
	require.Equal(t, []any{activities.QuarantineListInput{Table: "contacts", Selection: chosen, Limit: 1}}, w.Requests[listQuestion])
	require.Equal(t, []any{workflows.ReleaseRequest{Selection: chosen, By: "ada"}}, w.Requests[releaseUpdate])
	require.Equal(t, "412 records of contacts will be tried again: run r2; follow it with: causeway status contacts --watch\n", out)

	w = script(5_000)
	code, out, _ = w.run(t, "quarantine", "release", "contacts", "--all", "-o", "json")
	require.Zero(t, code)
	require.JSONEq(t, `{"run":"r2","workflow_id":"acme/ingress/contacts/release/r2","queued":0,"records":5000}`, out)
	require.Equal(t, []any{workflows.ReleaseRequest{All: true, By: "ada"}}, w.Requests[releaseUpdate])

	w = script(0)
	code, out, _ = w.run(t, "quarantine", "release", "contacts", "--all")
	require.Zero(t, code)
	require.Equal(t, "No record in quarantine fits.\n", out)
	require.Empty(t, w.Requests[releaseUpdate])

	for state, want := range map[string]int{"COMPLETED": exitDone, "FAILED": exitFailed} {
		w = script(3)
		queued := contacts(func(st *workflows.Status) {
			st.Queue = []workflows.QueuedRequest{{Kind: workflows.RequestRelease, Run: "r2"}}
		})
		done := contacts(func(st *workflows.Status) {
			st.LastRun = &workflows.RunSummary{Run: "r2", Kind: activities.KindRelease, State: state, Counts: activities.Counts{Read: 3, Created: 2, Quarantined: 1}, Start: noon, End: noon.Add(2 * time.Second)}
		})
		w.on("Query "+contactsFlow+" Status", queued, queued, done)
		code, out, _ = w.run(t, "quarantine", "release", "contacts", "--all", "--wait")
		require.Equal(t, want, code)
		require.Contains(t, out, fmt.Sprintf("run r2 of contacts is %s after 2 s\n", state))
	}

	for args, says := range map[string]string{
		"contacts":                       "got no selection, want --ids, --run, --code, --field or --older-than; or --all",
		"contacts --all --code TooLong":  "got both --all and a selection, want one of them",
		"egress --all":                   "events are not released one by one; when the cause is mended, read them again: causeway events backfill",
		"contacts --older-than tomorrow": "--older-than: got",
		"contacts --ids anna":            `--ids: got "anna", want record ids like`,
		"contact --all":                  `there is no table mapping "contact"`,
		"--all":                          "got 0 arguments, want one table",
	} {
		w = script(3)
		code, _, stderr = w.run(t, append([]string{"quarantine", "release"}, strings.Fields(args)...)...)
		require.Equal(t, exitBadInput, code, args)
		require.Contains(t, stderr, says)
		require.Empty(t, w.Asked)
	}

	w = script(3)
	w.on(releaseUpdate, badInput("contacts is STOPPED: start it before asking for a release"))
	code, _, stderr = w.run(t, "quarantine", "release", "contacts", "--all")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, stderr, "start it before asking for a release")
}

func TestQuarantineDiscard(t *testing.T) {
	t.Parallel()
	script := func(total int64) *world {
		w := newWorld()
		w.on(listQuestion, activities.QuarantineListResult{Total: total})
		w.on(discardQuestion, activities.DiscardResult{Discarded: total})
		return w
	}
	discard := []string{"quarantine", "discard", "contacts", "--ids", firstID, "--reason", "a test record"}
	w := script(1)
	code, out, stderr := w.run(t, append(discard, "--yes")...)
	require.Zero(t, code, stderr)
	require.Equal(t, "1 record of contacts discarded\n", out)
	require.Equal(t, []any{activities.DiscardInput{Table: "contacts", Selection: activities.Selection{IDs: []string{firstID}},
		Discard: activities.Discard{By: "ada", Reason: "a test record", At: noon}}}, w.Requests[discardQuestion])

	w = script(1)
	code, out, _ = w.run(t, append(discard, "--yes", "-o", "json")...)
	require.Zero(t, code)
	require.JSONEq(t, `{"discarded": 1}`, out)

	w = script(2)
	code, _, stderr = w.run(t, "quarantine", "discard", "egress", "--all", "--reason", "test sends", "--yes")
	require.Zero(t, code, stderr)
	require.Equal(t, "egress", w.Requests[discardQuestion][0].(activities.DiscardInput).Table)

	w = script(0)
	code, out, _ = w.run(t, discard...)
	require.Zero(t, code)
	require.Equal(t, "No record in quarantine fits.\n", out)
	require.Empty(t, w.Requests[discardQuestion])

	for answer, want := range map[string]int{"y\n": exitDone, "no\n": exitFailed, "": exitFailed} {
		w = script(412)
		w.terminal, w.stdin = true, answer
		code, _, stderr = w.run(t, discard...)
		require.Equal(t, want, code, "answer %q", answer)
		require.Contains(t, stderr, "This gives up 412 in quarantine of contacts: they are not tried again until they change in Dynamics.")
		require.Equal(t, want == exitDone, len(w.Requests[discardQuestion]) > 0)
	}

	w = script(2)
	code, _, stderr = w.run(t, discard...)
	require.Equal(t, exitBadInput, code)
	require.Contains(t, stderr, "this gives up 2 records of contacts; say --yes")
	require.Empty(t, w.Requests[discardQuestion])

	for args, says := range map[string]string{
		"contacts --all":                             "--reason: got nothing, want why the records are given up",
		"contacts --reason x":                        "got no selection, want --ids",
		"contacts --reason x --all --ids " + firstID: "got both --all and a selection",
		"contact --reason x --all":                   `there is no table mapping "contact"`,
	} {
		w = script(3)
		code, _, stderr = w.run(t, append([]string{"quarantine", "discard", "--yes"}, strings.Fields(args)...)...)
		require.Equal(t, exitBadInput, code, args)
		require.Contains(t, stderr, says)
		require.Empty(t, w.Asked)
	}
	w = script(3)
	w.on(discardQuestion, operator.ErrNoWorker)
	code, _, _ = w.run(t, append(discard, "--yes")...)
	require.Equal(t, exitUnreachable, code)
}
