package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

const forgotten = "6f0c1d2e-0000-4000-8000-000000000001"

// It says first where the person is, and asks nothing while a system has the person.
func TestForgetIsRefusedWhileASystemHasThePerson(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Run FindTraces", activities.TracesResult{Table: "contacts", ID: forgotten, InDynamics: true, InCampaign: true, Ledger: []activities.Trace{{Where: "record", Rows: 1}, {Where: "before_image", Rows: 2}}})
	code, _, stderr := w.run(t, "forget", forgotten, "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, forgotten+" of contacts: Dynamics has it, Campaign has it\nin the ledger: record 1 row, before_image 2 rows\n")
	require.Contains(t, stderr, "nothing is erased while Dynamics has it, because the next run would write it again; set its opt-out")
	require.NotContains(t, w.Asked, "Run Forget")

	w = newWorld()
	w.on("Run FindTraces", activities.TracesResult{Table: "contacts", ID: forgotten, InCampaign: true})
	code, _, stderr = w.run(t, "forget", forgotten, "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "in the ledger: nothing\n")
	require.Contains(t, stderr, "nothing is erased while Campaign has it; with apply_deletes the next run deletes it there")
	require.NotContains(t, w.Asked, "Run Forget")

	code, _, stderr = newWorld().run(t, "forget", "quill@example.org")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "want the id of one record in Dynamics")
}

func TestForget(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Run FindTraces", activities.TracesResult{Table: "contacts", ID: forgotten, Ledger: []activities.Trace{{Where: "record", Rows: 1}, {Where: "optout", Rows: 1, Kept: true}}})
	w.on("Run Forget", activities.ForgetResult{Done: true, Erasure: "ab12", Left: []activities.Trace{{Where: "optout", Rows: 1}}})
	code, _, stderr := w.run(t, "forget", forgotten)
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "this erases what is kept of a person; say --yes")
	w.terminal, w.stdin = true, "n\n"
	code, _, stderr = w.run(t, "forget", forgotten)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "Erase it? It cannot be brought back. [y/N]")
	require.NotContains(t, w.Asked, "Run Forget")

	code, out, stderr := w.run(t, "forget", forgotten, "--yes")
	require.Zero(t, code)
	require.Contains(t, stderr, "optout 1 row (ids and choices, which stay where an opt-out was chosen)")
	require.Contains(t, out, "erased, as erasure ab12; left are ids and choices: optout 1 row\nwhat remains: a privacy request in Campaign")
	in := w.Requests["Run Forget"][0].(activities.ForgetInput)
	require.Equal(t, forgotten, in.ID)
	require.Equal(t, "contacts", in.Table.Name)
	require.Equal(t, "ada", in.By)

	w = newWorld()
	w.on("Run FindTraces", activities.TracesResult{Table: "accounts", ID: forgotten})
	w.on("Run Forget", activities.ForgetResult{Waits: "run contacts-7, which is RUNNING", Erasure: "ab12"})
	code, out, _ = w.run(t, "forget", forgotten, "--table", "accounts", "--yes")
	require.Zero(t, code)
	require.Contains(t, out, "it waits for run contacts-7, which is RUNNING; the workers erase it then by themselves, causeway status tells\n")
}

func TestStatusTellsOfErasures(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]activities.ErasuresState{
		"2 requests to forget somebody not carried out yet, the oldest made 2026-": {Waiting: 2, Since: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), File: "f"},
		", which waits for run contacts-7, which is RUNNING":                       {Waiting: 1, Since: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Waits: "run contacts-7, which is RUNNING", File: "f"},
		"the ledger is being searched for people who were forgotten":               {Done: 1, Searching: true, File: "f"},
		"set ledger.erasures on the workers":                                       {Done: 1},
		"2 lines of f cannot be read: an erasure may be missing there":             {Done: 1, File: "f", Damaged: 2},
		"and nobody is forgotten before it can: permission denied":                 {File: "f", Problem: "ledger.erasures: f cannot be used, and nobody is forgotten before it can: permission denied"},
	} {
		w := newWorld()
		w.on("Query "+contactsFlow+" Status", contacts(nil))
		w.on("Run "+activities.Meter, activities.MeterResult{Erasures: &e})
		_, out, _ := w.run(t, "status")
		require.Contains(t, out, want)
	}
}
