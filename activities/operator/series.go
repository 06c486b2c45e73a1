package operator

import (
	"context"
	"fmt"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// Series reads what charts show from the ledger.
func (a *Activities) Series(ctx context.Context, in activities.SeriesInput) (*activities.SeriesResult, error) {
	switch span := in.To.Sub(in.From); {
	case in.Step < time.Minute || in.Step%time.Minute != 0:
		return nil, run.Blocked("BadInput", fmt.Sprintf("step: got %s, want whole minutes", in.Step))
	case span <= 0 || span/in.Step > activities.MaxSeriesPoints:
		return nil, run.Blocked("BadInput", fmt.Sprintf("from, to: got %s in steps of %s, want 1 to %d steps", span, in.Step, activities.MaxSeriesPoints))
	}
	points, err := a.ledger.Series(ctx, ledger.SeriesFilter{Flow: in.Flow, Table: in.Table, From: in.From, To: in.To, Step: in.Step})
	if err != nil {
		return nil, err
	}
	out := &activities.SeriesResult{Points: make([]activities.SeriesPoint, 0, len(points))}
	for _, p := range points {
		one := activities.SeriesPoint{At: p.At.UTC(), Counts: run.CountsOf(p.Counts), Looked: p.Looked, Backlog: p.Backlog}
		if p.Lag >= 0 {
			seconds := int64(p.Lag / time.Second)
			one.Lag = &seconds
		}
		out.Points = append(out.Points, one)
	}
	if in.Flow == "" {
		out.Calls, err = a.calls(ctx, in.From)
	}
	return out, err
}
