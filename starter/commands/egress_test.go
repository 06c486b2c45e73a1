package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/workflows"
)

const egressFlow = "acme/egress"

// eventsWorld has a configuration with egress.
func eventsWorld() *world {
	w := newWorld()
	w.getenv["CAUSEWAY_CONFIG"] = "testdata/egress.yaml"
	return w
}

func eventsStatus(change func(*workflows.Status)) workflows.Status {
	cfg, err := config.Load("testdata/egress.yaml")
	if err != nil {
		panic(err)
	}
	revision := cfg.Egress.Settings().Revision()
	counts := activities.Counts{Read: 50_000, Created: 30_000, Unchanged: 10_000, Disabled: 5_000, SoftBounce: 2_000, SeedOrProof: 500, NoContact: 2_400, Ignored: 90, Quarantined: 10}
	st := workflows.Status{
		Instance: "acme", Table: "egress", State: workflows.StateRunning, Phase: "waiting for events", Since: noon.Add(-2 * time.Hour),
		LastRun: &workflows.RunSummary{Run: "egress-20260302T115900.000Z", Kind: activities.KindDelta, State: "COMPLETED", Counts: counts,
			Start: noon.Add(-time.Minute), End: noon.Add(-30 * time.Second)},
		Watermark: noon.Add(-10 * time.Second), Totals: counts, Runs: 1, Quarantined: 10, Revision: revision, FiledRevision: revision, StartedBy: "ada",
		Events: &workflows.EventStatus{Enabled: []string{"clicks", "bounces"}, Source: "journal", Newest: noon.Add(-time.Minute)},
	}
	if change != nil {
		change(&st)
	}
	return st
}

func TestStatusOfEgress(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status workflows.Status
		code   int
	}{
		"running": {eventsStatus(nil), exitDone},
		"events lost": {eventsStatus(func(st *workflows.Status) {
			st.State, st.Phase, st.Watermark = workflows.StateStopped, "stopped", noon.Add(-6*24*time.Hour)
			st.Warnings = []string{`the process "Adobe Campaign Email Click" is not active, so no follow-up task is created; activate it in Dynamics, unless that is intended`}
			st.Events.Lagging = true
			st.Events.Lost = []workflows.LostEvents{{From: noon.Add(-9 * 24 * time.Hour), To: noon.Add(-time.Hour)}}
			st.Events.BadFiles = []string{"broadlog_20260301_120000.csv, line 4, column status: got a label, want the enumeration's number"}
		}), exitDone},
		"failed": {eventsStatus(func(st *workflows.Status) {
			st.State, st.Phase, st.Reason = workflows.StateFailed, "failed", "Dynamics has no table adobe_emailurlclick"
		}), exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, form := range []struct {
				name string
				args []string
			}{
				{"egress-status " + name + ".txt", []string{"status", "egress"}},
				{"egress-status-all " + name + ".txt", []string{"status"}},
				{"egress-status " + name + ".json", []string{"status", "egress", "-o", "json"}},
			} {
				w := eventsWorld()
				w.on("Query "+egressFlow+" Status", tt.status)
				code, out, errs := w.run(t, form.args...)
				require.Equal(t, tt.code, code, errs)
				golden(t, form.name, out)
			}
		})
	}
}

// R8.12, R8.16: what egress is asked for, and what it answers.
func TestOperatingEgress(t *testing.T) {
	t.Parallel()
	w := eventsWorld()
	w.on("Start "+egressFlow, eventsStatus(nil))
	code, out, errs := w.run(t, "start", "egress")
	require.Equal(t, exitDone, code, errs)
	require.Equal(t, "egress is RUNNING (waiting for events)\n", out)
	req := w.Requests["Start "+egressFlow][0].(workflows.StartRequest)
	require.True(t, req.Egress.Clicks)
	require.False(t, req.Egress.Sends)
	require.Equal(t, req.Egress.Revision(), req.Revision)
	require.Equal(t, activities.Duration(5*24*time.Hour), req.LagAlarm)
	require.Equal(t, "ada", req.By)
	require.Zero(t, req.Tuning.StopRatio, "as configured: one refusal stops a run")

	for command, update := range map[string]string{"stop": "Stop", "resume": "Resume", "sync-now": "SyncNow", "apply": "ApplyConfig"} {
		w.on("Update "+egressFlow+" "+update, eventsStatus(nil))
		code, _, errs := w.run(t, command, "egress")
		require.Equal(t, exitDone, code, errs)
	}
	w.on("Update "+egressFlow+" Pause", eventsStatus(nil))
	code, _, errs = w.run(t, "pause", "egress", "--reason", "release")
	require.Equal(t, exitDone, code, errs)

	off := newWorld()
	code, _, errs = off.run(t, "start", "egress")
	require.Equal(t, exitBadInput, code)
	require.Equal(t, "causeway: egress has no type of event switched on; set egress.sends, opens, clicks or bounces to true in testdata/causeway.yaml\n", errs)
	code, _, errs = off.run(t, "stop", "egress")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, errs, "no type of event switched on")
}

func TestStartAllStartsEgressLast(t *testing.T) {
	t.Parallel()
	w := eventsWorld()
	for _, id := range []string{contactsFlow, accountsFlow, egressFlow} {
		w.on("Start "+id, eventsStatus(nil))
	}
	code, _, errs := w.run(t, "start", "--all")
	require.Equal(t, exitDone, code, errs)
	require.Equal(t, "Start "+egressFlow, w.Asked[len(w.Asked)-1])
	require.Len(t, w.Asked, 3)
}

