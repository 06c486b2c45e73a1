package optout_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/optout"
)

type slowCampaign struct {
	*campaign.Client
	*activitytest.Slow
}

func (c slowCampaign) List(ctx context.Context, r campaign.Resource, o campaign.ListOptions) (*campaign.Page, error) {
	c.Wait(ctx)
	return c.Client.List(ctx, r, o)
}

func (c slowCampaign) GetWorkflow(ctx context.Context, id string) (*campaign.Workflow, error) {
	c.Wait(ctx)
	return c.Client.GetWorkflow(ctx, id)
}

type slowFiles struct {
	*campaign.SFTP
	*activitytest.Slow
}

func (f slowFiles) List(ctx context.Context, folder string) ([]campaign.RemoteFile, error) {
	f.Wait(ctx)
	return f.SFTP.List(ctx, folder)
}

// A system may take a minute for an answer, longer than Temporal waits for a sign of
// life: an activity that gives none while it waits is given up, each time.
func TestOptOutsWaitForASlowSystem(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 5, optout.Bidirectional, optout.SourceSFTP)
	s.startOptOut()
	s.inCampaign(s.keys[0], "blackListEmail", true)
	s.export("optout_20260301_010000.csv", exportHeader+s.exportRow(s.keys[0]))
	require.Equal(t, 1, s.looked("file", true).Read)
	file, baseline := s.ref, s.ref
	file.Run, file.Kind = "file", activities.KindDelta
	baseline.Run, baseline.Kind = "baseline", activities.KindInitial
	s.carryLane(activities.LaneInput{RunRef: file, Page: 1})

	slow := &activitytest.Slow{Beaten: make(chan struct{}, 100)}
	client := slowCampaign{s.optOpts.Campaign.(*campaign.Client), slow}
	s.optOpts.Campaign, s.optOpts.Exports = client, client
	s.optOpts.Dynamics = activitytest.SlowDynamics{Client: s.optOpts.Dynamics.(*dataverse.Client), Slow: slow}
	s.optOpts.Files.Server = slowFiles{s.optOpts.Files.Server.(*campaign.SFTP), slow}
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"which source", func() {
			activitytest.Call[activities.CheckSourceResult](s.World, s.opt.CheckSource, activities.CheckSourceInput{Settings: s.settings})
		}},
		{"compare", func() {
			activitytest.Call[activities.CheckOptOutsResult](s.World, s.opt.CheckOptOuts, activities.CheckOptOutsInput{Settings: s.settings})
		}},
		{"open", func() {
			activitytest.Call[activities.OpenRunResult](s.World, s.opt.OpenOptOutRun, activities.OpenRunInput{RunRef: baseline})
		}},
		{"fetch", func() {
			activitytest.Call[activities.FetchResult](s.World, s.opt.FetchOptOuts, activities.FetchInput{RunRef: baseline, Page: 1, Phase: activities.PhaseBaseline, Lanes: 1})
		}},
		{"save", func() {
			activitytest.Call[activities.SaveWatermarkResult](s.World, s.opt.SaveOptOutPosition, activities.SaveWatermarkInput{RunRef: file})
		}},
		{"watch", func() {
			activitytest.Call[activities.WatchExportResult](s.World, s.opt.WatchExport, activities.WatchExportInput{Export: optout.ExportSetting{Workflow: "optout", StaleAfter: time.Hour}})
		}},
		{"preflight, which closes the runs above", func() {
			activitytest.Call[activities.PreflightOptOutResult](s.World, s.opt.PreflightOptOut, activities.PreflightOptOutInput{Settings: s.settings})
		}},
	} {
		s.rebuild()
		s.Env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) { slow.Beaten <- struct{}{} })
		slow.Waited = false
		step.do()
		require.True(t, slow.Waited, step.name)
		for len(slow.Beaten) > 0 {
			<-slow.Beaten
		}
	}
}
