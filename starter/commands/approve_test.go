package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// An operator is told what waits and what to type, and that what they typed counts.
func TestApprove(t *testing.T) {
	t.Parallel()
	const run = "contacts-20260102T030405.000Z"
	w := newWorld()
	w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) {
		st.Approvals, st.Parked = []activities.Approval{{Run: run, Deletes: 1234}}, 1234
	}))
	w.on("Update "+contactsFlow+" Approve", contacts(nil))
	code, out, stderr := w.run(t, "status", "contacts")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "1,234 deletes of run "+run+" wait for approval, more than a run may make unasked: causeway approve "+run)
	require.NotContains(t, out, "Engine calls", "nobody answered")
	require.NotContains(t, out, "goes on by itself", "what waits for approval does not")
	w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) {
		st.Approvals = []activities.Approval{{Run: run, Deletes: 51, Before: 1450}}
	}))
	_, out, _ = w.run(t, "status", "contacts")
	require.Contains(t, out, "51 deletes of run "+run+" wait for approval, more than may be made unasked with the 1,450 of earlier runs: causeway approve "+run)
	w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) {
		st.Approvals = []activities.Approval{{Run: run, Deletes: 3, Short: &activities.ShortLoad{Expected: 60_000, Listed: 25_000}}}
	}))
	_, out, _ = w.run(t, "status", "contacts")
	require.Contains(t, out, "3 deletes of run "+run+" wait for approval, because the baseline was shown 25,000 records, and Dynamics said that there are about 60,000; "+
		"look whether the application user may read all of them: causeway approve "+run)
	w.on("Run "+activities.Meter, activities.MeterResult{Budget: 50_000, Hours: []activities.MeterCalls{
		{Hour: noon.Add(-time.Hour), Changes: 9, Loads: 9}, {Hour: noon, Changes: 80, Loads: 1_154},
	}})
	_, out, _ = w.run(t, "status", "contacts")
	require.Contains(t, out, "\nEngine calls this hour: 1,234 of 50,000 (80 for changes, 1,154 for loads)\n")
	code, out, stderr = w.run(t, "approve", run)
	require.Zero(t, code, stderr)
	require.Equal(t, "contacts: the deletes of run "+run+" go on; causeway status contacts shows how far they are\n", out)

	w.on("Update "+contactsFlow+" Reject", contacts(nil))
	code, out, stderr = w.run(t, "reject", run)
	require.Zero(t, code, stderr)
	require.Equal(t, "contacts: the deletes of run "+run+" are dropped, and Campaign keeps the records; their next change in Dynamics, or a new baseline, decides anew\n", out)

	code, _, stderr = w.run(t, "reject", "kontakte-20260102T030405.000Z")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, `got "kontakte-20260102T030405.000Z", want a run of a table`)
	code, _, stderr = w.run(t, "approve", "kontakte-20260102T030405.000Z")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, `got "kontakte-20260102T030405.000Z", want a run of a table`)
}

// What waits is listed by record, before anybody decides.
func TestDeletesThatWaitAreListed(t *testing.T) {
	t.Parallel()
	const run = "contacts-20260102T030405.000Z"
	w := newWorld()
	w.on("Run "+activities.ListDeletes, activities.DeleteListResult{Total: 7, Deletes: []activities.WaitingDelete{
		{Table: "contacts", ID: "6f0c1d2e-0000-4000-8000-000000000001", Run: run, Why: activities.DeleteGone, Since: noon.Add(-time.Hour)},
		{Table: "contacts", ID: "6f0c1d2e-0000-4000-8000-000000000002", Run: run, Why: activities.DeleteFiltered, Since: noon.Add(-time.Hour)},
	}})
	code, out, stderr := w.run(t, "approve", "--list", run)
	require.Zero(t, code, stderr)
	golden(t, "approve-list.txt", out)
	code, out, stderr = w.run(t, "approve", "--list", "-o", "json")
	require.Zero(t, code, stderr)
	golden(t, "approve-list.json", out)

	w.on("Run "+activities.ListDeletes, activities.DeleteListResult{})
	_, out, _ = w.run(t, "approve", "--list")
	require.Equal(t, "No deletes wait for an operator.\n", out)
	code, _, stderr = w.run(t, "approve")
	require.Equal(t, 2, code, stderr)
	code, _, stderr = w.run(t, "approve", "--list", "--limit", "0")
	require.Equal(t, 2, code, stderr)
}
