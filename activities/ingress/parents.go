package ingress

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// How long the initial load of a parent is waited for. Waiting only saves work: a child
// that comes before its parent is parked. So none of these bounds can do harm.
const (
	parentPoll  = time.Second
	parentBegin = 10 * time.Second // a parent that is being started begins its load within this time
	parentStuck = 5 * time.Minute  // a load that gets no further is not waited for
)

// AwaitParents returns when no parent of a table is in its initial load, or at
// the latest after in.Wait; Loading names those that still are.
func (a *Activities) AwaitParents(ctx context.Context, in activities.AwaitParentsInput) (*activities.AwaitParentsResult, error) {
	began := time.Now()
	moved, read := map[string]time.Time{}, map[string]int64{}
	for {
		out := &activities.AwaitParentsResult{}
		for _, parent := range in.Parents {
			run, err := a.loading(ctx, parent)
			switch {
			case err != nil:
				return nil, err
			case run == nil:
				if begun, err := a.hasRuns(ctx, parent); err != nil {
					return nil, err
				} else if !begun && time.Since(began) < parentBegin {
					out.Loading = append(out.Loading, parent)
				}
				continue
			}
			if n := run.Counts.Read; moved[parent].IsZero() || n != read[parent] {
				moved[parent], read[parent] = time.Now(), n
			}
			if time.Since(moved[parent]) < parentStuck {
				out.Loading = append(out.Loading, parent)
			}
		}
		if len(out.Loading) == 0 || time.Since(began) >= time.Duration(in.Wait) {
			return out, nil
		}
		activity.RecordHeartbeat(ctx, out.Loading)
		select {
		case <-time.After(parentPoll):
		case <-activity.GetWorkerStopChannel(ctx):
			return out, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// loading is the initial load that a table is in; nil when there is none.
func (a *Activities) loading(ctx context.Context, table string) (*ledger.Run, error) {
	runs, err := a.o.Ledger.Runs(ctx, ledger.RunFilter{Flow: activities.FlowIngress, Table: table, State: ledger.RunRunning, Limit: 100})
	for i := range runs {
		if activities.Kind(runs[i].Kind) == activities.KindInitial {
			return &runs[i], err
		}
	}
	return nil, err
}

// hasRuns says whether a table has ever had a run.
func (a *Activities) hasRuns(ctx context.Context, table string) (bool, error) {
	runs, err := a.o.Ledger.Runs(ctx, ledger.RunFilter{Flow: activities.FlowIngress, Table: table, Limit: 1})
	return len(runs) > 0, err
}
