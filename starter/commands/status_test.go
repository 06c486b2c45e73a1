package commands

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// retrying is work that waits for another attempt, beside work that is fine.
func retrying(activity string) operator.Description {
	return operator.Description{Running: true, Pending: []operator.Pending{
		{Activity: "FetchPage", Attempt: 1},
		{Activity: activity, Attempt: 7, LastFailure: "campaign: create profile: ServiceFault (503)", Since: noon.Add(-3 * time.Minute)},
	}}
}

// totalsOf is what the ledger says of contacts.
func totalsOf(read, created, quarantined int64) activities.TotalsResult {
	return activities.TotalsResult{Flows: []activities.FlowTotals{
		{Flow: "ingress", Table: "accounts", Runs: 9, Counts: activities.Counts{Read: 5}},
		{Flow: "ingress", Table: "contacts", Runs: 4, Counts: activities.Counts{Read: read, Created: created, Quarantined: quarantined}, Quarantined: quarantined},
	}}
}

// scenes are what two flows may look like, with the exit code each calls for.
var scenes = map[string]struct {
	prepare func(*world)
	code    int
}{
	"running": {func(w *world) {
		w.on("Query "+contactsFlow+" Status", contacts(nil))
		w.on("Describe "+contactsFlow, operator.Description{Running: true, Pending: []operator.Pending{{Activity: "FetchPage", Attempt: 1}}})
	}, exitDone},
	"initial load that waits for Campaign": {func(w *world) {
		st := contacts(loading)
		w.on("Query "+contactsFlow+" Status", st)
		w.on("Query "+st.RunWorkflow+" Progress", progressOf(4_500, 45))
		w.on("Describe "+contactsFlow, operator.Description{Running: true})
		w.on("Describe "+st.RunWorkflow, retrying("WriteLane"))
	}, exitDone},
	"initial load whose lanes wait by themselves": {func(w *world) {
		st := contacts(loading)
		w.on("Query "+contactsFlow+" Status", st)
		w.on("Query "+st.RunWorkflow+" Progress", progressOf(4_500, 45))
		w.on("Describe "+contactsFlow, operator.Description{Running: true})
		wait := &activities.Wait{For: "campaign", Since: noon.Add(-10 * time.Second), Until: noon.Add(50 * time.Second)}
		w.on("Describe "+st.RunWorkflow, operator.Description{Running: true, Pending: []operator.Pending{
			{Activity: "FetchPage", Attempt: 1}, {Activity: "WriteLane", Attempt: 1, Waits: wait}, {Activity: "WriteLane", Attempt: 1, Waits: wait},
		}})
	}, exitDone},
	"initial load that reads ids first": {func(w *world) {
		st := contacts(loading)
		w.on("Query "+contactsFlow+" Status", st)
		before := progressOf(0, 0)
		before.Pages, before.Read, before.Backlog, before.Expected = 0, 0, 0, 10_000
		w.on("Query "+st.RunWorkflow+" Progress", before)
		w.on("Describe "+contactsFlow, operator.Description{Running: true})
		w.on("Describe "+st.RunWorkflow, operator.Description{Running: true, Pending: []operator.Pending{{Activity: "FetchPage", Attempt: 1, IDs: 4_000}}})
	}, exitDone},
	"failed": {func(w *world) {
		w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) {
			st.State, st.Phase, st.Reason = workflows.StateFailed, "failed", "campaign: read profile: Permission (403): product profile missing"
			st.LastError, st.Since = st.Reason, noon.Add(-50*time.Hour)
			st.LastRun.State = "FAILED"
		}))
	}, exitFailed},
	"incomplete": {func(w *world) {
		w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) {
			st.LastRun.State, st.LastRun.Reason = "INCOMPLETE", "2 records are not accounted for"
		}))
	}, exitFailed},
	"backfill that failed": {func(w *world) {
		w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) {
			st.LastRun.Run, st.LastRun.Kind, st.LastRun.State = "contacts-20260302T115900.000Z", activities.KindBackfill, "FAILED"
			st.LastRun.Reason, st.Quarantined = "reading contacts: dataverse: Permission (403): no right to read", 0
			st.LastError = st.LastRun.Reason
		}))
	}, exitFailed},
	"failed, and tries again by itself": {func(w *world) {
		w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) {
			st.State, st.Phase, st.Reason = workflows.StateFailed, "failed", "dataverse: read changes: ServiceFault (503)"
			st.LastError, st.Since, st.RetryAt = st.Reason, noon.Add(-2*time.Minute), noon.Add(10*time.Minute)
		}))
	}, exitFailed},
	"paused with changes pending": {func(w *world) {
		w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) {
			st.State, st.Reason, st.Since = workflows.StatePaused, "Campaign release (ada)", noon.Add(-90*time.Minute)
			st.Revision = "aaaaaaaaaaaa"
			st.Queue = []workflows.QueuedRequest{
				{Kind: workflows.RequestBackfill, Run: "r1", By: "ada", Begun: true}, {Kind: workflows.RequestRelease, Run: "r2"},
				{Kind: workflows.RequestRepair, Run: "audit-contacts-1"}, {Kind: workflows.RequestRollback, Run: "r0", By: "bob"},
			}
		}))
	}, exitDone},
	"never started": {func(*world) {}, exitDone},
	"terminated": {func(w *world) { // a query would be answered, with the state it had then
		w.on("Query "+contactsFlow+" Status", contacts(nil))
		w.on("Describe "+contactsFlow, operator.Description{Ended: "Terminated", State: "RUNNING", Read: 10_000, Written: 9_900, Quarantined: 100})
	}, exitFailed},
	"other workflow code": {func(w *world) {
		w.on("Query "+contactsFlow+" Status", operator.ErrCode)
		w.on("Describe "+contactsFlow, operator.Description{Running: true, State: "RUNNING", Read: 10_000, Written: 9_900, Quarantined: 100,
			Stuck: &operator.Stuck{WorkflowID: contactsFlow, NonDeterministic: true, Attempt: 7, Since: noon.Add(-3 * time.Minute)}})
	}, exitFailed},
	"other workflow code, of a run": {func(w *world) {
		st := contacts(loading)
		w.on("Query "+contactsFlow+" Status", st)
		w.on("Describe "+contactsFlow, operator.Description{Running: true})
		w.on("Describe "+st.RunWorkflow, operator.Description{Running: true, Stuck: &operator.Stuck{WorkflowID: st.RunWorkflow, Attempt: 3, Since: noon.Add(-time.Minute)}})
	}, exitFailed},
	"terminated, and a worker has the ledger": {func(w *world) {
		w.Seen = noon.Add(-time.Second)
		w.on("Run "+activities.Totals, totalsOf(12_000, 11_000, 400))
		w.on("Describe "+contactsFlow, operator.Description{Ended: "Terminated", State: "RUNNING"})
	}, exitFailed},
	"stopped in its first load": {func(w *world) {
		w.Seen = noon.Add(-time.Second)
		w.on("Run "+activities.Totals, totalsOf(1_200, 859, 341))
		w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) {
			st.State, st.Phase, st.Totals, st.Runs, st.Quarantined = workflows.StateStopped, "stopped", activities.Counts{}, 1, 41
			st.LastRun.State = "STOPPED"
		}))
	}, exitDone},
	"no worker": {func(w *world) {
		w.on("Query "+contactsFlow+" Status", operator.ErrNoWorker)
		w.on("Describe "+contactsFlow, operator.Description{Running: true, State: "RUNNING", Read: 10_000, Written: 9_900, Quarantined: 100})
	}, exitUnreachable},
}

