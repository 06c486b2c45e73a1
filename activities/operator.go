package activities

import (
	"time"

	"causeway.dev/internal/ledger"
)

// OperatorOptions of the activities that answer operators.
type OperatorOptions struct {
	Ledger      *ledger.Ledger
	Budget      *Budget       // nil: engine calls are not counted
	KeepBefores time.Duration // how long before-images are kept
	Ingress     *Ingress      // says what can be rolled back
}

// Operator holds the activities that answer operators from the ledger.
type Operator struct {
	ledger      *ledger.Ledger
	budget      *Budget
	keepBefores time.Duration
	ingress     *Ingress
}

// NewOperator makes the activities of one worker.
func NewOperator(o OperatorOptions) *Operator {
	return &Operator{ledger: o.Ledger, budget: o.Budget, keepBefores: o.KeepBefores, ingress: o.Ingress}
}

// Register makes the activities known to a worker.
func (a *Operator) Register(r Registry) {
	Register(r, map[string]any{
		ListQuarantine: a.ListQuarantine, DiscardQuarantined: a.DiscardQuarantined, ListRuns: a.ListRuns, ShowRun: a.ShowRun,
		LogOperation: a.LogOperation, ListOperations: a.ListOperations, Meter: a.Meter,
	})
}
