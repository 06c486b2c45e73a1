package commands

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// On a narrow terminal a row is a block, and in a pipe it is a line. Wide characters take
// the columns that a terminal gives them.
func TestRowsThatDoNotFitAreStacked(t *testing.T) {
	t.Parallel()
	rows := [][]cell{header([]int{1}, "NAME", "RECORDS", "WHY"), {text("李小龍"), number(1_234), text("Campaign has no such field")}, {text("e\u0301lan"), number(5), text("")}}
	show := func(columns int) string {
		var out strings.Builder
		writeTable(&out, paint{columns: columns}, rows)
		return out.String()
	}
	require.Equal(t, "NAME    RECORDS  WHY\n李小龍    1,234  Campaign has no such field\ne\u0301lan          5\n", show(0))
	require.Equal(t, show(0), show(43), "it fits to the column")
	require.Equal(t, "NAME     李小龍\nRECORDS  1,234\nWHY      Campaign has no such field\n\nNAME     e\u0301lan\nRECORDS  5\n", show(42))
	require.Equal(t, "NAME     李小龍\nRECORDS  1,234\nWHY      Campaign has no such\n         field\n\nNAME     e\u0301lan\nRECORDS  5\n", show(29))
	require.Equal(t, "李…", cut("李小龍", 4), "half a character is none")
	require.Equal(t, "李小龍", cut("李小龍", 6))
}

// Without a width of its own a terminal has the usual one, and a file has none.
func TestHowWideATerminalIs(t *testing.T) {
	t.Parallel()
	e := &env{outTerminal: true, columns: func() int { return 0 }, getenv: func(string) string { return "" }}
	require.Equal(t, paint{colours: true, columns: 80}, e.colours())
	e.outTerminal = false
	require.Equal(t, paint{}, e.colours())
}

// Times are those of this machine; --utc shows them as they are elsewhere.
func TestTimesAreThoseOfThisMachine(t *testing.T) {
	t.Parallel()
	w := runsWorld(t)
	w.clock = noon.In(time.FixedZone("CEST", 2*60*60))
	run := runInfo(func(r *activities.RunInfo) { r.Started, r.Ended = noon.Add(-time.Hour), noon })
	w.on("Run "+activities.ListRuns, activities.RunListResult{Runs: []activities.RunInfo{run}})
	_, out, _ := w.run(t, "runs", "list")
	require.Contains(t, out, "2026-03-02 13:00:00 CEST")
	_, out, _ = w.run(t, "runs", "list", "--utc")
	require.Contains(t, out, "2026-03-02 11:00:00 UTC")
	_, out, _ = w.run(t, "runs", "list", "-o", "json")
	require.Contains(t, out, "2026-03-02T11:00:00Z", "programs have one zone")

	// A day begins at midnight here.
	asked := func(args ...string) time.Time {
		w.run(t, append([]string{"runs", "list", "--since", "2026-03-01"}, args...)...)
		all := w.Requests["Run "+activities.ListRuns]
		return all[len(all)-1].(activities.RunListInput).Since
	}
	require.Equal(t, "2026-02-28T22:00:00Z", asked().Format(time.RFC3339))
	require.Equal(t, "2026-03-01T00:00:00Z", asked("--utc").Format(time.RFC3339))

	w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) {
		st.State, st.Reason = workflows.StateFailed, "no"
		st.RetryAt = noon.Add(time.Hour)
	}))
	_, out, _ = w.run(t, "status", "contacts")
	require.Contains(t, out, "tries again by itself at 2026-03-02 15:00:00 CEST", "in sentences, too")
	require.NotContains(t, out, "UTC")
}

// Every list has the newest first, as text and as JSON.
func TestTheNewestIsFirst(t *testing.T) {
	t.Parallel()
	old, young := noon.Add(-48*time.Hour), noon.Add(-time.Hour)
	w := newWorld()
	w.on("Run "+activities.ListOperations, activities.OperationsResult{Operations: []activities.Operation{{At: old, What: "begun"}, {At: young, What: "ended"}}})
	w.on("Run "+activities.ListSaves, activities.ListSavesResult{Saves: []activities.ConfigSave{{ID: "begun", At: old}, {ID: "ended", At: young}}})
	for _, args := range [][]string{{"log"}, {"config", "history"}} {
		for _, format := range outputs[:2] {
			code, out, stderr := w.run(t, append(args, "-o", format)...)
			require.Zero(t, code, stderr)
			require.Less(t, strings.Index(out, "ended"), strings.Index(out, "begun"), out)
		}
	}
}

