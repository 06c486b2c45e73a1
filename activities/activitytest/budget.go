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

func NewBudgetClock() *budgetClock {
	c := &budgetClock{}
	c.at.Store(time.Date(2026, 3, 1, 12, 10, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *budgetClock) Now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *budgetClock) Advance(d time.Duration) { c.at.Add(int64(d)) }

// WithBudget is the same world with a budget of engine calls.
func (s *World) WithBudget(perHour int64, clock *budgetClock) (*World, *budget.Budget) {
	b := budget.New(budget.Options{Ledger: s.Books, PerHour: perHour, Reserved: 0.2, Now: clock.Now, Metrics: s.Scope})
	out := *s
	out.Opts.Budget = b
	out.In = ingress.New(out.Opts)
	out.Env = NewEnv()
	out.Register()
	return &out, b
}

// calls sums what the ledger counted.
func (s *World) Counted() (n int64) {
	s.T.Helper()
	calls, err := s.Books.EngineCalls(s.T.Context(), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	require.NoError(s.T, err)
	for _, c := range calls {
		n += c.Calls
	}
	return n
}

// Gauges are those of a scope that has been set, by name.
func Gauges(s tally.TestScope) map[string]float64 {
	out := map[string]float64{}
	for _, g := range s.Snapshot().Gauges() {
		out[g.Name()] = g.Value()
	}
	return out
}
