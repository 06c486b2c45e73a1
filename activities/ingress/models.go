package ingress

import (
	"context"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/mapping"
)

// checkModels looks whether the data models of both systems still fit the mapping, when it
// is time. told says that the wait is to end so that the flow can say what changed.
func (w *changeWait) checkModels(ctx context.Context) (told bool, err error) {
	if w.in.Wait == 0 {
		return false, nil // nobody would be told
	}
	defer run.KeepBeating(ctx, func() any { return activities.WaitingBeat{Checked: w.watermark.ObtainedAt} })()
	found, news, err := w.models.Look(ctx, w.in.Table, w.in.PlanKey(), func() ([]string, error) {
		fresh, err := w.resolveMapping(ctx, w.m.plan.Table)
		if err != nil {
			return nil, err
		}
		return mapping.Drift(w.m.plan, fresh.plan), nil
	})
	if found == nil {
		return false, err
	}
	w.found = found
	return news, nil
}
