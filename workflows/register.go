package workflows

import "go.temporal.io/sdk/workflow"

// Registry is what workflows are registered with: a worker, or a replayer.
type Registry interface {
	RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions)
}

// Register makes every workflow known under the name histories carry.
func Register(r Registry) {
	r.RegisterWorkflowWithOptions(TableSync, workflow.RegisterOptions{Name: TypeTableSync})
	r.RegisterWorkflowWithOptions(Backup, workflow.RegisterOptions{Name: TypeBackup})
	r.RegisterWorkflowWithOptions(Checkup, workflow.RegisterOptions{Name: TypeCheckup})
	r.RegisterWorkflowWithOptions(Backfill, workflow.RegisterOptions{Name: TypeBackfill})
	r.RegisterWorkflowWithOptions(DeltaPass, workflow.RegisterOptions{Name: TypeDeltaPass})
	r.RegisterWorkflowWithOptions(Rollback, workflow.RegisterOptions{Name: TypeRollback})
	r.RegisterWorkflowWithOptions(Release, workflow.RegisterOptions{Name: TypeRelease})
	r.RegisterWorkflowWithOptions(EventSync, workflow.RegisterOptions{Name: TypeEventSync})
	r.RegisterWorkflowWithOptions(EventPass, workflow.RegisterOptions{Name: TypeEventPass})
	r.RegisterWorkflowWithOptions(OptOutSync, workflow.RegisterOptions{Name: TypeOptOutSync})
	r.RegisterWorkflowWithOptions(OptOutPass, workflow.RegisterOptions{Name: TypeOptOutPass})
	r.RegisterWorkflowWithOptions(Audit, workflow.RegisterOptions{Name: TypeAudit})
	r.RegisterWorkflowWithOptions(Ask, workflow.RegisterOptions{Name: TypeAsk})
}
