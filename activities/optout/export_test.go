package optout_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
	"causeway.dev/sandbox/exports"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
)

// Whatever an export departs in from the plain form, it is read, or refused with
// its place; nothing is cleared, and the next whole one brings everything.
func TestEveryKindOfExport(t *testing.T) {
	t.Parallel()
	for _, twist := range exports.Twists() {
		t.Run(string(twist), func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 12, optout.Bidirectional, optout.SourceSFTP)
			out, in := s.keys[0], s.keys[1]
			s.inDynamics(in, "donotbulkemail", true)
			s.startOptOut()
			require.Equal(t, [2]bool{true, true}, s.both(in))
			_, err := s.Sandboxes.ExportOptOuts(t.Context()) // what is there already
			require.NoError(t, err)
			s.settle()
			s.inCampaign(out, "blackListEmail", true)
			s.inCampaign(in, "blackListEmail", false)
			_, err = s.Sandboxes.ExportOptOuts(t.Context(), twist)
			require.NoError(t, err)
			s.settle()
			first := [][2]bool{s.both(out), s.both(in)}
			switch twist {
			case exports.HalfWritten, exports.TruncatedGzip, exports.Unterminated, exports.Labels, exports.UTF16, exports.Latin1, exports.MissingColumn:
				if twist != exports.Latin1 { // ids and flags are the same in it
					require.Equal(t, [][2]bool{{false, true}, {true, false}}, first, "nothing of the file is taken")
				}
			case exports.WrongBoolean, exports.WrongStamp:
				require.NotEqual(t, [2]bool{true, true}, first[1], "an opt-in that was read is not undone")
			default:
				require.Equal(t, [][2]bool{{true, true}, {false, false}}, first)
			}
			s.later()
			for _, id := range []string{out, in} { // they change again, and so are in the next file
				require.NoError(t, s.Sandboxes.Campaign.Update("profile", id, []byte(`{"firstName":"Ann"}`)))
			}
			_, err = s.Sandboxes.ExportOptOuts(t.Context())
			require.NoError(t, err)
			s.settle()
			require.Equal(t, [][2]bool{{true, true}, {false, false}}, [][2]bool{s.both(out), s.both(in)})
		})
	}
}

// R19.15, docs/protocol/campaign.md §9: a workflow that stopped or failed raises the alarm, and is
// started where that is wanted, at most three times a day.
func TestAnExportThatStopsIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 5, optout.Bidirectional, optout.SourceSFTP)
	in := activities.WatchExportInput{Export: optout.ExportSetting{Workflow: exports.OptOuts, StaleAfter: 26 * time.Hour}}
	watch := func() activities.WatchExportResult {
		return activitytest.Call[activities.WatchExportResult](s.World, s.opt.WatchExport, in)
	}
	got := watch()
	require.Empty(t, got.Alarm)
	require.Equal(t, "started", got.State)

	client := s.optOpts.Exports
	require.NoError(t, client.CommandWorkflow(t.Context(), exports.OptOuts, "stop"))
	s.Sandboxes.Advance(time.Hour)
	got = watch()
	require.Contains(t, got.Alarm, "is finished; start it")
	require.False(t, got.Restarted, "only where it is wanted")
	in.Export.AutoRestart = true
	require.True(t, watch().Restarted)
	s.Sandboxes.Advance(time.Hour)
	require.Empty(t, watch().Alarm)

	// One that failed is stopped first; that takes effect in Campaign's own time.
	require.NoError(t, s.Sandboxes.Exports.Fail(exports.OptOuts, "the disk is full"))
	got = watch()
	require.Contains(t, got.Alarm, "error")
	require.False(t, got.Restarted)
	s.Sandboxes.Advance(time.Hour)
	require.True(t, watch().Restarted)
	s.Sandboxes.Advance(time.Hour)
	require.Empty(t, watch().Alarm)

	now := s.Sandboxes.Clock.Now()
	in.Restarts = []time.Time{now.Add(-3 * time.Hour), now.Add(-2 * time.Hour), now.Add(-time.Hour)}
	require.NoError(t, client.CommandWorkflow(t.Context(), exports.OptOuts, "stop"))
	s.Sandboxes.Advance(time.Hour)
	got = watch()
	require.False(t, got.Restarted)
	require.Contains(t, got.Alarm, "does not stay up")

	in.Export.Workflow = "WKF_renamed"
	require.Contains(t, watch().Alarm, "may have renamed it")

	// A pause may be somebody's intention, for an hour.
	s.Sandboxes.Advance(24 * time.Hour)
	in.Export.Workflow, in.Restarts = exports.OptOuts, nil
	require.True(t, watch().Restarted)
	s.Sandboxes.Advance(time.Hour)
	require.NoError(t, client.CommandWorkflow(t.Context(), exports.OptOuts, "pause"))
	s.Sandboxes.Advance(time.Minute)
	got = watch()
	require.Empty(t, got.Alarm)
	require.False(t, got.Warned.IsZero())
	in.Warned = got.Warned
	s.Sandboxes.Advance(2 * time.Hour)
	require.True(t, watch().Restarted)
}

