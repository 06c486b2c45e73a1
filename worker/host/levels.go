package host

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/ledger"
)

// levels keeps how the flows stand in the ledger, for the charts of the console. Several
// workers may: the highest of a minute counts.
type levels struct {
	config *config.Config
	ledger *ledger.Ledger
}

// keep looks at the configured flows. Nobody knows the lag of one that is not running,
// because it looks at nothing.
func (v *levels) keep(ctx context.Context, running map[string]bool, now time.Time) error {
	var out []ledger.Level
	look := func(flow, name string) error {
		one, err := v.look(ctx, flow, name, running[name])
		out = append(out, one)
		return err
	}
	for _, table := range slices.Sorted(maps.Keys(v.config.Ingress.Tables)) {
		if err := look(activities.FlowIngress, table); err != nil {
			return err
		}
	}
	if v.config.Egress.Settings().Enabled() {
		if err := look(activities.FlowEgress, activities.FlowEgress); err != nil {
			return err
		}
	}
	if v.config.OptOut.Mode.WritesDynamics() {
		if err := look(activities.FlowOptOut, activities.FlowOptOut); err != nil {
			return err
		}
	}
	return v.ledger.KeepLevels(ctx, now, out)
}

// look is how a flow stands. Its lag is what status says: the part of the time up to the
// last look at the source that is not settled.
func (v *levels) look(ctx context.Context, flow, table string, running bool) (ledger.Level, error) {
	level := ledger.Level{Flow: flow, Table: table, Lag: -1}
	runs, err := v.ledger.Runs(ctx, ledger.RunFilter{Flow: flow, Table: table, State: ledger.RunRunning})
	if err != nil {
		return level, err
	}
	mark, err := v.ledger.Watermark(ctx, flow, table)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return level, err
	}
	known := err == nil && running
	if known {
		level.Lag = 0
	}
	for _, r := range runs {
		n, err := v.ledger.Backlog(ctx, r.ID)
		if err != nil {
			return level, err
		}
		level.Backlog += n
		if known {
			level.Lag = max(level.Lag, r.Started.Sub(mark.ObtainedAt))
		}
	}
	return level, nil
}
