package workflows

import (
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// repair acts on an audit: what it found goes into the ledger while nobody else
// writes the table, and a new baseline brings Campaign to what Dynamics says.
func (s *tableSync) repair(ctx workflow.Context) error {
	next, _ := s.first(RequestRepair)
	s.Status.Phase = "repairing what audit " + next.Run + " found"
	s.publish(ctx)
	opts := activityOptions(QueueMain, activities.KindBackfill, s.Status.Phase)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.ApplyFindings,
		activities.ApplyFindingsInput{Table: s.name, Run: next.Run}).Get(ctx, nil)
	if err != nil {
		return s.failed(ctx, err)
	}
	s.dequeue(RequestRepair, next.Run)
	s.state.NeedsBaseline, s.state.Corrected = true, true
	if s.state.Restore == restoreAuditing {
		s.state.Restore = restoreRepair
	}
	return nil
}

// receiveRepairs receives what audits ask for, for the life of the workflow.
func (s *tableSync) receiveRepairs(ctx workflow.Context) {
	s.repairs = workflow.GetSignalChannel(ctx, SignalRepair)
	workflow.GoNamed(ctx, "repairs", func(ctx workflow.Context) {
		for {
			var asked Repair
			if more := s.repairs.Receive(ctx, &asked); !more {
				return
			}
			s.takeRepair(ctx, asked)
			s.endWait()
		}
	})
}

// drainRepairs takes what arrived in the task that continues as new.
func (s *tableSync) drainRepairs(ctx workflow.Context) {
	for {
		var asked Repair
		if !s.repairs.ReceiveAsync(&asked) {
			return
		}
		s.takeRepair(ctx, asked)
	}
}

func (s *tableSync) takeRepair(ctx workflow.Context, asked Repair) {
	if asked.Failed {
		if s.state.Restore == restoreAuditing {
			s.state.Restore, s.state.AuditAfter = restoreAudit, workflow.Now(ctx).Add(auditAgainAfter)
		}
		return
	}
	s.enqueue(Request{Kind: RequestRepair, Run: asked.Audit, By: asked.By})
	s.logOperation(ctx, activities.Operation{ID: "repair/" + asked.Audit, By: asked.By, What: activities.OpRepair, Run: asked.Audit})
}
