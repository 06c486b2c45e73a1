package host

import (
	"context"
	"fmt"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/activities/doctor"
	"causeway.dev/config"
	"causeway.dev/internal/ledger"
	"causeway.dev/workflows"
)

// checkupOf is the schedule of an instance that has the doctor look every night.
func checkupOf(cfg *config.Config) nightly {
	var in workflows.CheckupInput
	for _, name := range cfg.Doctor.Audit {
		in.Audits = append(in.Audits, workflows.AuditInput{Instance: cfg.Instance, Table: cfg.Ingress.Tables[name], By: workflows.BySchedule})
	}
	return nightly{setting: "doctor.nightly", at: cfg.Doctor.Nightly, id: workflows.CheckupID(cfg.Instance), workflow: workflows.TypeCheckup, summary: "checks of the night", args: []any{in}}
}

// checkupGauges show what the last night found, also on a worker that did not look.
type checkupGauges struct {
	ledger *ledger.Ledger
	scope  tally.Scope
}

func (g *checkupGauges) refresh(ctx context.Context) error {
	last, err := doctor.Last(ctx, g.ledger)
	if err != nil {
		return fmt.Errorf("what the doctor found: %w", err)
	}
	failing := map[string]int{} // while nobody has looked, nothing is known to fail
	if last != nil {
		for _, c := range last.Checks {
			if c.State == activities.CheckFail {
				failing[c.Area]++
			}
		}
	}
	for _, area := range activities.Areas() {
		g.scope.Tagged(map[string]string{"area": area}).Gauge("doctor_checks_failing").Update(float64(failing[area]))
	}
	if last != nil {
		g.scope.Gauge("doctor_last_timestamp_seconds").Update(float64(last.At.Unix()))
	}
	return nil
}
