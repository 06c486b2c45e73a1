package activitytest

import (
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/activities/budget"
	"causeway.dev/activities/ingress"
)

// budgetClock is a clock that tests move.
type budgetClock struct{ at atomic.Int64 }

// NewBudgetClock is a clock in the middle of an hour.
func NewBudgetClock() *budgetClock {
	c := &budgetClock{}
	c.at.Store(time.Date(2026, 3, 1, 12, 10, 0, 0, time.UTC).UnixNano())
	return c
}

// Now is the clock's time.
func (c *budgetClock) Now() time.Time { return time.Unix(0, c.at.Load()).UTC() }

// Advance moves the clock.
func (c *budgetClock) Advance(d time.Duration) { c.at.Add(int64(d)) }

// WithBudget is the same world with a budget of engine calls.
func (s *World) WithBudget(perHour int64, clock *budgetClock) (*World, *budget.Budget) {
	b := budget.New(budget.Options{Ledger: s.Ledger, PerHour: perHour, Reserved: 0.2, Now: clock.Now, Metrics: s.Scope})
	out := *s
	out.IngressOptions.Budget = b
	out.Ingress = ingress.New(out.IngressOptions)
	out.Env = NewEnv()
	out.Register()
	return &out, b
}

// CountedCalls sums the engine calls that the ledger has counted.
func (s *World) CountedCalls() (n int64) {
	s.T.Helper()
	calls, err := s.Ledger.EngineCalls(s.T.Context(), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	require.NoError(s.T, err)
	for _, c := range calls {
		n += c.Calls
	}
	return n
}

// Gauges are the values of the gauges of a scope, by name.
func Gauges(s tally.TestScope) map[string]float64 {
	out := map[string]float64{}
	for _, g := range s.Snapshot().Gauges() {
		out[g.Name()] = g.Value()
	}
	return out
}
