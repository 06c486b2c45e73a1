package ingress

import (
	"context"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// closeLostAudits closes the other audits of a table that began no later and that the
// ledger has as running. There is one at a time, so nobody drives them: their workflow was
// ended from outside, or the ledger was restored to a time when they ran.
func (a *Activities) closeLostAudits(ctx context.Context, begun *ledger.Run) error {
	running, err := a.o.Ledger.Runs(ctx, ledger.RunFilter{Flow: activities.FlowAudit, Table: begun.Table, State: ledger.RunRunning})
	if err != nil {
		return err
	}
	for i := range running {
		lost := &running[i]
		if lost.ID == begun.ID || lost.Started.After(begun.Started) {
			continue
		}
		if err := a.o.Ledger.SetRunState(ctx, lost.ID, ledger.RunFailed, "nobody went on with it when the next audit began"); err != nil {
			return err
		}
		if err := a.o.Ledger.ForgetPages(ctx, lost.ID); err != nil {
			return err
		}
	}
	return nil
}

// ApplyFindings makes the ledger say what Campaign holds of the records that the last
// audit found changed or missing. The next baseline then writes what Dynamics says. The
// owner of the table has it run between two passes.
func (a *Activities) ApplyFindings(ctx context.Context, in activities.ApplyFindingsInput) (*activities.ApplyFindingsResult, error) {
	if in.Run != "" { // a ledger that was restored since lacks the audit, and what it found
		if _, err := a.o.Ledger.Run(ctx, in.Run); err != nil {
			return nil, run.Lost(err)
		}
	}
	n, err := a.o.Ledger.Correct(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	if err := a.trustLedger(ctx, in.Table); err != nil {
		return nil, err
	}
	return &activities.ApplyFindingsResult{Corrected: n}, nil
}

// trustLedger lets deletes go on that waited because the ledger was restored: an audit has
// looked since. More than a run may make unasked wait for an operator.
func (a *Activities) trustLedger(ctx context.Context, table string) error {
	restored, err := run.Restored(ctx, a.o.Ledger, activities.FlowIngress, table)
	if err != nil || !restored {
		return err
	}
	if err := run.Trust(ctx, a.o.Ledger, activities.FlowIngress, table); err != nil {
		return err
	}
	waiting, err := a.approvals(ctx, table)
	for _, w := range waiting {
		if _, err := a.releaseDeletes(ctx, w.Run, table); err != nil {
			return err
		}
	}
	return err
}
