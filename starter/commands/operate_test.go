package commands

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

func TestStartSendsTheMappingAndLimitsOnFile(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Start "+contactsFlow, contacts(func(st *workflows.Status) { st.Phase = "started" }))
	code, out, _ := w.run(t, "start", "contacts")
	require.Zero(t, code)
	require.Equal(t, "contacts is RUNNING (started)\n", out)

	req := w.Requests["Start "+contactsFlow][0].(workflows.StartRequest)
	require.Equal(t, revision("contacts"), req.Table.Revision())
	require.Equal(t, "ada", req.By)
	require.Equal(t, 4, req.Tuning.Lanes)
	require.Equal(t, activities.Duration(5*time.Second), req.Tuning.Poll)
	require.EqualValues(t, 50, req.Tuning.StopMin)
	require.Zero(t, req.Tuning.StopRatio, "as configured: one refusal stops a run")
	require.Less(t, req.Tuning.StopRatio, 1e-6)
}

func TestStartAll(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Start "+contactsFlow, contacts(func(st *workflows.Status) { st.Phase = "started" }))
	w.on("Start acme/ingress/accounts", workflows.Status{Table: "accounts", State: workflows.StateRunning, Phase: "started"})
	code, out, stderr := w.run(t, "start", "--all")
	require.Zero(t, code, stderr)
	require.Equal(t, "accounts is RUNNING (started)\ncontacts is RUNNING (started)\n", out)
	require.Equal(t, "the initial load of accounts begins; if it is large, stop other processes in Campaign until it is done\n", stderr, "R15.9: that of contacts is done")

	w.on("Start acme/ingress/accounts", badInput("accounts is RUNNING: stop it first"))
	code, out, stderr = w.run(t, "start", "--all")
	require.Equal(t, 2, code)
	require.Contains(t, out, "contacts is RUNNING (started)\n", "one does not keep the other from it")
	require.Contains(t, stderr, "stop it first")
	code, _, _ = w.run(t, "start", "--all", "contacts")
	require.Equal(t, 2, code)
	code, _, _ = w.run(t, "start")
	require.Equal(t, 2, code)
}

func TestRequestsReachTheOwner(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args   []string
		update string
		want   any
	}{
		"stop":     {[]string{"stop", "contacts"}, workflows.UpdateStop, workflows.StopRequest{By: "ada"}},
		"pause":    {[]string{"pause", "contacts", "--reason", "release"}, workflows.UpdatePause, workflows.PauseRequest{Reason: "release", By: "ada"}},
		"resume":   {[]string{"resume", "contacts"}, workflows.UpdateResume, workflows.ResumeRequest{By: "ada"}},
		"sync-now": {[]string{"sync-now", "contacts"}, workflows.UpdateSyncNow, workflows.SyncNowRequest{By: "ada"}},
		"cancel the running backfill": {[]string{"cancel-backfill", "contacts"}, workflows.UpdateCancelBackfill,
			workflows.CancelBackfillRequest{By: "ada"}},
		"approve": {[]string{"approve", "contacts-20260102T030405.000Z"}, workflows.UpdateApprove,
			workflows.ApproveRequest{Run: "contacts-20260102T030405.000Z", By: "ada"}},
		"cancel a queued backfill": {[]string{"cancel-backfill", "contacts", "r7"}, workflows.UpdateCancelBackfill,
			workflows.CancelBackfillRequest{Run: "r7", By: "ada"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			question := "Update " + contactsFlow + " " + tc.update
			w.on(question, contacts(nil))
			code, _, stderr := w.run(t, append(tc.args, "-o", "json")...)
			require.Zero(t, code, stderr)
			require.Equal(t, []any{tc.want}, w.Requests[question])
		})
	}
}