// An error is a document with -o json, the last line of stderr, whatever went wrong.
func TestErrorsAsJSON(t *testing.T) {
	t.Parallel()
	lost := unreachable("the Temporal server at here:1 does not answer any more")
	tests := map[string]struct {
		args    []string
		prepare func(*world)
		code    int
		kind    string
		field   string
		says    string
	}{
		"bad input":                {[]string{"runs", "list", "--limit", "0", "-o", "json"}, nil, 2, "bad_input", "", "--limit: got 0"},
		"an unknown command":       {[]string{"-o", "json", "rnus"}, nil, 2, "bad_input", "", "rnus"},
		"an unknown flag before":   {[]string{"status", "--flag", "-o", "json"}, nil, 2, "bad_input", "", "--flag"},
		"an unknown flag after":    {[]string{"status", "--output=json", "--flag"}, nil, 2, "bad_input", "", "--flag"},
		"a flow that is not there": {[]string{"pause", "contacts", "--reason", "x", "-ojson"}, nil, 2, "not_started", "", "never started"},
		"an input":                 {[]string{"deploy", "ramp", "1.2.3", "101", "-o", "json"}, nil, 2, "bad_input", "percent", "--percent: got 101"},
		"no answer":                {[]string{"log", "-o", "json"}, func(w *world) { w.on("Run "+activities.ListOperations, lost) }, 3, "unreachable", "", "does not answer"},
		"it failed": {[]string{"pause", "contacts", "--reason", "x", "-o", "json"}, func(w *world) {
			w.on("Update "+contactsFlow+" Pause", failed("something\x1b[2K went wrong"))
		}, 1, "failed", "", "went wrong"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			if tc.prepare != nil {
				tc.prepare(w)
			}
			code, out, stderr := w.run(t, tc.args...)
			require.Equal(t, tc.code, code, stderr)
			require.Empty(t, out)
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			var got struct{ Error reportedError }
			require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &got), stderr)
			require.Equal(t, tc.code, got.Error.ExitCode)
			require.Equal(t, tc.kind, got.Error.Kind)
			require.Equal(t, tc.field, got.Error.Field)
			require.Contains(t, got.Error.Message, tc.says)
		})
	}
	require.Len(t, kinds, len(exitCodes), "each kind has its word")
	code, _, stderr := newWorld().run(t, "status", "--flag", "--", "-o", "json")
	require.Equal(t, exitBadInput, code)
	require.True(t, strings.HasPrefix(stderr, "causeway: "), "what stands behind -- is no flag")
}

// With -o name there are names alone, and a command that has none refuses before it does
// anything.
func TestNamesForScripts(t *testing.T) {
	t.Parallel()
	w := runsWorld(t)
	w.on("Run "+activities.ListRuns, activities.RunListResult{Runs: []activities.RunInfo{runInfo(func(r *activities.RunInfo) { r.Run = "young" }), runInfo(func(r *activities.RunInfo) { r.Run = "old" })}})
	w.on("Run "+activities.ListQuarantine, activities.QuarantineListResult{Records: []activities.QuarantinedRecord{{ID: "6f0c"}, {ID: "7a1d"}}, Total: 2})
	w.on("Update "+contactsFlow+" Stop", contacts(func(st *workflows.Status) { st.State = workflows.StateStopped }))
	w.on("Update "+contactsFlow+" RequestBackfill", workflows.BackfillAnswer{Run: "contacts-20260302T120000.000Z"})
	for args, want := range map[string]string{
		"runs list": "young\nold\n", "quarantine list": "6f0c\n7a1d\n", "stop contacts": "contacts\n", "status": "accounts\ncontacts\n",
		"backfill contacts --since 1h": "contacts-20260302T120000.000Z\n",
	} {
		_, out, stderr := w.run(t, append(strings.Fields(args), "-o", "name")...)
		require.Equal(t, want, out, args+": "+stderr)
	}
	before := len(w.Asked)
	code, out, stderr := w.run(t, "rollback", "young", "--yes", "-o", "name")
	require.Equal(t, exitBadInput, code)
	require.Empty(t, out)
	require.Contains(t, stderr, "causeway rollback has no names to print, want table or json")
	require.Len(t, w.Asked, before, "nothing was asked for")
}

