package operator_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// Whatever status tells that needs somebody is a cause, in words that hold nothing of a
// person or of what a service answered.
func TestCausesFollowTheNotesOfStatus(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	old := now.Add(-30 * time.Hour)
	flow := func(name string, st workflows.Status) operator.FlowReport {
		return operator.FlowReport{Flow: name, Known: true, Answered: true, Status: &st, Deadline: 15 * time.Minute, LagAlarm: 48 * time.Hour, Growth: 100}
	}
	events := func(watermark time.Time, st workflows.EventStatus) operator.FlowReport {
		st.Source = "journal"
		return flow("egress", workflows.Status{State: workflows.StateRunning, Watermark: watermark, Events: &st})
	}
	optOuts := func(st workflows.OptOutStatus, carried time.Time) operator.FlowReport {
		r := flow("optout", workflows.Status{State: workflows.StateRunning, OptOut: &st})
		r.CarriedUpTo = carried
		return r
	}
	grown := flow("contacts", workflows.Status{State: workflows.StateRunning, Quarantined: 700})
	grown.RefusedLately = 100
	person := "jane@example.org does not fit"
	of := func(f ...operator.FlowReport) operator.Report { return operator.Report{Flows: f} }
	told := map[string]bool{}
	for name, c := range map[string]struct {
		report operator.Report
		want   []string // cause, and the flow where it is of one
	}{
		"all is well":      {of(flow("contacts", workflows.Status{State: workflows.StateRunning, Quarantined: 7})), nil},
		"a flow failed":    {of(flow("contacts", workflows.Status{State: workflows.StateFailed, Reason: person})), []string{"flow_failed contacts"}},
		"a flow is paused": {of(flow("contacts", workflows.Status{State: workflows.StatePaused, Reason: "night"})), nil},
		"a flow is stuck":  {of(operator.FlowReport{Flow: "contacts", Known: true, Problem: "stands still", Stuck: &operator.Stuck{Attempt: 4}}), []string{"flow_stuck contacts"}},
		"a pass is stuck": {of(func() operator.FlowReport {
			f := flow("contacts", workflows.Status{State: workflows.StateRunning})
			f.Stuck = &operator.Stuck{}
			return f
		}()), []string{"flow_stuck contacts"}},
		"a flow was ended":   {of(operator.FlowReport{Flow: "contacts", Known: true, Problem: "ended", Recorded: &operator.Recorded{Ended: "Terminated"}}), []string{"flow_ended contacts"}},
		"no worker answers":  {of(operator.FlowReport{Flow: "contacts", Known: true, Problem: "no worker", Recorded: &operator.Recorded{Running: true}}), nil},
		"a run failed":       {of(flow("contacts", workflows.Status{State: workflows.StateRunning, LastRun: &workflows.RunSummary{State: "INCOMPLETE", Reason: person}})), []string{"run_failed contacts"}},
		"deletes wait twice": {of(flow("contacts", workflows.Status{State: workflows.StateRunning, Approvals: []activities.Approval{{Run: "a", Deletes: 7}, {Run: "b", Deletes: 8}}})), []string{"deletes_wait contacts"}},
		"many were refused":  {of(grown), []string{"quarantine_grows contacts"}},
		"choices are late":   {of(optOuts(workflows.OptOutStatus{}, old)), []string{"opt_outs_behind optout"}},
		"the export is down": {of(optOuts(workflows.OptOutStatus{Export: &workflows.ExportStatus{Alarm: person}, BadFiles: []string{person}}, now)), []string{"opt_out_export optout", "bad_file optout"}},
		"events wait":        {of(events(old, workflows.EventStatus{})), []string{"events_behind egress"}},
		"events are at risk": {of(events(now.Add(-50*time.Hour), workflows.EventStatus{})), []string{"events_at_risk egress"}},
		"events were lost":   {of(events(now, workflows.EventStatus{Lost: []workflows.LostEvents{{From: old, To: now}}})), []string{"events_lost egress"}},
		"restored":           {of(flow("contacts", workflows.Status{State: workflows.StateRunning, Restored: "the ledger was restored"})), []string{"ledger_restored contacts"}},
		"fields changed":     {of(flow("contacts", workflows.Status{State: workflows.StateRunning, ModelChanges: []string{"option 4 is new"}})), []string{"data_model_changed contacts"}},
		"an erasure waits":   {operator.Report{Erasures: &activities.ErasuresState{Waiting: 1, Since: old, Waits: person}}, []string{"erasure_waits "}},
		"an erasure is new":  {operator.Report{Erasures: &activities.ErasuresState{Waiting: 1, Since: now.Add(-time.Hour)}}, nil},
		"a certificate ends": {operator.Report{Credentials: []activities.CredentialEnd{{Setting: "dynamics.client_certificate", Ends: now.Add(time.Hour)}}}, []string{"credential_expires "}},
		"a rekey is stuck":   {operator.Report{Ledger: &activities.LedgerSealing{Key: "k", Rekey: &activities.LedgerRekey{Problem: person}}}, []string{"rekey_stuck "}},
		"the doctor":         {operator.Report{Doctor: &activities.DoctorResult{Checks: []activities.Check{{State: activities.CheckFail, Found: person}, {State: activities.CheckFail}}}}, []string{"doctor "}},
		"no logs":            {operator.Report{LogExport: &activities.LogExportState{Problem: person}}, []string{"log_export "}},
		"no backup":          {operator.Report{Backup: &activities.BackupState{Failed: person}}, []string{"backup "}},
		"odd answers":        {operator.Report{OddAnswers: []activities.OddAnswers{{Service: "campaign", Since: old}}}, []string{"odd_answers "}},
	} {
		var got []string
		for _, cause := range c.report.Causes(now).Causes {
			told[cause.Name] = true
			got = append(got, cause.Name+" "+cause.Flow)
			require.NotEmpty(t, cause.Text, name)
			require.NotContains(t, cause.Text, "jane", name)
		}
		require.Equal(t, c.want, got, name)
	}
	for _, cause := range config.Causes() {
		require.True(t, told[cause], "no case for %s", cause)
	}
}

// Where nobody answers, nobody knows whether a cause has ended.
func TestCausesOfWhoAnswered(t *testing.T) {
	t.Parallel()
	r := operator.Report{Flows: []operator.FlowReport{{Flow: "contacts", Answered: true}, {Flow: "egress", Problem: "no worker answers"}}}
	require.Equal(t, []string{"contacts"}, r.Causes(time.Now()).Known)
	r.WithMeter(&operator.Meter{})
	require.True(t, slices.Contains(r.Causes(time.Now()).Known, ""))
}

// Status says that the webhook does not take messages.
func TestStatusTellsOfADeadWebhook(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	r := operator.Report{Notify: &activities.NotifyState{At: now, Problem: "it answered with status 500"}}
	require.Len(t, r.Notes(now), 1)
	require.Contains(t, r.Notes(now)[0].Text, "notify.webhook did not take a message")
	require.Empty(t, r.Causes(now).Causes)
}
