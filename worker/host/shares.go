package host

import (
	"github.com/uber-go/tally/v4"

	"causeway.dev/activities/budget"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/temporalconn"
)

const (
	// requestsAConnection and lanesAConnection bound what one worker takes on by what its
	// connections to the ledger can carry: more would only wait for them.
	requestsAConnection = 4
	lanesAConnection    = 8
)

// sharesOptions divide the limits of both services between workers.
func sharesOptions(o Options, l *ledger.Ledger, s *Services, lanes *lanes, scope tally.Scope) budget.SharesOptions {
	c := o.Config
	most := requestsAConnection * c.Ledger.Connections
	return budget.SharesOptions{
		Ledger: l, Worker: l.Worker(), Name: temporalconn.WorkerName(c.Instance), Every: c.Ledger.ShareEvery, Gates: s.Gates, Lanes: lanes.count, Metrics: scope, Logger: o.Logger,
		Limits: []budget.Shared{
			{Name: "campaign", Limiter: s.CampaignLimiter, InFlight: c.Campaign.Concurrency, Rate: c.Campaign.Rate, Most: most},
			{Name: "dynamics", Limiter: s.DataverseLimiter, InFlight: c.Dynamics.Concurrency, Most: most},
		},
	}
}