// --all goes to the flows that it concerns, and on past one that refuses.
func TestAllFlows(t *testing.T) {
	t.Parallel()
	state := func(table string, s workflows.State) workflows.Status {
		return workflows.Status{Table: table, State: s}
	}
	both := func(accounts, contacts workflows.State) *world {
		w := newWorld()
		w.on("Query "+accountsFlow+" Status", state("accounts", accounts))
		w.on("Query "+contactsFlow+" Status", state("contacts", contacts))
		for update, after := range map[string]workflows.State{"Stop": workflows.StateStopped, "Pause": workflows.StatePaused, "Resume": workflows.StateRunning} {
			w.on("Update "+accountsFlow+" "+update, state("accounts", after))
			w.on("Update "+contactsFlow+" "+update, state("contacts", after))
		}
		return w
	}
	const running, paused, stopped, broken = workflows.StateRunning, workflows.StatePaused, workflows.StateStopped, workflows.StateFailed
	for _, tc := range []struct {
		args               string
		accounts, contacts workflows.State
		out, says          string
	}{
		{"stop --all", running, paused, "contacts is STOPPED\naccounts is STOPPED\n", ""},
		{"stop --all", stopped, running, "contacts is STOPPED\n", ""},
		{"stop --all", stopped, broken, "", "every flow is stopped already\n"},
		{"pause --all -r release", running, paused, "accounts is PAUSED\n", ""},
		{"pause --all -r release", stopped, broken, "", "no flow runs, so there is none to hold\n"},
		{"resume --all", paused, paused, "accounts is RUNNING\ncontacts is RUNNING\n", ""},
		{"resume --all", running, running, "", "no flow is paused\n"},
	} {
		code, out, stderr := both(tc.accounts, tc.contacts).run(t, strings.Fields(tc.args)...)
		require.Zero(t, code, stderr)
		require.Equal(t, tc.out, out, tc.args)
		require.Equal(t, tc.says, stderr, tc.args)
	}

	w := both(running, running)
	w.on("Update "+contactsFlow+" Stop", operator.ErrNoWorker)
	code, out, stderr := w.run(t, "stop", "--all")
	require.Equal(t, exitUnreachable, code)
	require.Equal(t, "accounts is STOPPED\n", out, "one does not keep the other from it")
	require.Contains(t, stderr, "no worker answered for contacts")
	for _, args := range [][]string{{"pause", "--all"}, {"stop", "--all", "contacts"}, {"resume"}} {
		w = both(running, running)
		code, _, _ = w.run(t, args...)
		require.Equal(t, exitBadInput, code)
		require.Empty(t, w.Asked)
	}
}

