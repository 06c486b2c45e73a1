package commands

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

const optOutFlow = "acme/optout"

// optOutWorld has a configuration with opt-outs in both directions.
func optOutWorld() *world {
	w := newWorld()
	w.getenv["CAUSEWAY_CONFIG"] = "testdata/optout.yaml"
	return w
}

func optOutStatus(change func(*workflows.Status)) workflows.Status {
	cfg, err := config.Load("testdata/optout.yaml")
	if err != nil {
		panic(err)
	}
	revision := cfg.OptOutSettings().Revision()
	counts := activities.Counts{Read: 1_000_000, Updated: 1_000, Unchanged: 998_990, Parked: 7, Quarantined: 3}
	st := workflows.Status{
		Instance: "acme", Table: "optout", State: workflows.StateRunning, Phase: "waiting for choices", Since: noon.Add(-2 * time.Hour),
		LastRun: &workflows.RunSummary{Run: "optout-20260302T115900.000Z", Kind: activities.KindInitial, State: "COMPLETED", Counts: counts,
			Start: noon.Add(-time.Hour), End: noon.Add(-30 * time.Minute)},
		Watermark: noon.Add(-10 * time.Second), Totals: counts, Runs: 1, Quarantined: 3, Revision: revision, FiledRevision: revision, StartedBy: "ada",
		OptOut: &workflows.OptOutStatus{Mode: "bidirectional", Source: "sftp", Pairs: 2, Waiting: 7,
			Export: &workflows.ExportStatus{Workflow: "WKF17", State: "started", Newest: noon.Add(-10 * time.Hour), Looked: noon.Add(-time.Minute)}},
	}
	if change != nil {
		change(&st)
	}
	return st
}

func TestStatusOfOptOut(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status workflows.Status
		code   int
	}{
		"running": {optOutStatus(nil), exitDone},
		"export stopped": {optOutStatus(func(st *workflows.Status) {
			st.Warnings = []string{"review the typology rules in Campaign before an opt-out attribute changes its meaning, so that relationship or transactional mail is not cut off by mistake"}
			st.OptOut.Export.Alarm = "the Campaign workflow WKF17 that exports opt-outs is finished; start it, or opt-outs are missed"
			st.OptOut.BadFiles = []string{"optout_20260301_020000.csv.gz, line 4211: the file ends in the middle; want a whole one"}
		}), exitDone},
		"failed": {optOutStatus(func(st *workflows.Status) {
			st.State, st.Phase, st.Reason = workflows.StateFailed, "not started", "the opt-out settings do not fit: opt_out.pairs[1].dynamics: contact has no column donotphone"
		}), exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := optOutWorld()
			w.on("Describe "+optOutFlow, operator.Description{Running: true, State: string(tt.status.State)})
			w.on("Query "+optOutFlow+" Status", tt.status)
			code, out, errs := w.run(t, "status", "optout")
			require.Equal(t, tt.code, code, errs)
			golden(t, "status optout "+name+".txt", out)
			code, out, _ = w.run(t, "status", "-o", "json")
			require.Equal(t, tt.code, code)
			var report operator.Report
			require.NoError(t, json.Unmarshal([]byte(out), &report))
			require.Equal(t, "optout", report.Flows[0].Flow)
			require.Equal(t, tt.status.OptOut, report.Flows[0].Status.OptOut)
			require.False(t, report.Flows[0].ChangesPending)
		})
	}
}

// The flow of opt-outs is operated like any other.
func TestOptOutIsOperated(t *testing.T) {
	t.Parallel()
	w := optOutWorld()
	w.on("Start "+optOutFlow, optOutStatus(nil))
	code, out, errs := w.run(t, "start", "optout")
	require.Equal(t, exitDone, code, errs)
	require.Equal(t, "optout is RUNNING (waiting for choices)\n", out)
	asked := w.Requests["Start "+optOutFlow][0].(workflows.StartRequest)
	require.Equal(t, []string{"denyListEmail=donotbulkemail", "denyListPhone=donotphone"}, asked.OptOut.Names())
	require.Equal(t, asked.OptOut.Revision(), asked.Revision)
	require.InDelta(t, 1, asked.Tuning.StopRatio, 0)

	for _, tt := range []struct {
		args   []string
		update string
	}{
		{[]string{"stop", "optout"}, workflows.UpdateStop}, {[]string{"pause", "optout", "--reason", "audit"}, workflows.UpdatePause},
		{[]string{"resume", "optout"}, workflows.UpdateResume}, {[]string{"sync-now", "optout"}, workflows.UpdateSyncNow}, {[]string{"apply", "optout"}, workflows.UpdateApplyConfig},
	} {
		w.on("Update "+optOutFlow+" "+tt.update, optOutStatus(nil))
		code, _, errs := w.run(t, tt.args...)
		require.Equal(t, exitDone, code, errs)
	}

	// R8.16: not without a mode that gives it something to do.
	idle := newWorld()
	for _, args := range [][]string{{"start", "optout"}, {"apply", "optout"}} {
		code, out, errs := idle.run(t, args...)
		require.Equal(t, exitBadInput, code)
		require.Empty(t, out)
		require.Contains(t, errs, "opt_out.mode is disabled; set it to campaign_to_dynamics or bidirectional")
	}
	code, _, errs = w.run(t, "quarantine", "release", "optout", "--all")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, errs, "tried again by themselves")
	code, _, errs = w.run(t, "quarantine", "show", "optout", decisionOf)
	require.Equal(t, exitBadInput, code)
	require.Contains(t, errs, "causeway optout history")
}

