package workflows

import (
	"maps"
	"slices"

	"go.temporal.io/sdk/workflow"
)

// Registry is what workflows are registered with: a worker, or a replayer.
type Registry interface {
	RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions)
}

// owners carry their flow for as long as it lives, so they go on with the worker's current
// version. What they start ends with the version that began it, where that is still there.
var ownerTypes = map[string]any{TypeTableSync: TableSync, TypeEventSync: EventSync, TypeOptOutSync: OptOutSync}

var passTypes = map[string]any{
	TypeCheckup: Checkup, TypeBackfill: Backfill, TypeDeltaPass: DeltaPass, TypeRollback: Rollback, TypeRelease: Release,
	TypeEventPass: EventPass, TypeOptOutPass: OptOutPass, TypeAudit: Audit, TypeAsk: Ask, TypeNotify: Notify,
}

// Register makes every workflow known under the name histories carry.
func Register(r Registry) {
	r.RegisterWorkflowWithOptions(TableSync, workflow.RegisterOptions{Name: TypeTableSync})
	r.RegisterWorkflowWithOptions(Backup, workflow.RegisterOptions{Name: TypeBackup})
	r.RegisterWorkflowWithOptions(Checkup, workflow.RegisterOptions{Name: TypeCheckup})
	r.RegisterWorkflowWithOptions(LogExport, workflow.RegisterOptions{Name: TypeLogExport})
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
	for _, name := range slices.Sorted(maps.Keys(ownerTypes)) {
		r.RegisterWorkflowWithOptions(ownerTypes[name], workflow.RegisterOptions{Name: name, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade})
	}
	for _, name := range slices.Sorted(maps.Keys(passTypes)) {
		r.RegisterWorkflowWithOptions(passTypes[name], workflow.RegisterOptions{Name: name, VersioningBehavior: workflow.VersioningBehaviorPinned})
	}
}

// OwnerTypes are the workflows that live as long as their flow.
func OwnerTypes() []string { return slices.Sorted(maps.Keys(ownerTypes)) }
