package operator

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

const (
	estimateLooks = 200 // runs that are looked through
	estimateRuns  = 3   // whole ones that an estimate goes by
)

// EstimateBackfill says what reading a whole table again costs, by what the ledger knows.
// It asks neither system.
func (a *Activities) EstimateBackfill(ctx context.Context, in activities.EstimateInput) (*activities.EstimateResult, error) {
	out := &activities.EstimateResult{}
	if a.budget != nil {
		out.PerHour = a.budget.ForLoads()
	}
	var err error
	if in.Flow == activities.FlowEgress {
		out.Records, err = a.ledger.ReadSince(ctx, in.Flow, in.Table, in.Since)
		return out, err
	}
	if in.Flow == activities.FlowIngress {
		if out.Records, err = a.ledger.KnownCount(ctx, in.Table); err != nil {
			return nil, err
		}
	}
	runs, err := a.ledger.Runs(ctx, ledger.RunFilter{Flow: in.Flow, Table: in.Table, State: ledger.RunCompleted, Limit: estimateLooks})
	if err != nil {
		return nil, err
	}
	var whole []ledger.Run
	for _, r := range runs {
		if len(whole) < estimateRuns && readWhole(&r) {
			whole = append(whole, r)
		}
	}
	estimate(out, whole)
	return out, nil
}

// readWhole says that a run read the whole table. Deltas and windows say little about how
// long that takes.
func readWhole(r *ledger.Run) bool {
	var w activities.Window
	switch activities.Kind(r.Kind) {
	case activities.KindInitial:
	case activities.KindBackfill:
		if r.Span != "" && (json.Unmarshal([]byte(r.Span), &w) != nil || !w.Whole()) {
			return false
		}
	default:
		return false
	}
	return r.Counts.Read > 0 && r.Ended.After(r.Started)
}

// estimate adds what follows from earlier runs, the newest first.
func estimate(out *activities.EstimateResult, whole []ledger.Run) {
	if len(whole) == 0 {
		return
	}
	out.Records, out.Runs = max(out.Records, whole[0].Counts.Read), len(whole)
	quick, slow := math.Inf(1), 0.0
	var again ledger.Counts // of runs that read again what was written before
	for _, r := range whole {
		each := r.Ended.Sub(r.Started).Seconds() / float64(r.Counts.Read)
		quick, slow = min(quick, each), max(slow, each)
		if activities.Kind(r.Kind) == activities.KindBackfill {
			again.Read += r.Counts.Read
			again.Created += r.Counts.Created + r.Counts.Updated + r.Counts.Deleted
		}
	}
	records := float64(out.Records)
	out.Quick, out.Slow = seconds(quick*records), seconds(slow*records)
	if again.Read > 0 {
		calls := int64(math.Ceil(records * float64(again.Created) / float64(again.Read)))
		out.Calls = &calls
		if out.PerHour > 0 { // loads wait for the next hour when this one's are used up
			out.Slow = max(out.Slow, calls/out.PerHour*int64(time.Hour/time.Second))
		}
	}
}

// seconds rounds up: what takes less than one is not told as none.
func seconds(s float64) int64 { return max(1, int64(math.Ceil(s))) }