func TestStatusOfOneFlow(t *testing.T) {
	t.Parallel()
	for name, scene := range scenes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			scene.prepare(w)
			code, out, stderr := w.run(t, "status", "contacts")
			require.Equal(t, scene.code, code)
			require.Empty(t, stderr)
			golden(t, "status "+name+".txt", out)
		})
	}
}

func TestStatusOfAllFlows(t *testing.T) {
	t.Parallel()
	for name, scene := range scenes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			scene.prepare(w)
			code, out, _ := w.run(t, "status")
			require.Equal(t, scene.code, code)
			golden(t, "status all, "+name+".txt", out)
		})
	}
}

func TestStatusJSON(t *testing.T) {
	t.Parallel()
	for name, scene := range scenes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			scene.prepare(w)
			code, out, _ := w.run(t, "status", "-o", "json")
			require.Equal(t, scene.code, code)
			golden(t, "status "+name+".json", out)
		})
	}
}

func TestStatusSaysWhenTheMappingOnFileDiffers(t *testing.T) { // R8.15
	t.Parallel()
	tests := map[string]struct {
		change func(*workflows.Status)
		want   bool
	}{
		"same revision":                     {func(*workflows.Status) {}, false},
		"the file was edited":               {func(st *workflows.Status) { st.Revision, st.FiledRevision = "a", "a" }, true},
		"another revision was put on file":  {func(st *workflows.Status) { st.FiledRevision = "b" }, true},
		"a flow that has not run a mapping": {func(st *workflows.Status) { st.Revision, st.FiledRevision = "", "" }, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.on("Query "+contactsFlow+" Status", contacts(tc.change))
			_, out, _ := w.run(t, "status", "contacts", "-o", "json")
			var got operator.Report
			require.NoError(t, json.Unmarshal([]byte(out), &got))
			require.Equal(t, tc.want, got.Flows[0].ChangesPending)
		})
	}
}

