package egress

import (
	"context"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/timeline"
)

// checkModels looks whether the activity tables are still as they were at the start, when
// it is time. told says that the wait is to end so that the flow can say what changed.
func (f *pageFetch) checkModels(ctx context.Context) (told bool, err error) {
	if f.in.Wait == 0 {
		return false, nil // nobody would be told
	}
	found, news, err := f.models.Look(ctx, activities.FlowEgress, f.in.PlanKey(), func() ([]string, error) {
		fresh, err := f.resolvePlan(ctx, f.plan.Settings, f.plan.Owner)
		if err != nil {
			return nil, err
		}
		changes, breaks := timeline.Drift(f.plan, fresh)
		if breaks != "" {
			return nil, run.Blocked("Settings", breaks)
		}
		return changes, nil
	})
	if found != nil {
		f.found = found
	}
	return news, err
}
