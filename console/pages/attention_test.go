package pages

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/operator/operatortest"
	"causeway.dev/workflows"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// What the command line warns of needs attention here too, with the button that fits.
func TestWhatTheCommandLineWarnsOfNeedsAttention(t *testing.T) {
	t.Parallel()
	running := func(change func(*workflows.Status)) *workflows.Status {
		st := &workflows.Status{State: workflows.StateRunning}
		change(st)
		return st
	}
	for name, tc := range map[string]struct {
		report operator.FlowReport
		title  string
		button string // the last part of its address
	}{
		"failed":         {operator.FlowReport{Status: &workflows.Status{State: workflows.StateFailed, Reason: "no field"}}, "Contacts has failed", "start"},
		"paused":         {operator.FlowReport{Status: &workflows.Status{State: workflows.StatePaused, Since: noon, Reason: "release"}}, "Contacts is paused", "resume"},
		"ended":          {operator.FlowReport{Problem: "ended", Recorded: &operator.Recorded{Ended: "Terminated"}}, "Contacts was ended from outside", "start"},
		"stuck":          {operator.FlowReport{Problem: "stuck", Stuck: &operator.Stuck{}}, "Contacts: the worker's code fails", ""},
		"edits":          {operator.FlowReport{ChangesPending: true, Status: running(func(*workflows.Status) {})}, "Saved edits of Contacts are not running yet", "restart"},
		"edits, stopped": {operator.FlowReport{ChangesPending: true, Status: &workflows.Status{State: workflows.StateStopped}}, "Saved edits of Contacts are not running yet", "start"},
		"removed":        {operator.FlowReport{Removed: true, Status: running(func(*workflows.Status) {})}, "Contacts goes on, though its mapping was removed", "stop"},
		"deletes": {operator.FlowReport{Status: running(func(st *workflows.Status) { st.Approvals = []activities.Approval{{Run: "r1", Deletes: 700}} })},
			"Contacts: 700 deletes wait for your approval", "approve"},
		"restored":   {operator.FlowReport{Status: running(func(st *workflows.Status) { st.Restored = "it was restored" })}, "Contacts: the ledger was restored", ""},
		"incomplete": {operator.FlowReport{Status: running(func(st *workflows.Status) { st.LastRun = &workflows.RunSummary{Run: "r1", State: "INCOMPLETE"} })}, "Contacts: the last run did not finish", ""},
		"waiting":    {operator.FlowReport{Waiting: []operator.Pending{{Activity: "WriteLane", Attempt: 7}}, Status: running(func(*workflows.Status) {})}, "Contacts tries again", ""},
		"warnings":   {operator.FlowReport{Status: running(func(st *workflows.Status) { st.Warnings = []string{"a column is gone"} })}, "Contacts: the data model has changed since the last start", ""},
		"models":     {operator.FlowReport{Status: running(func(st *workflows.Status) { st.ModelChanges = []string{"option 4 is new"} })}, "Contacts: the data model has changed while it runs", "restart"},
		"strays":     {operator.FlowReport{Status: running(func(st *workflows.Status) { st.Strays = 3 })}, "Contacts: 3 records in Campaign that nobody here knows", ""},
		"returned":   {operator.FlowReport{Status: running(func(st *workflows.Status) { st.Returned = &activities.Returned{Count: 1} })}, "Contacts: 1 record came back", ""},
		"lagging":    {operator.FlowReport{Status: running(func(st *workflows.Status) { st.Events = &workflows.EventStatus{Lagging: true} })}, "Contacts: events may be lost", ""},
		"bad files": {operator.FlowReport{Status: running(func(st *workflows.Status) { st.Events = &workflows.EventStatus{BadFiles: []string{"x"}} })},
			"Contacts: a file was left alone", ""},
		"bad exports": {operator.FlowReport{Status: running(func(st *workflows.Status) { st.OptOut = &workflows.OptOutStatus{BadFiles: []string{"x"}} })},
			"Contacts: an export cannot be used", ""},
		"late": {operator.FlowReport{CarriedUpTo: noon.Add(-time.Hour), Deadline: time.Minute, Status: running(func(st *workflows.Status) { st.OptOut = &workflows.OptOutStatus{} })},
			"Contacts: choices are late", ""},
	} {
		tc.report.Flow, tc.report.Known = "contacts", true
		i := operator.New(&config.Config{Instance: "acme"}, operatortest.New(), operator.Options{})
		require.NotEmpty(t, tc.report.Notes(noon), "%s: the command line tells it", name)
		got := attend(i, operator.Report{Flows: []operator.FlowReport{tc.report}}, noon, true)
		require.NotEmpty(t, got, name)
		require.Equal(t, tc.title, got[0].Title, name)
		if tc.button == "" {
			require.Nil(t, got[0].Action, name)
			continue
		}
		require.NotNil(t, got[0].Action, name)
		require.Regexp(t, "/"+tc.button+"$", got[0].Action.URL, name)
		for _, a := range attend(i, operator.Report{Flows: []operator.FlowReport{tc.report}}, noon, false) {
			require.Nil(t, a.Action, "%s: a viewer has no buttons", name)
		}
	}
	well := operator.FlowReport{Flow: "contacts", Known: true, Status: running(func(*workflows.Status) {})}
	i := operator.New(&config.Config{Instance: "acme"}, operatortest.New(), operator.Options{})
	require.Empty(t, attend(i, operator.Report{Flows: []operator.FlowReport{well}}, noon, true))
}
