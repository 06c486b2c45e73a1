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

// ownerTypes live as long as their flow, so they go on with the worker's current
// version. What they start ends with the version that began it, where that is still there.
var ownerTypes = map[string]any{TypeTableSync: TableSync, TypeEventSync: EventSync, TypeOptOutSync: OptOutSync, TypeNotify: Notify}

var passTypes = map[string]any{
	TypeCheckup: Checkup, TypeBackfill: Backfill, TypeDeltaPass: DeltaPass, TypeRollback: Rollback, TypeRelease: Release,
	TypeEventPass: EventPass, TypeOptOutPass: OptOutPass, TypeAudit: Audit, TypeAsk: Ask, TypeLogExport: LogExport, TypeBackup: Backup,
}

// Register makes every workflow known under the name histories carry.
func Register(r Registry) {
	for _, name := range slices.Sorted(maps.Keys(ownerTypes)) {
		r.RegisterWorkflowWithOptions(ownerTypes[name], workflow.RegisterOptions{Name: name, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade})
	}
	for _, name := range slices.Sorted(maps.Keys(passTypes)) {
		r.RegisterWorkflowWithOptions(passTypes[name], workflow.RegisterOptions{Name: name, VersioningBehavior: workflow.VersioningBehaviorPinned})
	}
}

// OwnerTypes are the workflows that live as long as their flow.
func OwnerTypes() []string { return slices.Sorted(maps.Keys(ownerTypes)) }
