// Package optout holds the activities that keep opt-outs the same in both systems. They
// read what people have chosen on either side, write what the rules of internal/optout
// decide, and keep evidence. The worker host makes one set; workflows and
// internal/operator order its activities by name.
package optout

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/activities/budget"
	"causeway.dev/activities/run"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

// campaignWatermark is the name of the watermark of what was read of Campaign over REST.
const campaignWatermark = "optout/campaign"

// contacts is what the flow needs of Dynamics.
type contacts interface {
	WhoAmI(ctx context.Context) (*dataverse.Identity, error)
	Entity(ctx context.Context, logicalName string) (*dataverse.Entity, error)
	Query(ctx context.Context, q dataverse.Query) (*dataverse.Page, error)
	Follow(ctx context.Context, q dataverse.Query, link string) (*dataverse.Page, error)
	ByIDs(ctx context.Context, q dataverse.Query, ids []string) (*dataverse.Page, error)
	Get(ctx context.Context, q dataverse.Query, id string) (*dataverse.Change, error)
	TotalRecordCount(ctx context.Context, logicalName string) (int64, error)
	Update(ctx context.Context, w dataverse.Write) (*dataverse.Result, error)
}

// Options of the opt-out activities.
type Options struct {
	Instance     string // work of other instances is refused
	Dynamics     contacts
	Campaign     budget.Target
	Budget       *budget.Budget // of calls to Campaign; nil = not counted
	Files        *inbox.Source  // of the exports; nil: no file server is configured
	Exports      exportControl
	Ledger       *ledger.Ledger
	Alone        *run.Alone    // shared by the flows of a process; nil = there is one flow
	Pushes       *run.Pushes   // shared by the flows of a process; nil: nobody tells of changes
	Concurrency  int           // contacts written at a time in a lane
	Deadline     time.Duration // how old a choice may become that is not carried over
	CatchUpSlack time.Duration // how far before a baseline changes are read again
	// SetAsideAfter is how long a record may fail alone before it is set aside; 0 is ten minutes.
	SetAsideAfter time.Duration
	// CheckModelsEvery is the pause between looks at the data models while the flow runs; 0 looks at starts only.
	CheckModelsEvery time.Duration
	Metrics          tally.Scope
	Logger           *slog.Logger
	Now              func() time.Time // nil: time.Now
}

// Activities holds the activities of the flow of opt-outs.
type Activities struct {
	o       Options
	metrics *metrics
	lanes   *run.Lanes
	models  *run.ModelWatch

	files  *inbox.Box[*exportRows]
	reread run.Rereads[settingsPlan]

	mu            sync.Mutex
	plans         map[string]*settingsPlan
	campaignAsked time.Time // when Campaign or its file server was last looked at
	farBackAsked  time.Time // … and far back, to the end
	farBackIn     farBackRead
}

