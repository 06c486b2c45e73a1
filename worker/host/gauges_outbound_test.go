package host

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// Every worker shows whether logs and messages arrive, whichever of them sent the last: the
// one that failed may be gone, and another one succeeds.
func TestEveryWorkerShowsWhetherLogsAndMessagesArrive(t *testing.T) {
	t.Parallel()
	l, err := ledger.Open(t.Context(), ledgertest.SQLite(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	on := &config.Config{Instance: "acme"}
	on.LogExport.Enabled = true
	on.Notify.Webhook = "file:secrets/webhook"
	one, other := outboundOf(on, l), outboundOf(on, l)
	shows := func(want float64) {
		t.Helper()
		for _, w := range []outboundGauges{one, other} {
			require.Equal(t, map[string]float64{"log_export_failing": want, "notify_failing": want}, outboundNow(t, w))
		}
	}
	shows(0)
	keepFact(t, l, "log_export", `{"problem":"the server is full"}`)
	keepFact(t, l, "notify", `{"problem":"it answered with status 404"}`)
	shows(1)
	require.Equal(t, map[string]float64{"log_export_failing": 0, "notify_failing": 0}, outboundNow(t, outboundOf(&config.Config{Instance: "acme"}, l)), "what is switched off does not fail")
	keepFact(t, l, "log_export", `{"done":"2026-03-01"}`)
	keepFact(t, l, "notify", `{}`)
	shows(0)
}

func outboundOf(cfg *config.Config, l *ledger.Ledger) outboundGauges {
	return outboundGauges{scope: tally.NewTestScope("", nil), logExport: lastLogExport(cfg, l), notified: lastNotified(cfg, l)}
}

func outboundNow(t *testing.T, g outboundGauges) map[string]float64 {
	t.Helper()
	require.NoError(t, g.refresh(t.Context()))
	values := map[string]float64{}
	for _, v := range g.scope.(tally.TestScope).Snapshot().Gauges() {
		values[v.Name()] = v.Value()
	}
	return values
}

func keepFact(t *testing.T, l *ledger.Ledger, name, doc string) {
	t.Helper()
	require.NoError(t, l.SaveFact(t.Context(), name, doc))
}

// What cannot be read is told, and leaves the gauge as it was.
func TestAnUnreadableStateIsToldNotGuessed(t *testing.T) {
	t.Parallel()
	scope := tally.NewTestScope("", nil)
	g := outboundGauges{scope: scope,
		logExport: func(context.Context) (*activities.LogExportState, error) { return nil, context.DeadlineExceeded },
		notified: func(context.Context) (*activities.NotifyState, error) {
			return &activities.NotifyState{At: time.Now(), Problem: "no answer in time"}, nil
		},
	}
	require.ErrorIs(t, g.refresh(t.Context()), context.DeadlineExceeded)
	values := map[string]float64{}
	for _, v := range scope.Snapshot().Gauges() {
		values[v.Name()] = v.Value()
	}
	require.Equal(t, map[string]float64{"notify_failing": 1}, values)
}