func TestEventsBackfill(t *testing.T) {
	t.Parallel()
	const update = "Update " + egressFlow + " RequestBackfill"
	answer := workflows.BackfillAnswer{Run: "egress-1", WorkflowID: "acme/egress/pass/egress-1", Queued: 1}
	w := eventsWorld()
	w.on(update, answer)
	code, out, errs := w.run(t, "events", "backfill", "--since", "48h")
	require.Equal(t, exitDone, code, errs)
	golden(t, "events-backfill.txt", out)
	require.Equal(t, noon.Add(-48*time.Hour), w.Requests[update][0].(workflows.BackfillRequest).Window.Since)
	w.on("Run "+activities.CheckFolder, activities.CheckFolderResult{Files: 2})
	code, out, errs = w.run(t, "events", "backfill", "--from", "/var/logs", "-o", "json")
	require.Equal(t, exitDone, code, errs)
	golden(t, "events-backfill.json", out)
	require.Equal(t, "/var/logs", w.Requests[update][1].(workflows.BackfillRequest).Window.Folder)

	w.on("Run "+activities.CheckFolder, activities.CheckFolderResult{Problem: "got /var/lgos: /var/lgos cannot be read on the worker's machine: no such file or directory"})
	code, _, errs = w.run(t, "events", "backfill", "--from", "/var/lgos")
	require.Equal(t, exitBadInput, code)
	require.Equal(t, "causeway: --from: got /var/lgos: /var/lgos cannot be read on the worker's machine: no such file or directory\n", errs)
	require.Len(t, w.Requests[update], 2, "it is not accepted")

	w.on("Query "+egressFlow+" Status", eventsStatus(func(st *workflows.Status) { st.LastRun.Run = "egress-1" }))
	code, out, errs = w.run(t, "events", "backfill", "--since", "48h", "--wait")
	require.Equal(t, exitDone, code, errs)
	golden(t, "events-backfill-wait.txt", out)

	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "got neither --since nor --from"},
		{[]string{"--since", "1h", "--from", "/x"}, "got both --since and --from"},
		{[]string{"--since", "yesterday"}, `--since: got "yesterday", want an instant`},
		{[]string{"--since", "2030-01-01"}, "want a time that is over"},
		{[]string{"--since", "2025-12-01"}, "the journal keeps events for 7 days; load older ones from exported logs with --from"},
		{[]string{"--from", "logs"}, `--from: got "logs", want an absolute path`},
		{[]string{"--from", "sftp:../x"}, "want an absolute path on the worker's machine, or sftp:<folder>"},
		{[]string{"--from", "sftp:logs"}, "has no campaign.sftp"},
		{[]string{"x"}, "got 1 argument, want none"},
	} {
		code, _, errs := eventsWorld().run(t, append([]string{"events", "backfill"}, tt.args...)...)
		require.Equal(t, exitBadInput, code, tt.args)
		require.Contains(t, errs, tt.want)
	}
}

func TestExplainEvent(t *testing.T) {
	t.Parallel()
	gone := false
	known := activities.ExplainEventResult{Events: []activities.ExplainedEvent{
		{Key: "broadlog/8003/send", Type: "send", Contact: "6f1d0000-0000-4000-8000-000000000001", Outcome: "created", Meaning: "it is on the contact's timeline; this run put it there",
			Time: noon.Add(-time.Hour), Run: "egress-1", At: noon.Add(-50 * time.Minute), Again: 2, AgainRun: "egress-2", AgainAt: noon.Add(-time.Minute),
			Activity: "5d0c6c1e-0000-5000-8000-000000000001", InDynamics: &gone},
		{Key: "broadlog/8003/bounce", Type: "bounce", Contact: "6f1d0000-0000-4000-8000-000000000001", Outcome: "quarantined", Meaning: "it was refused, and is set aside",
			Time: noon.Add(-time.Hour), Run: "egress-1", At: noon.Add(-50 * time.Minute),
			Quarantine: &activities.QuarantinedRecord{Code: "TooLong", Field: "adobe_mirrorpageurl", Message: "a text is too long", FirstSeen: noon.Add(-time.Hour), LastSeen: noon, Attempts: 1}},
	}}
	w := eventsWorld()
	w.on("Run ExplainEvent", known)
	code, out, errs := w.run(t, "explain", "event", "8003", "--live")
	require.Equal(t, exitDone, code, errs)
	golden(t, "explain-event.txt", out)
	require.True(t, w.Requests["Run ExplainEvent"][0].(activities.ExplainEventInput).Live)
	code, out, errs = w.run(t, "explain", "event", "8003", "-o", "json")
	require.Equal(t, exitDone, code, errs)
	golden(t, "explain-event.json", out)

	w.on("Run ExplainEvent", activities.ExplainEventResult{Events: []activities.ExplainedEvent{}})
	code, _, errs = w.run(t, "explain", "event", "9")
	require.Equal(t, exitFailed, code)
	require.Equal(t, "causeway: no run has met an event 9 in the last 30 d (retention.events)\n", errs)
	code, _, errs = w.run(t, "explain", "event", "a b")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, errs, "want the key of one event")
}
