package host

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/ledger"
)

// levels keeps how the flows stand in the ledger, for the charts of the console, and shows
// it. Several workers may: the highest of a minute counts.
type levels struct {
	config *config.Config
	ledger *ledger.Ledger
	scope  tally.Scope
}

// keep looks at the configured flows. Nobody knows the lag of one that is not running,
// because it looks at nothing.
func (v *levels) keep(ctx context.Context, running map[string]bool, now time.Time) error {
	var out []ledger.Level
	look := func(flow, name string) error {
		one, checked, err := v.look(ctx, flow, name, running[name])
		if err == nil {
			v.show(name, one, checked)
		}
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

// show sets the gauges of a flow, by its name on the command line. A lag that nobody knows is
// no number: it compares with nothing, and is drawn as a gap.
func (v *levels) show(name string, level ledger.Level, checked time.Time) {
	of := v.scope.Tagged(map[string]string{"flow": name})
	of.Gauge("flow_backlog").Update(float64(level.Backlog))
	lag := math.NaN()
	if level.Lag >= 0 {
		lag = level.Lag.Seconds()
	}
	of.Gauge("flow_lag_seconds").Update(lag)
	if !checked.IsZero() {
		of.Gauge("flow_checked_timestamp_seconds").Update(float64(checked.Unix()))
	}
}

// look is how a flow stands. Its lag is what status says: the part of the time up to the
// last look at the source, which is told beside it, that is not settled.
func (v *levels) look(ctx context.Context, flow, table string, running bool) (level ledger.Level, checked time.Time, err error) {
	level = ledger.Level{Flow: flow, Table: table, Lag: -1}
	runs, err := v.ledger.Runs(ctx, ledger.RunFilter{Flow: flow, Table: table, State: ledger.RunRunning})
	if err != nil {
		return level, checked, err
	}
	mark, err := v.ledger.Watermark(ctx, flow, table)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return level, checked, err
	}
	if err == nil {
		checked = mark.ObtainedAt
	}
	known := err == nil && running
	if known {
		level.Lag = 0
	}
	for _, r := range runs {
		n, err := v.ledger.Backlog(ctx, r.ID)
		if err != nil {
			return level, checked, err
		}
		level.Backlog += n
		if r.Started.After(checked) {
			checked = r.Started
		}
		if known {
			level.Lag = max(level.Lag, r.Started.Sub(mark.ObtainedAt))
		}
	}
	return level, checked, nil
}
