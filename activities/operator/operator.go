// Package operator holds the activities that answer operators from the ledger, so that
// only workers have to reach it. internal/operator orders them; workflows order
// LogOperation.
package operator

import (
	"context"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/budget"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/ledger"
)

// Options are what the activities that answer operators are made with.
type Options struct {
	Ledger      *ledger.Ledger
	Budget      *budget.Budget      // nil: engine calls are not counted
	KeepBefores time.Duration       // how long before-images are kept
	Ingress     *ingress.Activities // says what can be rolled back
	// OptOutsCarriedUpTo says up to when choices are held by both systems; nil: there is no such flow.
	OptOutsCarriedUpTo func(context.Context) (time.Time, error)
	// Credentials are the ends of those that the worker signs in with; nil: none is known.
	Credentials func() []activities.CredentialEnd
	// Doctor is what the last night's checks found; nil: nobody knows.
	Doctor func(context.Context) (*activities.DoctorResult, error)
	// OddAnswers are the services that answer as nobody expects; nil: nobody knows.
	OddAnswers func() []activities.OddAnswers
	// Notified is how the last message to a webhook went; nil: nobody is told.
	Notified func(context.Context) (*activities.NotifyState, error)
	// LogExport is how the export of logs stands; nil: there is none.
	LogExport func(context.Context) (*activities.LogExportState, error)
	// Pushes say how flows are told of changes; nil: nobody is to tell them.
	Pushes func(context.Context) ([]activities.PushState, error)
	// Backups are the settings of backups.
	Backups Backups
	// Digests are those of the configuration that the worker runs with; nil: it does not say.
	Digests map[string]string
	// Access grants permits; nil: everybody may do everything.
	Access *Access
}

// Activities holds the activities that answer operators from the ledger.
type Activities struct {
	ledger      *ledger.Ledger
	budget      *budget.Budget
	keepBefores time.Duration
	ingress     *ingress.Activities
	credentials func() []activities.CredentialEnd
	doctor      func(context.Context) (*activities.DoctorResult, error)
	odd         func() []activities.OddAnswers
	notified    func(context.Context) (*activities.NotifyState, error)
	logExport   func(context.Context) (*activities.LogExportState, error)
	pushes      func(context.Context) ([]activities.PushState, error)
	backups     Backups
	digests     map[string]string
	access      *Access
	carriedUpTo func(context.Context) (time.Time, error)
}

// New makes the activities of one worker.
func New(o Options) *Activities {
	return &Activities{ledger: o.Ledger, budget: o.Budget, keepBefores: o.KeepBefores, ingress: o.Ingress, credentials: o.Credentials, doctor: o.Doctor, carriedUpTo: o.OptOutsCarriedUpTo, access: o.Access, digests: o.Digests, odd: o.OddAnswers, notified: o.Notified, logExport: o.LogExport, pushes: o.Pushes, backups: o.Backups}
}

// Register makes the activities known to a worker.
func (a *Activities) Register(r activities.Registry) {
	activities.Register(r, map[string]any{
		activities.ListQuarantine: a.ListQuarantine, activities.DiscardQuarantined: a.DiscardQuarantined, activities.ListRuns: a.ListRuns, activities.ShowRun: a.ShowRun,
		activities.LogOperation: a.LogOperation, activities.Acknowledge: a.Acknowledge, activities.RecordSave: a.RecordSave, activities.ListSaves: a.ListSaves, activities.ShowSave: a.ShowSave, activities.ListOperations: a.ListOperations, activities.VerifyLog: a.VerifyLog, activities.Meter: a.Meter, activities.Totals: a.Totals, activities.Series: a.Series,
		activities.ListDeletes: a.ListDeletes, activities.EstimateBackfill: a.EstimateBackfill, activities.MarkRestored: a.MarkRestored, activities.RekeyLedger: a.RekeyLedger, activities.BackupLedger: a.BackupLedger,
		activities.FindTraces: a.FindTraces, activities.Forget: a.Forget,
		activities.AccessKey: a.AccessKey, activities.AskPermit: a.AskPermit, activities.ListRequests: a.ListRequests, activities.DecideRequest: a.DecideRequest,
	})
}