// New makes the activities of one worker.
func New(o Options) *Activities {
	if o.Metrics == nil {
		o.Metrics = tally.NoopScope
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Budget != nil {
		o.Campaign = o.Budget.Counted(o.Campaign)
	}
	a := &Activities{o: o, metrics: newMetrics(o.Metrics, o.Ledger, o.Logger), lanes: run.NewLanes(o.Ledger, o.Logger, nil, o.Concurrency, o.Alone), plans: map[string]*settingsPlan{}, models: run.NewModelWatch(o.CheckModelsEvery, o.Ledger, o.Metrics, o.Logger)}
	files := inbox.Options{Flow: activities.FlowOptOut, Instance: o.Instance, Source: o.Files, Ledger: o.Ledger, Logger: o.Logger, Now: o.Now}
	if o.Files != nil {
		files.KeepNotes = 2 * o.Files.Keep
	}
	a.files = inbox.New(files, exportFiles)
	return a
}

// settingsPlan is what settings resolved to against both data models. The ledger keeps it.
type settingsPlan struct {
	Settings  optout.Settings   `json:"settings"`
	EntitySet string            `json:"entity_set"`
	Key       string            `json:"key"`    // primary key of contact
	API       string            `json:"api"`    // that serves the profile
	Wire      map[string]string `json:"wire"`   // attribute -> field of the profile
	Stamps    map[string]string `json:"stamps"` // attribute -> field of its last change, where there is one
	Source    string            `json:"source"` // rest or sftp
}

var profileKey = "externalId" // R19.1: of the profile

func (p *settingsPlan) resource() campaign.Resource {
	return campaign.Resource{API: p.API, Name: "profile"}
}

// columns are the columns of contact that are read, without the key.
func (p *settingsPlan) columns() []string {
	out := []string{"modifiedon", "merged", "_masterid_value"}
	for _, pair := range p.Settings.Pairs {
		out = append(out, pair.Dynamics)
	}
	return out
}

func (p *settingsPlan) query() dataverse.Query {
	return dataverse.Query{EntitySet: p.EntitySet, KeyColumn: p.Key, Select: append([]string{p.Key}, p.columns()...)}
}

// plan is what the settings of a run resolved to.
func (a *Activities) plan(ctx context.Context, ref activities.RunRef) (*settingsPlan, error) {
	p, err := a.planOf(ctx, ref.PlanKey())
	if err != nil {
		return nil, run.LacksSettings(ctx, a.o.Ledger, ref, activities.FlowOptOut, err)
	}
	return p, nil
}

// planOf loads what settings resolved to, once per process.
func (a *Activities) planOf(ctx context.Context, key string) (*settingsPlan, error) {
	a.mu.Lock()
	p, ok := a.plans[key]
	a.mu.Unlock()
	if ok {
		return p, nil
	}
	doc, err := a.o.Ledger.Revision(ctx, activities.FlowOptOut+"/"+key)
	if err != nil {
		return nil, fmt.Errorf("loading the opt-out settings of revision %s: %w", key, err)
	}
	p = &settingsPlan{}
	if err := json.Unmarshal(doc, p); err != nil {
		return nil, fmt.Errorf("reading the opt-out settings of revision %s: %w", key, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.plans[key] = p
	return p, nil
}

// metrics are the counters and gauges of the flow; deploy/alerts.yml names some.
type metrics struct {
	scope      tally.Scope
	read       tally.Counter
	dynamics   tally.Counter // contacts written
	campaign   tally.Counter // profiles written
	cleared    tally.Counter // opt-outs taken back in Dynamics
	transient  tally.Counter // contacts that are tried again
	waiting    tally.Gauge   // contacts whose opt-out waits for a profile
	quarantine tally.Gauge
	carried    tally.Gauge // unix seconds: what was chosen until then is held by both systems
	deadline   tally.Gauge // seconds: how old a choice may become that is not
	restored   tally.Gauge // 1 while the ledger counts as restored
	badFiles   *run.Told   // exported files that cannot be read
	newestFile *run.Told   // unix seconds: of the newest export that was read
	exportDown *run.Told   // 1 while somebody has to look after the export
	restarts   tally.Counter
	watermark  tally.Gauge // unix seconds: what was chosen in Dynamics until then is dealt with
}

func newMetrics(scope tally.Scope, l *ledger.Ledger, logger *slog.Logger) *metrics {
	scope = scope.SubScope("optout")
	writes := func(system string) tally.Counter {
		return scope.Tagged(map[string]string{"system": system}).Counter("writes")
	}
	told := func(name string) *run.Told {
		return &run.Told{Ledger: l, Logger: logger, Name: activities.FlowOptOut + "/" + name, Gauge: scope.Gauge(name)}
	}
	run.ShowNoneEnded(scope)
	return &metrics{
		scope: scope, read: scope.Counter("records_read"), dynamics: writes("dynamics"), campaign: writes("campaign"),
		cleared: scope.Counter("opt_outs_cleared"), transient: scope.Counter("transient_failures"), waiting: scope.Gauge("waiting_for_profile"),
		quarantine: scope.Gauge("quarantine_open"), restored: scope.Gauge("ledger_restored"), carried: scope.Gauge("carried_up_to_timestamp_seconds"), deadline: scope.Gauge("deadline_seconds"), badFiles: told("bad_files"), newestFile: told("newest_file_timestamp_seconds"),
		exportDown: told("export_alarm"), restarts: scope.Counter("export_restarts"), watermark: scope.Gauge("watermark_timestamp_seconds"),
	}
}

// showWatermark shows up to when choices in Dynamics are dealt with.
func (a *Activities) showWatermark(t time.Time) {
	if !t.IsZero() {
		a.metrics.watermark.Update(float64(t.Unix()))
	}
}

func (m *metrics) countEnded(kind activities.Kind, state ledger.RunState) {
	run.CountEnded(m.scope, kind, state)
}

// Register makes the activities known to a worker.
func (a *Activities) Register(r activities.Registry) {
	activities.Register(r, map[string]any{
		activities.PreflightOptOut: a.PreflightOptOut, activities.OpenOptOutRun: a.OpenOptOutRun, activities.FetchOptOuts: a.FetchOptOuts, activities.WriteOptOuts: a.WriteOptOuts,
		activities.SaveOptOutPosition: a.SaveOptOutPosition, activities.EndOptOutRun: a.EndOptOutRun,
		activities.WatchExport: a.WatchExport, activities.CheckOptOuts: a.CheckOptOuts, activities.CheckSource: a.CheckSource, activities.OptOutEvidence: a.OptOutEvidence,
	})
}
