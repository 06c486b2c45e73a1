package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/optout"
	"causeway.dev/sandbox/exports"
	"causeway.dev/sandbox/stack"
	"causeway.dev/workflows"
)

// optOutWorld is a world with the flow of opt-outs, and the flow of contacts that
// creates the profiles.
type optOutWorld struct {
	*world
	pairs map[string]string // column -> field of the profile
}

func newOptOutWorld(t *testing.T, contacts int, source string) *optOutWorld {
	t.Helper()
	var boxes *stack.Stack
	w := newWorld(t, worldOptions{contacts: contacts, boxes: func(b *stack.Stack) { boxes = b }, yaml: func(text string) string {
		host, port, err := net.SplitHostPort(boxes.SFTPAddress)
		require.NoError(t, err)
		text = strings.Replace(text, "organization_id: ABC@AdobeOrg\n", fmt.Sprintf(`organization_id: ABC@AdobeOrg
  sftp: {host: %s, port: %s, user: %s, key: "file:%s", known_hosts: %s, stable_for: 0s}
`, host, port, boxes.SFTPUser, boxes.SFTPKeyFile, boxes.SFTPKnownHostsFile), 1)
		text = strings.Replace(text, "        - {from: donotbulkemail, to: blackListEmail}\n", "", 1) // R19.22
		text = strings.Replace(text, "        - {from: donotbulkemail, to: blackListEmail}", "", 1)
		return text + fmt.Sprintf(`opt_out:
  mode: bidirectional
  source: %s
  clock_skew: 0s
  poll_every: 1s
  campaign_every: 1h
  pairs:
    - {campaign: denyListEmail, dynamics: donotbulkemail}
    - {campaign: denyListPhone, dynamics: donotphone}
  export: {workflow: WKF_optout, check_every: 1m, auto_restart: true}
`, source)
	}})
	return &optOutWorld{w, map[string]string{"donotbulkemail": "blackListEmail", "donotphone": "blackListPhone"}}
}

func (w *optOutWorld) start(mode optout.Mode) workflows.Status {
	w.t.Helper()
	req := operator.StartRequest(w.cfg, "optout", "test")
	req.OptOut.Mode = mode
	req.Revision = req.OptOut.Revision()
	id := workflows.OptOutFlow(w.cfg.Instance).WorkflowID()
	start := w.client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.QueueMain, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, workflows.TypeOptOutSync, workflows.OptOutSyncInput{Instance: w.cfg.Instance})
	var st workflows.Status
	handle, err := w.client.UpdateWithStartWorkflow(w.t.Context(), client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions:          client.UpdateWorkflowOptions{WorkflowID: id, UpdateName: workflows.UpdateStart, WaitForStage: client.WorkflowUpdateStageCompleted, Args: []any{req}},
	})
	require.NoError(w.t, err)
	require.NoError(w.t, handle.Get(w.t.Context(), &st))
	require.Equal(w.t, workflows.StateRunning, st.State, st.Reason)
	w.flow = id
	return w.baselined()
}

// baselined waits until the choices of all contacts were read.
func (w *optOutWorld) baselined() workflows.Status {
	w.t.Helper()
	return w.until("the look at everybody", func(st workflows.Status) bool { return st.Run == "" && st.Phase == "waiting for choices" })
}

// syncNow makes the flow read both sides at once.
func (w *optOutWorld) syncNow() {
	w.t.Helper()
	var st workflows.Status
	w.update(workflows.UpdateSyncNow, workflows.SyncNowRequest{By: "test"}, &st)
}

// disagreements lists the choices on which the systems differ.
func (w *optOutWorld) disagreements() []string {
	var out []string
	w.boxes.Dynamics.Each("contacts", func(id string, row map[string]any) bool {
		profile := w.boxes.Campaign.Profile(id)
		for column, field := range w.pairs {
			here, _ := row[column].(bool)
			there, _ := profile[field].(bool)
			if here != there {
				out = append(out, fmt.Sprintf("%s: %s %v, %s %v", id, column, here, field, there))
			}
		}
		return true
	})
	return out
}

// agree waits until both systems hold the same.
func (w *optOutWorld) agree() {
	w.t.Helper()
	var diff []string
	looks := 0
	require.Eventually(w.t, func() bool {
		if diff = w.disagreements(); len(diff) == 0 {
			return true
		}
		if looks++; looks%8 == 1 {
			w.syncNow()
		}
		return false
	}, settleWithin, 500*time.Millisecond, "disagreements: %v\nworker log:\n%s", &diff, w.tail())
}

