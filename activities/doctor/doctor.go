// Package doctor holds the activity that looks at everything outside a worker: the ledger,
// both systems and their token services, the journal, the file server, credentials,
// certificates and clocks. It reads only. The worker host makes it; internal/operator asks
// for it, and a schedule does every night.
package doctor

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/egress"
	"causeway.dev/activities/ingress"
	flow "causeway.dev/activities/optout"
	"causeway.dev/activities/run"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/transport"
)

type dynamics interface {
	WhoAmI(ctx context.Context) (*dataverse.Identity, error)
	Version(ctx context.Context) (string, error)
	Get(ctx context.Context, q dataverse.Query, id string) (*dataverse.Change, error)
	TrackingWindow(ctx context.Context) (int, error)
	Entity(ctx context.Context, logicalName string) (*dataverse.Entity, error)
	UserPrivileges(ctx context.Context, user string) (map[string]dataverse.Depth, error)
	TablePrivileges(ctx context.Context, logicalName string) ([]dataverse.Privilege, error)
}

type journal interface {
	Page(ctx context.Context, link string, limit int) (*campaign.JournalPage, error)
}

// space is what a file server may tell of its room.
type space interface {
	Space(ctx context.Context, folder string) (free, total uint64, known bool, err error)
}

type metadata interface {
	Metadata(ctx context.Context, r campaign.Resource) (*campaign.Metadata, error)
}

// Options are what a doctor looks at, and what it counts as well.
type Options struct {
	Ledger   *ledger.Ledger
	Dynamics dynamics
	Campaign metadata
	Journal  journal       // nil: none is configured
	Files    *inbox.Source // nil: no file server is configured
	Space    space         // of the file server; nil: it is not asked
	Ingress  *ingress.Activities
	Egress   *egress.Activities
	OptOut   *flow.Activities

	Tables  []activities.Table
	Events  activities.EgressSettings
	OptOuts activities.OptOutSettings

	// DynamicsToken and CampaignToken get a token with the credential as it is now, and
	// not one that was kept.
	DynamicsToken, CampaignToken func(ctx context.Context) error
	Credentials                  func() []activities.CredentialEnd

	// Backups says how those of the ledger stand; nil of PostgreSQL.
	Backups func(ctx context.Context) (*activities.BackupState, error)

	// Hooks calls the address at which this worker takes the calls of Dynamics, and says which
	// it is; nil: it takes none.
	Hooks func(ctx context.Context) (address string, err error)

	ClockSkew time.Duration // by which a clock may differ from ours
	FreeSpace uint64        // bytes that have to be free for the ledger and on the file server
	Expiry    time.Duration // before the end of a credential or certificate, from which it is told of
	Step      time.Duration // that one check may take
	Now       func() time.Time
}

// Activities holds the activity.
type Activities struct{ o Options }

// New makes the activities of one worker.
func New(o Options) *Activities {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Activities{o: o}
}

// Register makes the activity known to a worker.
func (a *Activities) Register(r activities.Registry) {
	activities.Register(r, map[string]any{activities.Doctor: a.Doctor, activities.KeepChecks: a.KeepChecks})
}

// defaultWithin bounds all checks of somebody who named no bound.
const defaultWithin = 50 * time.Second

// Doctor makes every check of the areas. One that fails hides no other: those that need it
// are skipped, and say so.
func (a *Activities) Doctor(ctx context.Context, in activities.DoctorInput) (*activities.DoctorResult, error) {
	defer run.KeepBeating(ctx, nil)()
	within := in.Within
	if within <= 0 {
		within = defaultWithin
	}
	seen := newWitness()
	seen.answered("Temporal", activity.GetInfo(ctx).StartedTime, a.o.Now(), a.o.Now())
	bound, cancel := context.WithTimeout(transport.WithWitness(ctx, seen), within)
	defer cancel()
	v := &visit{a: a, seen: seen}
	checks := carryOut(bound, v.steps(), in.Areas, a.o.Step)
	checks = append(checks, v.after(in.Areas)...)
	out := &activities.DoctorResult{At: a.o.Now().UTC(), Checks: sorted(checks)}
	out.Requests, out.EngineCalls = seen.counts()
	if in.Keep && ctx.Err() == nil {
		v.keep(ctx, out)
	}
	return out, ctx.Err()
}

// keep keeps the answer for status. A ledger that does not take it is among what was found.
func (v *visit) keep(ctx context.Context, out *activities.DoctorResult) {
	doc, err := json.Marshal(out)
	if err == nil {
		err = v.a.o.Ledger.SaveFact(ctx, Kept, string(doc))
	}
	if err != nil {
		out.Checks = sorted(append(out.Checks, activities.Check{Area: activities.AreaLedger, What: "keeping what was found", State: activities.CheckWarn, Found: err.Error(), Remedy: "see ledger: reachable"}))
	}
}

// KeepChecks adds what a night's audits found to the answer that is kept, in place of what
// earlier ones found.
func (a *Activities) KeepChecks(ctx context.Context, in activities.KeepChecksInput) error {
	out, err := Last(ctx, a.o.Ledger)
	if err != nil {
		return err
	}
	if out == nil {
		out = &activities.DoctorResult{At: a.o.Now().UTC()}
	}
	for _, c := range in.Checks {
		out.Checks = slices.DeleteFunc(out.Checks, func(old activities.Check) bool { return old.Area == c.Area && old.What == c.What })
	}
	out.Checks = sorted(append(out.Checks, in.Checks...))
	doc, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return a.o.Ledger.SaveFact(ctx, Kept, string(doc))
}

// Kept names the answer of the night in the ledger.
const Kept = "doctor"

// Last is the answer that was kept last; nil when none was.
func Last(ctx context.Context, l *ledger.Ledger) (*activities.DoctorResult, error) {
	doc, err := l.Fact(ctx, Kept)
	if err != nil || doc == "" {
		return nil, err
	}
	out := &activities.DoctorResult{}
	return out, json.Unmarshal([]byte(doc), out)
}