func TestAnswerAsJSONIsTheStatus(t *testing.T) {
	t.Parallel()
	w := newWorld()
	want := contacts(func(st *workflows.Status) { st.State = workflows.StatePaused; st.Reason = "release" })
	w.on("Update "+contactsFlow+" Pause", want)
	code, out, _ := w.run(t, "pause", "contacts", "-r", "release", "-o", "json")
	require.Zero(t, code)
	var got workflows.Status
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, want, got)
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	pause := "Update " + contactsFlow + " Pause"
	tests := map[string]struct {
		args    []string
		prepare func(*world)
		code    int
		says    string
	}{
		"a start that ends FAILED is a failure": {[]string{"start", "contacts"}, func(w *world) {
			w.on("Start "+contactsFlow, contacts(func(st *workflows.Status) {
				st.State, st.Phase, st.Reason = workflows.StateFailed, "not started", "Campaign has no field emial"
			}))
		}, exitFailed, ""},
		"a refusal is bad input, in the workflow's words": {[]string{"pause", "contacts", "-r", "x"}, func(w *world) {
			w.on(pause, badInput("contacts is STOPPED: only a running flow can be paused"))
		}, exitBadInput, "causeway: contacts is STOPPED: only a running flow can be paused\n"},
		"a flow that was never started": {[]string{"pause", "contacts", "-r", "x"}, func(*world) {},
			exitBadInput, "causeway: contacts was never started; run: causeway start contacts\n"},
		"a flow that was terminated": {[]string{"pause", "contacts", "-r", "x"}, func(w *world) {
			w.on("Describe "+contactsFlow, operator.Description{Ended: "Terminated"})
		}, exitBadInput, "causeway: the workflow of contacts has ended (Terminated); run: causeway start contacts\n"},
		"a table that is nowhere": {[]string{"stop", "contact"}, func(*world) {},
			exitBadInput, "causeway: there is no table mapping \"contact\"; testdata/causeway.yaml has accounts, contacts\n"},
		"start of a table that is not in the file": {[]string{"start", "contact"}, func(*world) {},
			exitBadInput, "causeway: there is no table mapping \"contact\"; testdata/causeway.yaml has accounts, contacts\n"},
		"nobody answers": {[]string{"stop", "contacts", "--timeout", "20s"}, func(w *world) { w.on("Update "+contactsFlow+" Stop", operator.ErrNoWorker) },
			exitUnreachable, "causeway: no worker answered for contacts within 20s; start one with: worker --config testdata/causeway.yaml (the request may still be carried out: causeway status)\n"},
		"no server": {[]string{"stop", "contacts"}, func(w *world) { w.dialErr = unreachable("no Temporal server answers at x") },
			exitUnreachable, "causeway: no Temporal server answers at x\n"},
		"no reason for a pause": {[]string{"pause", "contacts", "--reason", " "}, func(*world) {},
			exitBadInput, "causeway: --reason: got nothing, want why the flow is held, such as --reason \"Campaign release\"\n"},
		"no table": {[]string{"stop"}, func(*world) {},
			exitBadInput, "causeway: stop: got 0 arguments, want one table, such as contacts, or egress or optout, or --all; see causeway stop --help\n"},
		"unknown flag": {[]string{"stop", "contacts", "--now"}, func(*world) {},
			exitBadInput, "causeway: unknown flag: --now; see causeway stop --help\n"},
		"unknown command of a group": {[]string{"runs", "lsit"}, func(*world) {},
			exitBadInput, "causeway: runs: got \"lsit\", want cancel, export, list, replay, show, verify; see causeway runs --help\n"},
		"unknown command of another group": {[]string{"events", "bakfill", "--since", "1h"}, func(*world) {},
			exitBadInput, "causeway: unknown flag: --since; see causeway events --help\n"},
		"unknown command of opt-outs": {[]string{"optout", "histroy"}, func(*world) {},
			exitBadInput, "causeway: optout: got \"histroy\", want check, check-source, export, history; see causeway optout --help\n"},
		"ids without their flag": {[]string{"quarantine", "discard", "contacts", "6f0c1d2e-0000-4000-8000-000000000001"}, func(*world) {},
			exitBadInput, "causeway: quarantine discard: got \"6f0c1d2e-0000-4000-8000-000000000001\" behind contacts, want records as --ids 6f0c1d2e-0000-4000-8000-000000000001\n"},
		"a file that is not there": {[]string{"runs", "verify", "histories/july"}, func(*world) {},
			exitBadInput, "causeway: run: got \"histories/july\", and Temporal has no such workflow, or none any more; causeway runs list names the runs; nor is there such a file or folder\n"},
		"text for a number": {[]string{"plan", "contacts", "--sample", "x"}, func(*world) {},
			exitBadInput, "causeway: --sample: got \"x\", want a whole number\n"},
		"text for a time": {[]string{"status", "--interval", "soon"}, func(*world) {},
			exitBadInput, "causeway: --interval: got \"soon\", want a time such as 30s or 5m\n"},
		"unknown command": {[]string{"strat", "contacts"}, func(*world) {},
			exitBadInput, "causeway: unknown command \"strat\" for \"causeway\"; did you mean: start; see causeway --help\n"},
		"unknown output": {[]string{"status", "-o", "yaml"}, func(*world) {},
			exitBadInput, "causeway: --output: got \"yaml\", want table, json or name\n"},
		"short timeout": {[]string{"status", "--timeout", "1ms"}, func(*world) {},
			exitBadInput, "causeway: --timeout: got 1ms, want at least 1s\n"},
		"no configuration": {[]string{"status", "-c", "testdata/none.yaml"}, func(*world) {},
			exitBadInput, "causeway: there is no configuration file testdata/none.yaml; name one with --config or CAUSEWAY_CONFIG\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			tc.prepare(w)
			code, _, stderr := w.run(t, tc.args...)
			require.Equal(t, tc.code, code)
			require.Equal(t, tc.says, stderr)
		})
	}
}

