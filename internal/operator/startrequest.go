package operator

import (
	"fmt"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// summary says in the Temporal UI what a flow does.
func summary(cfg *config.Config, id workflows.FlowID) string {
	switch {
	case id.IsEvents():
		return "egress: " + strings.Join(cfg.Egress.Settings().Names(), ", ") + " to the timeline in Dynamics"
	case id.IsOptOut():
		return "optout: " + phrase.Count(int64(len(cfg.OptOut.Pairs)), "pair") + ", " + string(cfg.OptOut.Mode)
	}
	table := cfg.Ingress.Tables[id.Table]
	return fmt.Sprintf("%s: Dynamics %s to Campaign %s", id.Table, table.Dynamics.Table, table.Campaign.Resource)
}

// StartRequest is what starts the flow of this name, and what is put on file for
// its next start: the mapping or the settings, and the limits, of a configuration.
// The devstack starts its flows with it too.
func StartRequest(cfg *config.Config, name, by string) workflows.StartRequest {
	req := workflows.StartRequest{By: by}
	switch id := workflows.FlowNamed(cfg.Instance, name); {
	case id.IsEvents():
		s := cfg.Egress.Settings()
		req.Egress, req.Revision, req.LagAlarm = &s, s.Revision(), activities.Duration(cfg.Egress.LagAlarm)
		req.Tuning = workflows.Tuning{Lanes: cfg.Egress.Lanes, Poll: activities.Duration(cfg.Egress.PollEvery), StopRatio: cfg.Quarantine.StopRatio, StopMin: int64(cfg.Quarantine.StopMin)}
	case id.IsOptOut():
		s := cfg.OptOutSettings()
		req.OptOut, req.Revision = &s, s.Revision()
		// One person's choice never waits for another's: however many are refused, the
		// rest is carried.
		req.Tuning = workflows.Tuning{Lanes: cfg.OptOut.Lanes, Poll: activities.Duration(cfg.OptOut.PollEvery), StopRatio: 1}
	default:
		table := cfg.Ingress.Tables[name]
		req.Table, req.Revision = &table, table.Revision()
		req.Tuning = workflows.Tuning{
			Lanes: cfg.Ingress.Lanes, ReadAhead: cfg.Ingress.ReadAhead, Poll: activities.Duration(cfg.Ingress.PollEvery),
			StopRatio: cfg.Quarantine.StopRatio, StopMin: int64(cfg.Quarantine.StopMin), OnStop: onStop(cfg.Quarantine.OnStop),
		}
	}
	req.Tuning.RetryAfter = activities.Duration(cfg.Failures.RetryAfter)
	req.Tuning.RetryAtMost = activities.Duration(cfg.Failures.RetryAtMost)
	return req
}

func onStop(configured string) string {
	if configured == workflows.OnStopRollback {
		return configured
	}
	return ""
}