// What the shell offers comes from the instance, and nothing is said where none answers.
func TestCompletionAsksTheInstance(t *testing.T) {
	t.Parallel()
	w := runsWorld(t)
	w.on("Run "+activities.ListRuns, activities.RunListResult{Runs: []activities.RunInfo{runInfo(func(r *activities.RunInfo) { r.Run = "contacts-1" })}})
	w.on("Run "+activities.ListQuarantine, activities.QuarantineListResult{Groups: []activities.QuarantineGroup{{Code: "TooLong", Field: "lastName", Records: 2}, {Code: "TooLong", Field: "city", Records: 1}}, Records: []activities.QuarantinedRecord{{ID: "6f0c"}}, Total: 3})
	w.on("Run "+activities.ListSaves, activities.ListSavesResult{Saves: []activities.ConfigSave{{ID: "save-1", At: noon}, {ID: "save-2", At: noon}}})
	for args, want := range map[string]string{
		"rollback ": "contacts-1\t", "runs show ": "contacts-1\t", "runs replay ": "contacts-1\t", "runs cancel ": "contacts-1\t", "runs export ": "contacts-1\t",
		"approve ": "contacts-1\t", "reject ": "contacts-1\t", "log --run ": "contacts-1\t", "quarantine list --run ": "contacts-1\t",
		"quarantine release contacts --code ": "TooLong\t3 records\n", "quarantine list --field ": "lastName\t2 records\ncity\t1 record\n",
		"runs list --kind ": "backfill\n", "runs list --table ": "accounts\t", "stop ": "contacts\t", "start ": "egress\t", "config restore ": "save-2\t",
		"open ": "console\t", "--output ": "table\njson\nname\n",
	} {
		line := strings.Split(args, " ")
		_, out, _ := w.run(t, append([]string{"__complete"}, line...)...)
		require.Contains(t, out, want, args)
	}
	w = newWorld()
	w.dialErr = unreachable("nobody is there")
	_, out, stderr := w.run(t, "__complete", "rollback", "")
	require.NotContains(t, out+stderr, "nobody is there")
}

func TestOpen(t *testing.T) {
	t.Parallel()
	const ui = "http://temporal.example:8233/namespaces/acme/workflows"
	w := runsWorld(t)
	code, out, stderr := w.run(t, "open")
	require.Zero(t, code, stderr)
	require.Equal(t, ui+"\n", out)
	require.Equal(t, []string{ui}, w.opened)
	_, out, _ = w.run(t, "open", "contacts", "--no-browser")
	require.True(t, strings.HasPrefix(out, ui+"/acme%2Fingress%2Fcontacts/"), out)
	require.Len(t, w.opened, 1)
	_, out, _ = w.run(t, "open", "console", "-o", "json")
	require.JSONEq(t, `{"url": "http://localhost:8280"}`, out)
	w.getenv["CAUSEWAY_CONSOLE"] = "https://causeway.example.com"
	_, out, _ = w.run(t, "open", "console")
	require.Equal(t, "https://causeway.example.com\n", out)

	code, _, stderr = w.run(t, "open", "console", "--console", "javascript:alert(1)")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, stderr, "--console: got")
	code, _, stderr = w.run(t, "open", "accounts")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, stderr, "accounts was never started")
}

// --watch says how to leave it. A terminal that is to be plain is not cleared.
func TestWatchSaysHowToLeave(t *testing.T) {
	t.Parallel()
	watch := func(noColor string) (string, string) {
		w := newWorld()
		w.on("Query "+contactsFlow+" Status", contacts(nil))
		w.terminal, w.columns, w.getenv["NO_COLOR"], w.looks = true, 80, noColor, 2
		_, out, stderr := w.run(t, "status", "contacts", "--watch")
		return out, stderr
	}
	out, stderr := watch("")
	require.Equal(t, 2, strings.Count(out, "\x1b[H\x1b[2J"))
	require.Equal(t, 2, strings.Count(stderr, "Looking every 2s until Ctrl-C.\n"), "it is cleared with the rest")
	out, stderr = watch("1")
	require.NotContains(t, out, "\x1b")
	require.Equal(t, "Looking every 2s until Ctrl-C.\n", stderr)
}

// Progress is written line by line where nothing may be rewritten, so that a screen reader
// can follow.
func TestPlainProgress(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"NO_COLOR": "1", "TERM": "dumb", "": ""} {
		var out bytes.Buffer
		e := &env{err: &out, errTerminal: true, columns: func() int { return 80 }, getenv: func(asked string) string {
			if asked == name {
				return value
			}
			return ""
		}}
		st := contacts(loading)
		pr := progressOf(4_500, 45)
		st.Progress = &pr
		bar := e.bar()
		bar.At(noon, st)
		bar.At(noon.Add(plainEvery), st)
		bar.end()
		if name == "" {
			require.Equal(t, 2, strings.Count(out.String(), "\r"))
			continue
		}
		require.NotContains(t, out.String(), "\r", name)
		require.NotContains(t, out.String(), "█", name)
		require.Contains(t, out.String(), "initial load: 4,500 of about 20,000 (22 %), 45 in quarantine\n")
	}
}