func TestStartWaitFollowsTheLoad(t *testing.T) {
	t.Parallel()
	w := newWorld()
	starting := contacts(func(st *workflows.Status) {
		loading(st)
		st.State, st.Phase, st.Run, st.RunWorkflow = workflows.StateStarting, "checking the mapping", "", ""
	})
	running := contacts(loading)
	w.on("Start "+contactsFlow, starting)
	w.on("Query "+contactsFlow+" Status", starting, running, operator.ErrNoWorker, running, running, contacts(nil))
	w.on("Query "+running.RunWorkflow+" Progress", progressOf(0, 0), progressOf(5_000, 50), progressOf(9_000, 90))
	code, out, stderr := w.run(t, "start", "contacts", "--wait")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "contacts is RUNNING (waiting for changes)\n")
	require.Contains(t, out, "10,000    9,900")
	require.Contains(t, stderr, "STARTING (checking the mapping)\n")
}

func TestStartWaitFailsWithTheLoad(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Start "+contactsFlow, contacts(loading))
	w.on("Query "+contactsFlow+" Status", contacts(loading), contacts(func(st *workflows.Status) {
		st.State, st.Phase, st.Reason = workflows.StateFailed, "failed", "too many refused"
	}))
	code, out, _ := w.run(t, "start", "contacts", "--wait")
	require.Equal(t, exitFailed, code)
	require.Equal(t, "contacts is FAILED: too many refused\n", out)
}

func TestFollowingGivesUpOnAWorkerThatStaysAway(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Update "+contactsFlow+" Stop", contacts(nil))
	w.on("Query "+contactsFlow+" Status", operator.ErrNoWorker)
	code, _, stderr := w.run(t, "stop", "contacts", "--wait")
	require.Equal(t, exitUnreachable, code)
	require.Contains(t, stderr, "no worker answered for contacts")
	require.Equal(t, 2*time.Minute, w.clock.Sub(noon))
}

func TestFollowingEndsWithAWorkflowThatWasTerminated(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Update "+contactsFlow+" Stop", contacts(nil))
	w.on("Query "+contactsFlow+" Status", contacts(nil))
	w.on("Describe "+contactsFlow, operator.Description{Running: true}, operator.Description{Ended: "Terminated"})
	code, _, stderr := w.run(t, "stop", "contacts", "--wait")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "causeway: the workflow of contacts has ended (Terminated); run: causeway start contacts\n")
}

func TestStopWaitsUntilStopped(t *testing.T) {
	t.Parallel()
	w := newWorld()
	stopped := contacts(func(st *workflows.Status) { st.State, st.Phase = workflows.StateStopped, "stopped" })
	w.on("Update "+contactsFlow+" Stop", contacts(nil))
	w.on("Query "+contactsFlow+" Status", contacts(nil), stopped)
	code, out, _ := w.run(t, "stop", "contacts", "--wait")
	require.Zero(t, code)
	require.Equal(t, "contacts is STOPPED\n", out)
}

func TestApplySaysWhatIsPending(t *testing.T) { // R8.15
	t.Parallel()
	w := newWorld()
	question := "Update " + contactsFlow + " ApplyConfig"
	w.on("Run "+activities.CheckMapping, activities.CheckMappingResult{})
	w.on(question, contacts(func(st *workflows.Status) { st.Revision = "aaaaaaaaaaaa" }))
	code, out, _ := w.run(t, "apply", "contacts")
	require.Zero(t, code)
	require.Equal(t, "contacts: revision "+revision("contacts")+" is on file, aaaaaaaaaaaa is running; stop and start to apply\n", out)
	require.Equal(t, revision("contacts"), w.Requests[question][0].(workflows.StartRequest).Table.Revision())
}

// What a start would refuse is not put on file for it.
func TestApplyRefusesWhatAStartWouldRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Run "+activities.CheckMapping, errors.New("the mapping does not fit: ingress.tables.contacts.fields[0].from: got jobtitel, want a column of contact"))
	code, _, stderr := w.run(t, "apply", "contacts")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, stderr, "got jobtitel, want a column of contact")
	require.Empty(t, w.Requests["Update "+contactsFlow+" ApplyConfig"])
}

func TestFlagsReachTheConnection(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Run "+activities.ListQuarantine, activities.QuarantineListResult{})
	code, _, _ := w.run(t, "quarantine", "list", "--address", "flag:1", "--namespace", "ns")
	require.Zero(t, code)
	require.Equal(t, "flag:1", w.dialled.HostPort)
	require.Equal(t, "ns", w.dialled.Namespace)
	require.Equal(t, "file.example:7233", w.dialled.File.Address)
}
