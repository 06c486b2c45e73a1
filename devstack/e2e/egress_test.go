package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger/ledgertest"
	"causeway.dev/internal/operator"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
	"causeway.dev/workflows"
)

// eventWorld is a world whose flow is egress.
type eventWorld struct{ *world }

// newEventWorld has contacts in Dynamics, nothing on their timelines, and a
// configuration with all types of events on.
func newEventWorld(t *testing.T, contacts int, source string, more string, edit ...func(string) string) *eventWorld {
	t.Helper()
	var boxes *stack.Stack
	w := newWorld(t, worldOptions{contacts: contacts, boxes: func(b *stack.Stack) { boxes = b }, yaml: func(text string) string {
		host, port, err := net.SplitHostPort(boxes.SFTPAddress)
		require.NoError(t, err)
		text = strings.Replace(text, "organization_id: ABC@AdobeOrg\n", fmt.Sprintf(`organization_id: %s
  journal: {url: %q}
  sftp: {host: %s, port: %s, user: %s, key: "file:%s", known_hosts: %s, stable_for: 0s}
`, boxes.CampaignOrganization, boxes.JournalURL, host, port, boxes.SFTPUser, boxes.SFTPKeyFile, boxes.SFTPKnownHostsFile), 1)
		for _, f := range edit {
			text = f(text)
		}
		return text + fmt.Sprintf("egress: {sends: true, opens: true, clicks: true, bounces: true, source: %s, lanes: 4, poll_every: 1s%s}\n", source, more)
	}})
	return &eventWorld{w}
}

func (w *eventWorld) startFlow() workflows.Status {
	w.t.Helper()
	req := operator.StartRequest(w.cfg, "egress", "test")
	start := w.client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: workflows.EventFlow(w.cfg.Instance).WorkflowID(), TaskQueue: workflows.QueueMain, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, workflows.TypeEventSync, workflows.EventSyncInput{Instance: w.cfg.Instance})
	var st workflows.Status
	handle, err := w.client.UpdateWithStartWorkflow(w.t.Context(), client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{WorkflowID: workflows.EventFlow(w.cfg.Instance).WorkflowID(), UpdateName: workflows.UpdateStart,
			WaitForStage: client.WorkflowUpdateStageCompleted, Args: []any{req}},
	})
	require.NoError(w.t, err)
	require.NoError(w.t, handle.Get(w.t.Context(), &st))
	w.flow = workflows.EventFlow(w.cfg.Instance).WorkflowID()
	return st
}

// settled waits until every published event has an outcome.
func (w *eventWorld) settled() workflows.Status {
	w.t.Helper()
	var st workflows.Status
	require.Eventually(w.t, func() bool {
		var err error
		st, err = w.status()
		return err == nil && (st.State == workflows.StateFailed || st.Run == "" && st.Totals.Read >= int64(w.boxes.Events.Counts().Published))
	}, settleWithin, 200*time.Millisecond, "every event has an outcome; worker log:\n%s", w.tail())
	require.Equal(w.t, workflows.StateRunning, st.State, st.Reason)
	return st
}

func (w *eventWorld) timeline() []string {
	return w.boxes.TimelineDifferences(stack.Timeline{Sends: true, Opens: true, Clicks: true, Bounces: true}, w.owner(), 10)
}

// owner is the id of the application user, who owns the solution's processes.
func (w *eventWorld) owner() string { return w.boxes.Dynamics.Processes()[0].Owner }

func (w *eventWorld) rows() (n int64) {
	for _, set := range []string{"adobe_emailsends", "adobe_emailopens", "adobe_emailurlclicks", "adobe_emailbounces"} {
		n += w.boxes.Dynamics.Count(set)
	}
	return n
}

// nothingPersonal searches all histories and the worker's log for personal data.
func (w *eventWorld) nothingPersonal() {
	w.t.Helper()
	w.noPersonalData()
	log, err := os.ReadFile(w.log)
	require.NoError(w.t, err)
	text := w.histories() + w.metrics() + string(log)
	require.Contains(w.t, text, "EventPass")
	for _, private := range []string{"utm_", "nl/jsp", "shop.example", "t.acme.test"} {
		at := strings.Index(text, private)
		require.Negative(w.t, at, "%s: %s", private, text[max(0, at-80):min(len(text), max(at, 0)+80)])
	}
}

