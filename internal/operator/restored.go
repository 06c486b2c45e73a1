package operator

import (
	"context"

	"causeway.dev/activities"
)

// Restored names the flows that MarkRestored makes compare everything anew: those of the
// configuration.
func (i *Instance) Restored() activities.MarkRestoredInput {
	_, egress := i.flow(activities.FlowEgress).configured()
	_, optOut := i.flow(activities.FlowOptOut).configured()
	return activities.MarkRestoredInput{Tables: i.ParentTables(), Egress: egress, OptOut: optOut, By: i.By}
}

// ParentTables are the tables of the configuration, parents first.
func (i *Instance) ParentTables() (tables []string) {
	for _, name := range i.ParentsFirst() {
		if i.flow(name).id.IsTable() {
			tables = append(tables, name)
		}
	}
	return tables
}

// MarkRestored says that the ledger was restored, or Temporal. Flows that run are told to
// look at once; others learn of it at their start.
func (i *Instance) MarkRestored(ctx context.Context) (r activities.MarkRestoredResult, err error) {
	if err := i.ask(ctx, i.Timeout, activities.MarkRestored, i.Restored(), &r); err != nil {
		return r, err
	}
	for _, name := range r.Flows {
		_, _ = i.SyncNow(ctx, name) // one that does not run learns of it at its start
	}
	return r, nil
}
