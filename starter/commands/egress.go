package commands

import (
	"math"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/workflows"
)

// howToStartEgress takes the settings from the configuration file (R8.16: not
// without a type of event that is switched on).
func (f *flow) howToStartEgress() (flowStart, error) {
	revision, ok := f.configured()
	if !ok {
		return flowStart{}, f.notConfigured()
	}
	return flowStart{
		flow: activities.FlowEgress, name: activities.FlowEgress, id: f.id(), workflow: workflows.TypeEventSync, revision: revision, by: f.env.operator,
		summary: "egress: " + strings.Join(f.cfg.Egress.Settings().Names(), ", ") + " to the timeline in Dynamics",
		input:   workflows.EventSyncInput{Instance: f.cfg.Instance}, request: StartEventsRequest(f.cfg, f.env.operator),
	}, nil
}

// StartEventsRequest is what starts egress with the settings and bounds of a
// configuration; the devstack starts it with it too.
func StartEventsRequest(cfg *config.Config, by string) workflows.StartEventsRequest {
	e := cfg.Egress
	s := e.Settings()
	return workflows.StartEventsRequest{
		Settings: s, Revision: s.Revision(), LagAlarm: e.LagAlarm, By: by,
		Tuning: workflows.Tuning{
			Lanes: e.Lanes, Poll: e.PollEvery,
			// Zero would mean the default; configured, it means that one refusal stops the run.
			StopRatio: max(cfg.Quarantine.StopRatio, math.SmallestNonzeroFloat32), StopMin: int64(cfg.Quarantine.StopMin),
		},
	}
}