// 50,000 events come out of order, a fifth of them twice, with kills of the worker and
// faults on both sides. Each eligible event is on the timeline exactly once.
func TestEventsSurviveKillsAndFaults(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t, 1500, "journal", "")
	f := eventlog.DefaultFunnel()
	f.Events, f.Duplicates, f.Disorder = 50_000, 0.2, 0.3
	made, err := w.boxes.GenerateEvents(f)
	require.NoError(t, err)
	for _, rule := range []kit.Rule{
		{Service: "dataverse", Method: http.MethodPost, Path: `\$batch`, Action: kit.ResetAfter, Probability: 0.03, Seed: 1},
		{Service: "dataverse", Method: http.MethodPost, Path: `\$batch`, Action: kit.Truncate, Probability: 0.02, Seed: 2},
		{Service: "dataverse", Action: kit.Respond, Status: 503, Probability: 0.03, Seed: 3},
		{Service: "dataverse", Action: kit.Named, Name: "throttle_requests", Headers: map[string]string{"Retry-After": "1"}, After: 100, Times: 5},
		{Service: "journal", Action: kit.Respond, Status: 502, Probability: 0.1, Seed: 4},
		{Service: "journal", Action: kit.ResetAfter, Probability: 0.05, Seed: 5},
	} {
		_, err := w.boxes.Faults.Add(rule)
		require.NoError(t, err)
	}
	p := w.startWorker()
	w.startFlow()
	rng := rand.New(rand.NewPCG(5, 6))
	for kills := range 6 {
		want := int64(kills*5000 + rng.IntN(4000) + 500)
		require.Eventually(t, func() bool { return w.rows() >= want }, settleWithin, 10*time.Millisecond, "worker log:\n%s", w.tail())
		p.kill()
		p = w.startWorker()
	}
	st := w.settled()
	require.Empty(t, w.timeline())
	c := st.Totals
	require.Equal(t, int64(w.boxes.Events.Counts().Published), c.Read)
	require.Greater(t, c.Read, int64(made))
	require.Equal(t, c.Read, c.Created+c.Unchanged+c.Disabled+c.SoftBounce+c.SeedOrProof+c.NoContact+c.Quarantined+c.Ignored)
	require.Zero(t, c.Quarantined)
	require.Zero(t, c.Updated+c.Deleted+c.Parked+c.Filtered)
	w.nothingPersonal()
}

// Both sources are used at once, with a stop and start, a changed switch and a backfill
// in between. The recorded histories replay.
func TestEgressIsOperated(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t, 300, "both", ", page_size: 100")
	f := eventlog.DefaultFunnel()
	f.Events = 1500
	_, err := w.boxes.GenerateEvents(f)
	require.NoError(t, err)
	w.startWorker()
	w.startFlow()
	_, err = w.boxes.ExportLogs(t.Context())
	require.NoError(t, err)
	w.settled()
	require.Eventually(t, func() bool {
		left, err := filepath.Glob(filepath.Join(w.boxes.SFTPDir, "d365_loads/exports/*.csv"))
		return err == nil && len(left) == 0
	}, settleWithin, 200*time.Millisecond, "the files are read and cleared away")
	require.Empty(t, w.timeline())
	var st workflows.Status
	w.update(workflows.UpdatePause, workflows.PauseRequest{Reason: "release", By: "test"}, &st)
	contact := w.boxes.Dynamics.Keys("contacts")[0]
	push := func() {
		_, err := w.boxes.Events.Push(eventlog.Pushed{Kind: "click", ExternalID: contact, Times: 2})
		require.NoError(t, err)
	}
	push()
	w.update(workflows.UpdateResume, workflows.ResumeRequest{By: "test"}, &st)
	onTime := func() {
		require.Eventually(t, func() bool { return len(w.timeline()) == 0 }, settleWithin, 200*time.Millisecond, "the click is on the timeline")
	}
	onTime()
	w.update(workflows.UpdateStop, workflows.StopRequest{By: "test"}, &st)
	w.until("the stop", func(st workflows.Status) bool { return st.State == workflows.StateStopped })
	push()
	w.startFlow()
	onTime()
	var backfill workflows.BackfillAnswer
	w.update(workflows.UpdateRequestBackfill, workflows.BackfillRequest{Window: activities.Window{Since: time.Now().Add(-6 * 24 * time.Hour)}, By: "test"}, &backfill)
	last := w.until("the backfill", func(st workflows.Status) bool {
		return st.LastRun != nil && st.LastRun.Run == backfill.Run && st.Run == ""
	})
	require.Equal(t, "COMPLETED", last.LastRun.State)
	require.Zero(t, last.LastRun.Counts.Created)
	require.Positive(t, last.LastRun.Counts.Unchanged)
	require.Empty(t, w.timeline())
	w.update(workflows.UpdateStop, workflows.StopRequest{By: "test"}, &st)
	w.nothingPersonal()
	w.replay(map[string][]string{workflows.TypeEventSync: {"events"}, workflows.TypeEventPass: {"events-backlog", "events-backfill"}})
}

// Two workers on one PostgreSQL ledger share journal and files, and one of them is
// killed. The end is the same as with one worker.
func TestTwoWorkersShareTheEvents(t *testing.T) {
	t.Parallel()
	dsn := filepath.Join(t.TempDir(), "dsn")
	require.NoError(t, os.WriteFile(dsn, []byte(ledgertest.Postgres(t).DSN), 0o600))
	w := newEventWorld(t, 500, "both", ", page_size: 200", func(s string) string {
		from, to := strings.Index(s, "  driver: sqlite"), strings.Index(s, "\ningress:")
		return s[:from] + "  driver: postgres\n  dsn: file:" + dsn + s[to:]
	})
	f := eventlog.DefaultFunnel()
	f.Events, f.Duplicates = 6000, 0.1
	_, err := w.boxes.GenerateEvents(f)
	require.NoError(t, err)
	_, err = w.boxes.ExportLogs(t.Context())
	require.NoError(t, err)
	first := w.startWorker()
	w.startWorker()
	w.startFlow()
	require.Eventually(t, func() bool { return w.rows() > 2000 }, settleWithin, 5*time.Millisecond)
	first.kill()
	w.startWorker()
	require.Eventually(t, func() bool {
		left, err := filepath.Glob(filepath.Join(w.boxes.SFTPDir, "d365_loads/exports/*.csv"))
		return err == nil && len(left) == 0
	}, settleWithin, 200*time.Millisecond, "the files are read and cleared away; worker log:\n%s", w.tail())
	w.settled()
	require.Empty(t, w.timeline())
	w.nothingPersonal()
}