// R19.6, R19.17: bidirectional mode with kills. The mode is changed in between by stop
// and start, and changed back.
func TestOptOutsSurviveKillsAndModeChanges(t *testing.T) {
	t.Parallel()
	w := newOptOutWorld(t, 400, "rest")
	p := w.startWorker()
	w.startFlow()
	w.loaded()
	keys := w.boxes.Dynamics.Keys("contacts")
	w.start(optout.Bidirectional)
	w.agree()

	// An opt-out is never lost, whatever happens. In this part nobody opts back in.
	rng := rand.New(rand.NewPCG(3, 4))
	out := map[string]bool{}
	choose := func(n int) {
		for range n {
			id := keys[rng.IntN(len(keys))]
			switch rng.IntN(3) {
			case 0:
				require.NoError(t, w.boxes.Dynamics.Update("contacts", id, map[string]any{"donotbulkemail": true}))
				out[id] = true
			case 1:
				require.NoError(t, w.boxes.Campaign.Update("profile", id, []byte(`{"blackListEmail":true}`)))
				out[id] = true
			default: // something else
				require.NoError(t, w.boxes.Dynamics.Update("contacts", id, map[string]any{"address1_city": fmt.Sprintf("Nebelheim %d", rng.IntN(1000))}))
			}
		}
	}
	for range 3 {
		choose(60)
		w.syncNow()
		some := max(0, len(w.disagreements())-rng.IntN(20)-1) // a kill somewhere in a pass
		require.Eventually(t, func() bool { return len(w.disagreements()) <= some }, settleWithin, time.Millisecond, "worker log:\n%s", w.tail())
		p.kill()
		p = w.startWorker()
	}
	w.agree()
	var st workflows.Status
	choose(40)
	w.update(workflows.UpdateStop, workflows.StopRequest{By: "test"}, &st)
	require.Equal(t, workflows.StateStopped, st.State)
	choose(20)

	// Mode campaign_to_dynamics: choices in Campaign arrive, and values on which both
	// sides agreed stay.
	w.start(optout.CampaignToDynamics)
	id := keys[0]
	require.NoError(t, w.boxes.Campaign.Update("profile", id, []byte(`{"blackListPhone":true}`)))
	out2 := func() bool { v, _ := w.boxes.Dynamics.Row("contacts", id)["donotphone"].(bool); return v }
	require.Eventually(t, func() bool { w.syncNow(); return out2() }, settleWithin, 500*time.Millisecond, "worker log:\n%s", w.tail())
	w.update(workflows.UpdateStop, workflows.StopRequest{By: "test"}, &st)
	w.start(optout.Bidirectional)
	w.agree()
	for id := range out {
		row, profile := w.boxes.Dynamics.Row("contacts", id), w.boxes.Campaign.Profile(id)
		require.Equal(t, []any{true, true}, []any{row["donotbulkemail"], profile["blackListEmail"]}, "%s was opted out", id)
	}

	// A replay of the contacts clears no opt-out, because Campaign chose last.
	w.flow = ""
	var answer workflows.BackfillAnswer
	w.update(workflows.UpdateRequestBackfill, workflows.BackfillRequest{By: "test"}, &answer)
	w.until("the replay", func(st workflows.Status) bool { return st.LastRun != nil && st.LastRun.Run == answer.Run })
	for id := range out {
		require.Equal(t, true, w.boxes.Campaign.Profile(id)["blackListEmail"])
	}
	w.flow = workflows.OptOutFlow(w.cfg.Instance).WorkflowID()
	st, err := w.status()
	require.NoError(t, err)
	require.Equal(t, workflows.StateRunning, st.State)
	require.Zero(t, st.Quarantined)
	w.noPersonalData()
}

// R19.13: the daily export has a file that is broken and then repaired. The workflow in
// Campaign stops and is started again (R19.15).
func TestOptOutsFromExports(t *testing.T) {
	t.Parallel()
	w := newOptOutWorld(t, 200, "sftp")
	w.startWorker()
	w.startFlow()
	w.loaded()
	keys := w.boxes.Dynamics.Keys("contacts")
	st := w.start(optout.Bidirectional)
	require.Equal(t, "sftp", st.OptOut.Source)
	w.agree()
	for _, id := range keys[:50] {
		require.NoError(t, w.boxes.Campaign.Update("profile", id, []byte(`{"blackListEmail":true}`)))
	}
	_, err := w.boxes.ExportOptOuts(t.Context(), exports.Gzip, exports.Unknown, exports.Reordered)
	require.NoError(t, err)
	w.agree()
	for _, id := range keys[:50] {
		require.Equal(t, true, w.boxes.Dynamics.Row("contacts", id)["donotbulkemail"])
	}

	w.boxes.Clock.Advance(2 * time.Second) // choices within one second count as equally old (R19.11)
	for _, id := range keys[:20] {
		require.NoError(t, w.boxes.Campaign.Update("profile", id, []byte(`{"blackListEmail":false}`)))
	}
	_, err = w.boxes.ExportOptOuts(t.Context(), exports.TruncatedGzip)
	require.NoError(t, err)
	w.syncNow()
	st = w.until("the broken file", func(st workflows.Status) bool { return len(st.OptOut.BadFiles) > 0 })
	require.Contains(t, st.OptOut.BadFiles[0], "optout_")
	for _, id := range keys[:20] {
		require.Equal(t, true, w.boxes.Dynamics.Row("contacts", id)["donotbulkemail"], "nothing is cleared")
	}
	for _, id := range keys[:20] { // the next export has them again
		require.NoError(t, w.boxes.Campaign.Update("profile", id, []byte(`{"firstName":"Ann"}`)))
	}
	_, err = w.boxes.ExportOptOuts(t.Context())
	require.NoError(t, err)
	w.agree()
	for _, id := range keys[:20] {
		require.Equal(t, false, w.boxes.Dynamics.Row("contacts", id)["donotbulkemail"])
	}
	log, err := os.ReadFile(w.log)
	require.NoError(t, err)
	require.NotContains(t, string(log), "@example")
	w.noPersonalData()
	require.Equal(t, activities.FlowOptOut, st.Table)
	w.update(workflows.UpdatePause, workflows.PauseRequest{Reason: "release", By: "test"}, &st)
	require.NoError(t, w.boxes.Dynamics.Update("contacts", keys[60], map[string]any{"donotphone": true}))
	w.update(workflows.UpdateResume, workflows.ResumeRequest{By: "test"}, &st)
	w.agree()
	w.update(workflows.UpdateStop, workflows.StopRequest{By: "test"}, &st)
	w.until("the stop", func(st workflows.Status) bool { return st.State == workflows.StateStopped })
	w.replay(map[string][]string{workflows.TypeOptOutSync: {"optouts"}, workflows.TypeOptOutPass: {"optouts-baseline"}})
}
