package activities

import "causeway.dev/internal/ledger"

// Operator holds the activities that answer operators from the ledger.
type Operator struct {
	ledger  *ledger.Ledger
	budget  *Budget // nil: engine calls are not counted
	ingress *Ingress
}

// NewOperator makes the activities of one worker; they share what ingress has.
func NewOperator(ingress *Ingress) *Operator {
	return &Operator{ledger: ingress.o.Ledger, budget: ingress.o.Budget, ingress: ingress}
}

// Register makes the activities known to a worker.
func (a *Operator) Register(r Registry) {
	Register(r, map[string]any{
		ListQuarantine: a.ListQuarantine, DiscardQuarantined: a.DiscardQuarantined, ListRuns: a.ListRuns, ShowRun: a.ShowRun,
		LogOperation: a.LogOperation, ListOperations: a.ListOperations, Meter: a.Meter,
	})
}
