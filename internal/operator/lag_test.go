package operator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/workflows"
)

// An idle flow that has asked its source a moment ago is settled up to then, however long
// its owner has waited.
func TestAnIdleFlowIsSettledUpToItsLastLook(t *testing.T) {
	t.Parallel()
	watermark := time.Date(2026, 3, 2, 11, 45, 0, 0, time.UTC)
	look := watermark.Add(14 * time.Minute)
	for name, tt := range map[string]struct {
		st      workflows.Status
		settled time.Time
		lag     *int64
	}{
		"idle":       {workflows.Status{State: workflows.StateRunning, Watermark: watermark}, look, new(int64)},
		"at work":    {workflows.Status{State: workflows.StateRunning, Watermark: watermark, Run: "r", Progress: &workflows.Progress{Started: watermark.Add(time.Minute)}}, watermark, func() *int64 { n := int64(60); return &n }()},
		"stopped":    {workflows.Status{State: workflows.StateStopped, Watermark: watermark}, watermark, nil},
		"never done": {workflows.Status{State: workflows.StateRunning}, time.Time{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := FlowReport{Status: &tt.st, LastChecked: look}
			r.addLag()
			require.Equal(t, tt.settled, tt.st.Watermark)
			require.Equal(t, tt.lag, r.LagSeconds)
		})
	}
}
