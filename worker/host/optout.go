package host

import (
	"github.com/uber-go/tally/v4"

	"causeway.dev/activities/budget"
	"causeway.dev/activities/optout"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// optOutOptions are the options of the flow of opt-outs.
func optOutOptions(o Options, s *Services, calls *budget.Budget, l *ledger.Ledger, alone *run.Alone, pushes *run.Pushes, scope tally.Scope) optout.Options {
	c := o.Config
	return optout.Options{
		Instance: c.Instance, Dynamics: s.Dataverse, Campaign: s.Campaign, Exports: s.Campaign, Budget: calls, Ledger: l, Alone: alone, Pushes: pushes,
		Files: fileSource(o, s), Concurrency: max(1, c.Campaign.Concurrency/max(1, c.OptOut.Lanes)), Deadline: c.OptOut.Deadline, CatchUpSlack: c.Ingress.CatchUpSlack, SetAsideAfter: c.Failures.SetAsideAfter,
		CheckModelsEvery: c.Failures.CheckModelsEvery,
		Metrics:          scope, Logger: o.Logger,
	}
}
