package host

import (
	"github.com/uber-go/tally/v4"

	"causeway.dev/activities/budget"
	"causeway.dev/activities/optout"
	"causeway.dev/internal/ledger"
)

// optOutOptions are those of the flow of opt-outs.
func optOutOptions(o Options, s *Services, calls *budget.Budget, l *ledger.Ledger, scope tally.Scope) optout.Options {
	c := o.Config
	out := optout.Options{
		Instance: c.Instance, Dynamics: s.Dataverse, Campaign: s.Campaign, Exports: s.Campaign, Budget: calls, Ledger: l,
		Folder: c.Campaign.SFTP.Folder, StableFor: c.Campaign.SFTP.StableFor, DeleteFiles: c.Campaign.SFTP.Processed == "delete", KeepFiles: c.Campaign.SFTP.Keep,
		Concurrency: max(1, c.Campaign.Concurrency/max(1, c.OptOut.Lanes)), KeepEvidence: c.OptOut.KeepEvidence, CatchUpSlack: c.Ingress.CatchUpSlack,
		Metrics: scope, Logger: o.Logger,
	}
	if s.SFTP != nil { // a nil client would not be a nil server
		out.Files = s.SFTP
	}
	return out
}
