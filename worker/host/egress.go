package host

import (
	"github.com/uber-go/tally/v4"

	"causeway.dev/activities/egress"
	"causeway.dev/activities/run"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/ledger"
)

// egressOptions are the options of the flow of events.
func egressOptions(o Options, s *Services, l *ledger.Ledger, alone *run.Alone, scope tally.Scope) egress.Options {
	e := o.Config.Egress
	out := egress.Options{
		Instance: o.Config.Instance, Dynamics: s.Dataverse, DynamicsGate: s.DataverseGate, Ledger: l, Alone: alone,
		PageSize: e.PageSize, BatchSize: e.BatchSize, Concurrency: o.Config.Dynamics.Concurrency, Lanes: e.Lanes, KeepEvents: o.Config.Retention.Events,
		CheckModelsEvery: o.Config.Failures.CheckModelsEvery,
		Metrics:          scope, Logger: o.Logger,
	}
	if s.Journal != nil { // a nil client in the interface would not be nil
		out.Journal = s.Journal
	}
	out.Files = fileSource(o, s)
	return out
}

// fileSource is the folder from which both flows take exported files. It is nil when no
// file server is configured.
func fileSource(o Options, s *Services) *inbox.Source {
	if s.SFTP == nil {
		return nil
	}
	sftp := o.Config.Campaign.SFTP
	return &inbox.Source{Server: s.SFTP, Folder: sftp.Folder, StableFor: sftp.StableFor, Delete: sftp.Processed == "delete", Keep: sftp.Keep}
}