// An instance that publishes no stamps over REST is read from its export, and what
// REST shows of a profile before a write does not undo what the export told.
func TestAnInstanceWithoutStamps(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 8, optout.Bidirectional, optout.SourceAuto, func(o *stack.Options) { o.NoOptOutStamps = true })
	found := activitytest.Call[activities.CheckSourceResult](s.World, s.opt.CheckSource, activities.CheckSourceInput{Settings: s.settings})
	require.Equal(t, optout.SourceSFTP, found.Source)
	require.Contains(t, found.REST, "does not publish when denyListEmail last changed")
	a, b := s.keys[0], s.keys[1]
	s.inDynamics(a, "donotbulkemail", true)
	got := s.startOptOut()
	require.Equal(t, optout.SourceSFTP, got.Source)
	require.Contains(t, strings.Join(got.Warnings, "\n"), "denyListEmail")
	require.Equal(t, [2]bool{true, true}, s.both(a))
	s.inCampaign(a, "blackListEmail", false)
	s.inCampaign(b, "blackListEmail", true)
	_, err := s.Sandboxes.ExportOptOuts(t.Context())
	require.NoError(t, err)
	s.settle()
	require.Equal(t, [2]bool{false, false}, s.both(a), "the export tells the stamp")
	require.Equal(t, [2]bool{true, true}, s.both(b))
}

// R19.15: no file although profiles have changed raises the alarm, however many runs
// there were since; events on the timeline are no change of profiles.
func TestAnExportThatIsMissingIsTold(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 5, optout.Bidirectional, optout.SourceSFTP)
	s.startOptOut()
	in := activities.WatchExportInput{Files: true, Export: optout.ExportSetting{StaleAfter: 26 * time.Hour}}
	watch := func() string {
		return activitytest.Call[activities.WatchExportResult](s.World, s.opt.WatchExport, in).Alarm
	}
	s.inCampaign(s.keys[0], "blackListEmail", true)
	s.export("optout_20260301_010000.csv", exportHeader+s.exportRow(s.keys[0]))
	s.settle()
	s.later()
	ended := func(id, flow string, outcome ledger.Outcome) {
		run := ledger.Run{ID: id, Flow: flow, Table: flow, Kind: "delta", Started: s.Sandboxes.Clock.Now().UTC()}
		_, err := s.Ledger.BeginRun(t.Context(), run)
		require.NoError(t, err)
		_, err = s.Ledger.StagePage(t.Context(), ledger.PageInput{Run: id, Table: flow, Number: 1, Phase: "delta", Lanes: [][]ledger.Entry{{{Key: "a"}}}})
		require.NoError(t, err)
		lane := ledger.LaneID{Run: id, Page: 1}
		open, err := s.Ledger.OpenLane(t.Context(), lane)
		require.NoError(t, err)
		require.NoError(t, s.Ledger.Commit(t.Context(), lane, open.Token, []ledger.Result{{Outcome: outcome}}))
		_, err = s.Ledger.CloseLane(t.Context(), lane, open.Token)
		require.NoError(t, err)
		_, err = s.Ledger.Advance(t.Context(), id, ledger.Watermark{})
		require.NoError(t, err)
	}
	ended("egress-1", activities.FlowEgress, ledger.Created)
	s.Sandboxes.Advance(30 * time.Hour)
	require.Empty(t, watch(), "nothing has changed")
	ended("contacts-2", activities.FlowIngress, ledger.Updated)
	s.Sandboxes.Advance(30 * time.Hour)
	require.Contains(t, watch(), "look at the Campaign workflow that writes it")
	for i := range 250 {
		ended(fmt.Sprintf("contacts-%d", i+3), activities.FlowIngress, ledger.Unchanged)
	}
	require.Contains(t, watch(), "the newest export is of", "on a busy day, too")
}

// deafExport takes a command and never answers: the worker is killed first.
type deafExport struct {
	*campaign.Client
	deaf bool
}

func (d *deafExport) CommandWorkflow(ctx context.Context, id string, command campaign.WorkflowCommand) error {
	err := d.Client.CommandWorkflow(ctx, id, command)
	if d.deaf && err == nil {
		return context.Canceled
	}
	return err
}

// At most three starts a day, also when the worker is killed right after one, so that
// the flow never hears of it; one that Campaign refused is none.
func TestAStartThatNobodyHeardOfCounts(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 2, optout.Bidirectional, optout.SourceSFTP)
	client := &deafExport{Client: s.optOpts.Exports.(*campaign.Client)}
	s.optOpts.Exports = client
	in := activities.WatchExportInput{Export: optout.ExportSetting{Workflow: exports.OptOuts, StaleAfter: 26 * time.Hour, AutoRestart: true}}
	stopped := func() {
		client.deaf = false
		require.NoError(t, client.CommandWorkflow(t.Context(), exports.OptOuts, campaign.StopWorkflow))
		s.Sandboxes.Advance(time.Hour)
		s.rebuild()
	}
	stopped()
	fault, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Action: kit.Respond, Status: 403, Path: "/commands", Body: `{"error_code":"403000","message":"no"}`})
	require.NoError(t, err)
	for range 4 {
		_, err = s.Env.ExecuteActivity(s.opt.WatchExport, in)
		require.Error(t, err)
	}
	s.Sandboxes.Faults.Clear(fault)
	for range 3 {
		stopped()
		client.deaf = true
		_, err := s.Env.ExecuteActivity(s.opt.WatchExport, in)
		require.Error(t, err)
		s.Sandboxes.Advance(time.Hour)
	}
	stopped()
	got := activitytest.Call[activities.WatchExportResult](s.World, s.opt.WatchExport, in)
	require.False(t, got.Restarted)
	require.Contains(t, got.Alarm, "does not stay up")
	s.Sandboxes.Advance(24 * time.Hour)
	require.True(t, activitytest.Call[activities.WatchExportResult](s.World, s.opt.WatchExport, in).Restarted, "a day later")
}
