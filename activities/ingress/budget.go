package ingress

import (
	"context"
)

// tell brings the meter up to date. An activity that made calls ends with it.
func (a *Activities) tell(ctx context.Context) {
	if a.o.Budget == nil {
		return
	}
	if err := a.o.Budget.Report(context.WithoutCancel(ctx)); err != nil {
		a.o.Logger.Warn("counting engine calls", "error", err)
	}
}
