package host

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/uber-go/tally/v4"
	"go.temporal.io/sdk/client"
)

// probeWithin bounds the question whether Temporal or the ledger is there. One that takes
// longer cannot be worked with.
const probeWithin = 10 * time.Second

// availability shows whether this worker reaches what it cannot work without. It asks also
// while no flow has anything to do, and beside the other gauges: those wait for what is not
// there.
type availability struct {
	scope  tally.Scope
	logger *slog.Logger
	asks   map[string]func(context.Context) error // gauge -> the question
}

func newAvailability(h *Host) *availability {
	return &availability{scope: h.metrics.Scope, logger: h.o.Logger, asks: map[string]func(context.Context) error{
		"ledger_up": h.ledger.Probe, // which writes: a full disk can be read
		"temporal_up": func(ctx context.Context) error {
			_, err := h.client.CheckHealth(ctx, &client.CheckHealthRequest{})
			return err
		},
	}}
}

// run asks every while until ctx ends.
func (a *availability) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		a.refresh(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// refresh asks once, all at the same time.
func (a *availability) refresh(ctx context.Context) {
	var asked sync.WaitGroup
	for name, ask := range a.asks {
		asked.Go(func() {
			within, cancel := context.WithTimeout(ctx, probeWithin)
			defer cancel()
			err := ask(within)
			if ctx.Err() != nil {
				return // the worker ends
			}
			if err != nil {
				a.logger.Warn("a worker cannot work without it", "what", name, "error", err)
			}
			a.scope.Gauge(name).Update(valueOf(err == nil))
		})
	}
	asked.Wait()
}
