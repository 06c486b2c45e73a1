package optout

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
)

// checkModels looks whether the contact and the profile still have what the pairs name,
// when it is time. told says that the wait is to end so that the flow can say what changed.
func (f *pageFetch) checkModels(ctx context.Context) (told bool, err error) {
	if f.in.Wait == 0 {
		return false, nil // nobody would be told
	}
	found, news, err := f.models.Look(ctx, activities.FlowOptOut, f.in.PlanKey(), func() ([]string, error) {
		fresh, err := f.resolvePairs(ctx, f.plan.Settings)
		if err != nil {
			return nil, err
		}
		return f.plan.drift(fresh)
	})
	if found != nil {
		f.found = found
	}
	return news, err
}

// drift is what changed and does no harm. It fails when writes by p are refused now.
func (p *settingsPlan) drift(fresh *settingsPlan) ([]string, error) {
	var out []string
	if p.EntitySet != fresh.EntitySet {
		return nil, run.Blocked("Settings", fmt.Sprintf("the rows of contact were at %s and are at %s now", p.EntitySet, fresh.EntitySet))
	}
	for _, pair := range p.Settings.Pairs {
		name := pair.Campaign
		if was, is := p.Wire[name], fresh.Wire[name]; was != is {
			return nil, run.Blocked("Settings", fmt.Sprintf("profile called %s by %s and does by %s now", name, was, is))
		}
		switch was, is := p.Stamps[name], fresh.Stamps[name]; {
		case was == "" && is != "":
			out = append(out, fmt.Sprintf("profile keeps the time of the last change of %s now, in %s", name, is))
		case was != "" && is == "":
			out = append(out, fmt.Sprintf("profile keeps the time of the last change of %s no more; it was in %s", name, was))
		}
	}
	return out, nil
}

// replan is what the settings mean by the data models as they are now, after a system
// refused a write for what they are like; plan itself when nothing has changed. It fails
// when the settings do not fit any more.
func (w *contactWriter) replan(ctx context.Context, plan *settingsPlan, why error) (*settingsPlan, error) {
	refusal, ok := errors.AsType[*apierr.Error](why)
	if !ok {
		return plan, nil
	}
	return w.fresh.Newer(plan, refusal.Service+" "+refusal.Code+" "+refusal.Field, func() (*settingsPlan, error) {
		fresh, problems, err := w.readPairs(ctx, plan.Settings)
		if err != nil {
			return nil, err
		}
		if problems != "" {
			return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonSchema, Service: refusal.Service, Op: refusal.Op, Code: refusal.Code,
				Message: "the data models changed while it ran: " + problems}
		}
		if fresh.Source = plan.Source; reflect.DeepEqual(fresh, plan) {
			return nil, nil
		}
		w.o.Logger.Info("the data models are not as they were when the flow started", "flow", activities.FlowOptOut)
		return fresh, nil
	})
}
