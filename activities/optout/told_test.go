package optout_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	work "causeway.dev/activities/optout"
	"causeway.dev/internal/optout"
	"causeway.dev/sandbox/exports"
)

// gaugesOfAnotherWorker are what a worker shows that did nothing.
func (s *optOutWorld) gaugesOfAnotherWorker() map[string]float64 {
	s.T.Helper()
	scope, o := tally.NewTestScope("", nil), s.optOpts
	o.Metrics = scope
	require.NoError(s.T, work.New(o).RefreshGauges(s.T.Context()))
	return activitytest.Gauges(scope)
}

// Which worker looked at the export does not matter: all raise the alarm, and all end it.
func TestEveryWorkerRaisesAndEndsTheAlarmOfTheExport(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 5, optout.Bidirectional, optout.SourceSFTP)
	in := activities.WatchExportInput{Export: optout.ExportSetting{Workflow: exports.OptOuts, StaleAfter: 26 * time.Hour}}
	watch := func() string {
		return activitytest.Call[activities.WatchExportResult](s.World, s.opt.WatchExport, in).Alarm
	}
	require.Empty(t, watch())
	require.Zero(t, s.gaugesOfAnotherWorker()["optout.export_alarm"])
	require.NoError(t, s.optOpts.Exports.CommandWorkflow(t.Context(), exports.OptOuts, "stop"))
	s.Sandboxes.Advance(time.Hour)
	require.NotEmpty(t, watch())
	require.EqualValues(t, 1, s.gaugesOfAnotherWorker()["optout.export_alarm"])
	require.NoError(t, s.optOpts.Exports.CommandWorkflow(t.Context(), exports.OptOuts, "start"))
	s.Sandboxes.Advance(time.Hour)
	require.Empty(t, watch())
	require.Zero(t, s.gaugesOfAnotherWorker()["optout.export_alarm"])
}
