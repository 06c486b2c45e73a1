package host

import (
	"context"
	"maps"
	"slices"

	"causeway.dev/activities"
	"causeway.dev/activities/logs"
	"causeway.dev/config"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
)

// logOptions are what this worker exports of what flows did. Without files it exports nothing.
func logOptions(cfg *config.Config, files *campaign.SFTP, l *ledger.Ledger) logs.Options {
	c := cfg.LogExport
	out := logs.Options{
		Instance: cfg.Instance, Ledger: l, Folder: c.Folder, KeepDays: c.KeepDays, MaxBytes: int64(c.MaxMiB) << 20, Loads: c.Loads, Mask: c.Mask,
		Flows: slices.Sorted(maps.Keys(cfg.Ingress.Tables)),
	}
	if cfg.Egress.Settings().Enabled() {
		out.Flows = append(out.Flows, activities.FlowEgress)
	}
	if cfg.OptOut.Mode.WritesDynamics() {
		out.Flows = append(out.Flows, activities.FlowOptOut)
	}
	if files != nil { // a nil client in the interface would not be nil
		out.Files = files
	}
	return out
}

// lastLogExport is how the export stands, where there is one.
func lastLogExport(cfg *config.Config, l *ledger.Ledger) func(context.Context) (*activities.LogExportState, error) {
	if !cfg.LogExport.Enabled {
		return nil
	}
	return func(ctx context.Context) (*activities.LogExportState, error) { return logs.Last(ctx, l) }
}