const decisionOf = "6f0c1d2e-0000-4000-8000-000000000001"

// evidenceOf answers with decisions sealed to whoever asks, two to a page.
func evidenceOf(t *testing.T, all []activities.Evidence) func(any) any {
	return func(request any) any {
		in := request.(activities.EvidenceInput)
		rest := all
		if in.After != nil {
			rest = all[2:]
		}
		out := activities.EvidenceResult{Rows: min(2, len(rest))}
		if len(rest) > 2 {
			out.Next = &activities.EvidencePlace{At: rest[1].At, Contact: rest[1].Contact}
		}
		plain, err := json.Marshal(rest[:out.Rows])
		require.NoError(t, err)
		out.Sealed, err = box.SealAnonymous(nil, plain, (*[32]byte)(in.RevealTo), rand.Reader)
		require.NoError(t, err)
		return out
	}
}

var someEvidence = []activities.Evidence{
	{Contact: decisionOf, At: noon, Run: "optout-1", Attribute: "denyListEmail", Column: "donotbulkemail", Rule: "campaign-newer", OptedOut: true, Effect: "dynamics",
		Dynamics: activities.Choice{Known: true, At: noon.Add(-48 * time.Hour)}, Campaign: activities.Choice{Known: true, OptedOut: true, At: noon.Add(-time.Hour)}},
	{Contact: decisionOf, At: noon.Add(time.Hour), Run: "optout-2", Attribute: "denyListPhone", Column: "donotphone", Rule: "only-dynamics", OptedOut: true, Effect: "waits",
		Dynamics: activities.Choice{Known: true, OptedOut: true, At: noon}},
	{Contact: decisionOf, At: noon.Add(2 * time.Hour), Run: "optout-3", Attribute: "denyListEmail", Column: "donotbulkemail", Rule: "age-unknown", OptedOut: true, Effect: "campaign",
		Dynamics: activities.Choice{Known: true, OptedOut: true, At: noon}, Campaign: activities.Choice{Known: true}},
}

func TestOptOutHistory(t *testing.T) {
	t.Parallel()
	w := optOutWorld()
	w.on("Run "+activities.OptOutEvidence, evidenceOf(t, someEvidence))
	code, out, errs := w.run(t, "optout", "history", strings.ToUpper(decisionOf))
	require.Equal(t, exitDone, code, errs)
	golden(t, "optout history.txt", out)
	require.Equal(t, decisionOf, w.Requests["Run "+activities.OptOutEvidence][0].(activities.EvidenceInput).Contact)
	code, out, _ = w.run(t, "optout", "history", decisionOf, "-o", "json")
	require.Equal(t, exitDone, code)
	var got []activities.Evidence
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, newestFirst(someEvidence), got)

	code, _, errs = w.run(t, "optout", "history", "ann@example.test")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, errs, "want the id of one contact")
	w.on("Run "+activities.OptOutEvidence, evidenceOf(t, nil))
	code, out, _ = w.run(t, "optout", "history", decisionOf)
	require.Equal(t, exitDone, code)
	require.Equal(t, "nothing was decided about "+decisionOf+"\n", out)
}

