package activities

import (
	"context"
	"time"
)

// MeterInput asks for the engine calls of the last day.
type MeterInput struct{}

// MeterResult is how many engine calls were made, by hour and kind of work.
type MeterResult struct {
	Budget int64        `json:"budget,omitempty"` // per hour; 0 = none
	Hours  []MeterCalls `json:"hours"`            // of the last day, oldest first
}

// MeterCalls are the engine calls of one hour.
type MeterCalls struct {
	Hour    time.Time `json:"hour"`
	Changes int64     `json:"changes"`
	Loads   int64     `json:"loads"`
}

// Meter reads the engine calls of the last day from the ledger.
func (a *Operator) Meter(ctx context.Context, _ MeterInput) (*MeterResult, error) {
	out := &MeterResult{Hours: []MeterCalls{}}
	if a.budget != nil {
		out.Budget = a.budget.PerHour()
	}
	calls, err := a.ledger.EngineCalls(ctx, time.Now().Add(-24*time.Hour))
	for _, c := range calls {
		if n := len(out.Hours); n == 0 || !out.Hours[n-1].Hour.Equal(c.Hour) {
			out.Hours = append(out.Hours, MeterCalls{Hour: c.Hour})
		}
		last := &out.Hours[len(out.Hours)-1]
		switch c.Kind {
		case callsOfChanges:
			last.Changes += c.Calls
		case callsOfLoads:
			last.Loads += c.Calls
		}
	}
	return out, err
}
