package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"causeway.dev/activities"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/optout"
)

// slow gives its first answer when the activity that asks has told Temporal that it
// lives.
type slow struct {
	beaten chan struct{}
	waited bool
}

func (s *slow) wait(ctx context.Context) {
	if s.waited {
		return
	}
	s.waited = true
	select {
	case <-s.beaten:
	case <-ctx.Done():
	}
}

type slowCampaign struct {
	*campaign.Client
	*slow
}

func (c slowCampaign) List(ctx context.Context, r campaign.Resource, o campaign.ListOptions) (*campaign.Page, error) {
	c.wait(ctx)
	return c.Client.List(ctx, r, o)
}

func (c slowCampaign) GetWorkflow(ctx context.Context, id string) (*campaign.Workflow, error) {
	c.wait(ctx)
	return c.Client.GetWorkflow(ctx, id)
}

type slowDynamics struct {
	*dataverse.Client
	*slow
}

func (d slowDynamics) WhoAmI(ctx context.Context) (*dataverse.Identity, error) {
	d.wait(ctx)
	return d.Client.WhoAmI(ctx)
}

type slowFiles struct {
	*campaign.SFTP
	*slow
}

func (f slowFiles) List(ctx context.Context, folder string) ([]campaign.RemoteFile, error) {
	f.wait(ctx)
	return f.SFTP.List(ctx, folder)
}

// A system may take a minute for an answer, longer than Temporal waits for a sign of
// life: an activity that gives none while it waits is given up, each time.
func TestOptOutsWaitForASlowSystem(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 5, optout.Bidirectional, optout.SourceSFTP)
	s.startOptOut()
	s.inCampaign(s.keys[0], "blackListEmail", true)
	s.export("optout_20260301_010000.csv", exportHeader+s.exportRow(s.keys[0]))
	require.Equal(t, 1, s.looked("file", true).Read)
	file, baseline := s.ref, s.ref
	file.Run, file.Kind = "file", activities.KindDelta
	baseline.Run, baseline.Kind = "baseline", activities.KindInitial
	s.carryLane(activities.LaneInput{RunRef: file, Page: 1})

	slow := &slow{beaten: make(chan struct{}, 100)}
	client := slowCampaign{s.optOpts.Campaign.(*campaign.Client), slow}
	s.optOpts.Campaign, s.optOpts.Exports = client, client
	s.optOpts.Dynamics = slowDynamics{s.optOpts.Dynamics.(*dataverse.Client), slow}
	s.optOpts.Files = slowFiles{s.optOpts.Files.(*campaign.SFTP), slow}
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"preflight", func() {
			call[activities.PreflightOptOutResult](s.spine, s.opt.PreflightOptOut, activities.PreflightOptOutInput{Settings: s.settings})
		}},
		{"which source", func() {
			call[activities.CheckSourceResult](s.spine, s.opt.CheckSource, activities.CheckSourceInput{Settings: s.settings})
		}},
		{"compare", func() {
			call[activities.CheckOptOutsResult](s.spine, s.opt.CheckOptOuts, activities.CheckOptOutsInput{Settings: s.settings})
		}},
		{"open", func() {
			call[activities.OpenRunResult](s.spine, s.opt.OpenOptOutRun, activities.OpenRunInput{RunRef: baseline})
		}},
		{"fetch", func() {
			call[activities.FetchResult](s.spine, s.opt.FetchOptOuts, activities.FetchInput{RunRef: baseline, Page: 1, Phase: activities.PhaseBaseline, Lanes: 1})
		}},
		{"save", func() {
			call[activities.SaveWatermarkResult](s.spine, s.opt.SaveOptOutPosition, activities.SaveWatermarkInput{RunRef: file})
		}},
		{"watch", func() {
			call[activities.WatchExportResult](s.spine, s.opt.WatchExport, activities.WatchExportInput{Export: optout.ExportSetting{Workflow: "optout", StaleAfter: time.Hour}})
		}},
	} {
		s.rebuild()
		s.env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) { slow.beaten <- struct{}{} })
		slow.waited = false
		step.do()
		require.True(t, slow.waited, step.name)
		for len(slow.beaten) > 0 {
			<-slow.beaten
		}
	}
}