func TestStatusColoursOnlyOnATerminalThatWantsThem(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		terminal bool
		env      map[string]string
		want     bool
	}{
		"terminal": {true, map[string]string{}, true},
		"NO_COLOR": {true, map[string]string{"NO_COLOR": "1"}, false},
		"dumb":     {true, map[string]string{"TERM": "dumb"}, false},
		"pipe":     {false, map[string]string{}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.terminal, w.getenv = tc.terminal, tc.env
			w.on("Query "+contactsFlow+" Status", contacts(nil))
			_, out, _ := w.run(t, "status")
			if tc.want {
				require.Contains(t, out, "\x1b[32mRUNNING\x1b[0m")
			} else {
				require.NotContains(t, out, "\x1b")
			}
		})
	}
}

func TestStatusOfAnUnknownTable(t *testing.T) {
	t.Parallel()
	w := newWorld()
	code, _, stderr := w.run(t, "status", "contact")
	require.Equal(t, exitBadInput, code)
	require.Equal(t, "causeway: there is no table mapping \"contact\"; testdata/causeway.yaml has accounts, contacts\n", stderr)
}

func TestStatusOfATableTakenOutOfTheFile(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Query acme/ingress/leads Status", contacts(func(st *workflows.Status) { st.Table = "leads" }))
	code, out, _ := w.run(t, "status", "leads")
	require.Zero(t, code)
	require.Contains(t, out, "(the mapping is not in the configuration file)")
}

func TestWatchGoesOnWithoutAWorkerAndEndsWithTheLastCode(t *testing.T) {
	t.Parallel()
	w := newWorld()
	// The fake forgets the flow in the end, and a terminated flow in a file
	// without its mapping ends the watch with a sentence.
	w.on("Query acme/ingress/leads Status", contacts(nil), unreachable("lost the server"), contacts(nil), operator.ErrNotFound)
	code, out, stderr := w.run(t, "status", "leads", "--watch", "--interval", "5s")
	require.Equal(t, exitBadInput, code)
	require.Equal(t, 15*time.Second, w.clock.Sub(noon))
	require.Contains(t, stderr, "causeway: lost the server\n")
	require.Contains(t, out, "RUNNING")
}

// R16.7: what is left shows, as the backlog does elsewhere.
func TestProgressLine(t *testing.T) {
	t.Parallel()
	p := &progress{}
	st := contacts(loading)
	at := func(seconds int, settled int64) string {
		pr := progressOf(settled, 0)
		st.Progress = &pr
		return p.line(noon.Add(time.Duration(seconds)*time.Second), st)
	}
	require.Equal(t, "initial load: 0 of about 20,000 (0 %)", at(0, 0))
	require.Equal(t, "initial load: 5,000 of about 20,000 (25 %), 1,000/s, about 15 s left", at(5, 5_000))
	for s := 6; s <= 30; s++ { // the rate is that of the last 15 s
		at(s, 5_000)
	}
	require.Equal(t, "initial load: 8,000 of about 20,000 (40 %), 200/s, about 1 min left", at(31, 8_000))

	pr := progressOf(10, 0)
	pr.Expected, pr.Run, st.Progress = 0, "another", &pr
	require.Equal(t, "initial load: 10 records", p.line(noon.Add(40*time.Second), st), "a new run begins a new rate")

	pr = progressOf(6_000, 0)
	st.Progress = &pr
	once := &progress{sinceStart: true}
	require.Equal(t, "6,000 of about 20,000 (30 %), 100/s, about 2 min left", once.figures(noon, st), "a single look gives the average")

	pr = progressOf(30_000, 0)
	st.Progress = &pr
	require.Contains(t, p.line(noon.Add(41*time.Second), st), "30,000 of about 20,000 (100 %)")
}

// R9.7: a mapping that was removed from the file goes on until it is stopped, and
// status says so.
func TestStatusShowsFlowsWithoutAMapping(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Flows acme", []string{"vehicles", "contacts", "services"})
	w.on("Query "+contactsFlow+" Status", contacts(nil))
	for table, state := range map[string]workflows.State{"vehicles": workflows.StateRunning, "services": workflows.StateStopped} {
		w.on("Query "+workflows.TableFlow("acme", table).WorkflowID()+" Status", contacts(func(st *workflows.Status) { st.Table, st.State = table, state }))
	}
	code, out, _ := w.run(t, "status")
	require.Equal(t, exitDone, code)
	require.Contains(t, out, "vehicles:  its mapping is not in the configuration file any more, and it goes on as it was started; to end it: causeway stop vehicles")
	require.NotContains(t, out, "services", "it was stopped")
	_, out, _ = w.run(t, "status", "-o", "json")
	var report operator.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, "vehicles", report.Flows[len(report.Flows)-1].Flow)
	require.True(t, report.Flows[len(report.Flows)-1].Removed)

	w.on("Flows acme", operator.ErrNoWorker)
	code, out, _ = w.run(t, "status")
	require.Equal(t, exitDone, code)
	require.NotContains(t, out, "vehicles", "what cannot be listed is left out")
}
