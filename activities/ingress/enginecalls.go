package ingress

import (
	"context"
)

// reportEngineCalls adds the engine calls that were made since to the ledger's count.
// Every activity that calls Campaign ends with it.
func (a *Activities) reportEngineCalls(ctx context.Context) {
	if a.o.Budget == nil {
		return
	}
	if err := a.o.Budget.Report(context.WithoutCancel(ctx)); err != nil {
		a.o.Logger.Warn("counting engine calls", "error", err)
	}
}