func TestOptOutExport(t *testing.T) {
	t.Parallel()
	w := optOutWorld()
	w.on("Run "+activities.OptOutEvidence, evidenceOf(t, someEvidence))
	file := filepath.Join(t.TempDir(), "opt-outs.csv")
	code, out, errs := w.run(t, "optout", "export", "--output", file, "--since", "2026-03-01", "--until", "2026-04-01")
	require.Equal(t, exitDone, code, errs)
	require.Equal(t, file+": 3 decisions\n", out)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	golden(t, "optout export.csv", string(data))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	in := w.Requests["Run "+activities.OptOutEvidence][0].(activities.EvidenceInput)
	require.Equal(t, 31*24*time.Hour, in.Until.Sub(in.Since))

	for want, args := range map[string][]string{
		"exists already": {"--output", file}, "want the CSV file": nil, "want a time after --since": {"--output", file + "2", "--since", "2026-04-01", "--until", "2026-03-01"},
		"--since: got": {"--output", file + "2", "--since", "yesterday"}, "below.csv cannot be written: ": {"--output", filepath.Join(file, "below.csv")},
		`--output: got "json", want the CSV file to write; the format of the result is -o json`: {"--output", "json"},
	} {
		code, _, errs := w.run(t, append([]string{"optout", "export"}, args...)...)
		require.Equal(t, exitBadInput, code, errs)
		require.Contains(t, errs, want)
	}
	w.on("Run "+activities.OptOutEvidence, evidenceOf(t, someEvidence))
	jsonFile := filepath.Join(t.TempDir(), "other.csv")
	code, out, errs = w.run(t, "optout", "export", "--output", jsonFile, "-o", "json")
	require.Zero(t, code, errs)
	require.JSONEq(t, `{"file":"`+jsonFile+`","decisions":3}`, out)

	// A dash is stdout, here as elsewhere, and no file.
	w.on("Run "+activities.OptOutEvidence, evidenceOf(t, someEvidence))
	code, out, errs = w.run(t, "optout", "export", "--output", "-")
	require.Zero(t, code, errs)
	require.Equal(t, "3 decisions\n", errs)
	require.NoFileExists(t, "-")
	golden(t, "optout export.csv", out)
	code, _, errs = w.run(t, "optout", "export", "--output", "-", "-o", "json")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, errs, "both go to stdout")
	code, _, errs = w.run(t, "runs", "export", "contacts", "--to", "-")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, errs, "--to: got -, want a folder")

	// What fails in the middle leaves no file.
	w.on("Run "+activities.OptOutEvidence, operator.ErrNoWorker)
	code, _, _ = w.run(t, "optout", "export", "--output", file+"2")
	require.Equal(t, exitUnreachable, code)
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestOptOutCheck(t *testing.T) {
	t.Parallel()
	w := optOutWorld()
	w.on("Run "+activities.ListQuarantine, operator.ErrNoWorker)
	code, out, errs := w.run(t, "optout", "check")
	require.Equal(t, exitUnreachable, code, "nobody is waited for without a word")
	require.Contains(t, errs, "causeway: no worker answered within 1m0s")
	require.Empty(t, out)

	w.on("Run "+activities.ListQuarantine, activities.QuarantineListResult{})
	w.on("Run "+activities.CheckOptOuts,
		func(any) any {
			w.clock = w.clock.Add(tellEvery)
			return activities.CheckOptOutsResult{Profiles: 5000, Different: []activities.OptOutDifference{{Contact: decisionOf, Attribute: "denyListEmail", Column: "donotbulkemail"}}, Waiting: 2, Link: "more"}
		},
		activities.CheckOptOutsResult{Profiles: 1200, Missing: 3, Waiting: 2},
		activities.CheckOptOutsResult{Profiles: 6200, Waiting: 0})
	code, out, errs = w.run(t, "optout", "check")
	require.Equal(t, exitFailed, code, errs)
	golden(t, "optout check.txt", out)
	require.Contains(t, errs, "\n5,000 profiles compared\n", "a long comparison says how far it is")
	require.Equal(t, "more", w.Requests["Run "+activities.CheckOptOuts][1].(activities.CheckOptOutsInput).Link)
	code, out, _ = w.run(t, "optout", "check")
	require.Equal(t, exitDone, code)
	require.Equal(t, "6,200 profiles compared: both systems agree\n", out)
	code, out, _ = w.run(t, "optout", "check", "-o", "json")
	require.Equal(t, exitDone, code)
	require.JSONEq(t, `{"profiles":6200,"missing":0,"different":[],"waiting":0}`, out)

	w.on("Run "+activities.CheckOptOuts, activities.CheckOptOutsResult{Profiles: 2, Different: []activities.OptOutDifference{
		{Contact: decisionOf, Attribute: "denyListEmail", Column: "donotbulkemail", Loser: "6f0c1d2e-0000-4000-8000-000000000002"},
		{Contact: decisionOf, Attribute: "denyListPhone", Column: "donotphone"}}})
	code, out, _ = w.run(t, "optout", "check")
	require.Equal(t, exitFailed, code)
	golden(t, "optout check merged.txt", out)

	code, _, errs = newWorld().run(t, "optout", "check")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, errs, "opt_out.pairs")
}

func TestOptOutCheckSource(t *testing.T) {
	t.Parallel()
	w := optOutWorld()
	fields := []activities.OptOutField{{Attribute: "denyListEmail", Field: "blackListEmail", Stamp: "blackListEmailLastModified"}, {Attribute: "denyListPhone", Field: "blackListPhone"}}
	w.on("Run "+activities.CheckSource,
		activities.CheckSourceResult{Source: "sftp", REST: "the instance does not publish when denyListPhone last changed", Fields: fields},
		activities.CheckSourceResult{REST: "the instance does not publish when denyListPhone last changed", SFTP: "the worker's configuration has no campaign.sftp", Fields: fields})
	code, out, errs := w.run(t, "optout", "check-source")
	require.Equal(t, exitDone, code, errs)
	golden(t, "optout check-source.txt", out)
	code, out, _ = w.run(t, "optout", "check-source", "-o", "json")
	require.Equal(t, exitFailed, code)
	var got activities.CheckSourceResult
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, fields, got.Fields)
	require.Empty(t, got.Source)
}
