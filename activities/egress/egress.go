// Package egress holds the activities that bring marketing events from Campaign to the
// timeline of Dynamics. They read the journal and exported files, and write one activity
// row for each event. The worker host makes one set; workflows and internal/operator
// order its activities by name.
package egress

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/timeline"
)

// journal is what egress needs of Adobe I/O Events.
type journal interface {
	Page(ctx context.Context, link string, limit int) (*campaign.JournalPage, error)
	Since(d time.Duration, limit int) string
	Address() string
}

// dynamics is what egress needs of Dynamics.
type dynamics interface {
	WhoAmI(ctx context.Context) (*dataverse.Identity, error)
	Entity(ctx context.Context, logicalName string) (*dataverse.Entity, error)
	Query(ctx context.Context, q dataverse.Query) (*dataverse.Page, error)
	ByIDs(ctx context.Context, q dataverse.Query, ids []string) (*dataverse.Page, error)
	Batch(ctx context.Context, ops []dataverse.Operation, o dataverse.BatchOptions) ([]dataverse.Result, error)
}

// Options of the egress activities.
type Options struct {
	Instance     string // work of other instances is refused
	Journal      journal
	Files        *inbox.Source // nil: no file server is configured
	Dynamics     dynamics
	DynamicsGate run.Gate
	Ledger       *ledger.Ledger
	Alone        *run.Alone // shared by the flows of a process; nil = there is one flow
	PageSize     int        // events per page
	BatchSize    int        // most rows per request
	Concurrency  int        // requests in flight to Dynamics, for the width of a lane
	Lanes        int
	PagesPerRun  int // pages after which a run ends, so that its position is saved
	// HopelessAfter is the attempt at a lane, 10 unless set, from which a row that fails
	// although it is sent alone is set aside. That is minutes after the first attempt.
	HopelessAfter int
	KeepEvents    time.Duration // how long what became of an event is kept, and what is known of an exported file
	// CheckModelsEvery is the pause between looks at the tables while the flow runs; 0 looks at starts only.
	CheckModelsEvery time.Duration
	Metrics          tally.Scope
	Logger           *slog.Logger
}

// Activities holds the activities of the flow of marketing events.
type Activities struct {
	o         Options
	metrics   *metrics
	models    *run.ModelWatch
	lanes     *run.Lanes
	batchSize batchSizer
	contacts  contactCache
	files     *inbox.Box[*eventRows]
	reread    run.Rereads[timeline.Plan]

	mu    sync.Mutex
	plans map[string]*timeline.Plan
}

// New makes the activities of one worker.
func New(o Options) *Activities {
	if o.PagesPerRun == 0 {
		o.PagesPerRun = 50
	}
	if o.HopelessAfter == 0 {
		o.HopelessAfter = 10
	}
	if o.Metrics == nil {
		o.Metrics = tally.NoopScope
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Activities{
		o: o, metrics: newMetrics(o.Metrics, o.Ledger, o.Logger), lanes: run.NewLanes(o.Ledger, o.Logger, o.DynamicsGate, max(2, 2*o.Concurrency/max(1, o.Lanes)), o.Alone), batchSize: newBatchSizer(o.BatchSize), plans: map[string]*timeline.Plan{},
		contacts: contactCache{now: time.Now},
		models:   run.NewModelWatch(o.CheckModelsEvery, o.Ledger, o.Metrics, o.Logger),
		files: inbox.New(inbox.Options{
			Flow: activities.FlowEgress, Instance: o.Instance, Source: o.Files, KeepNotes: o.KeepEvents, Ledger: o.Ledger, Logger: o.Logger,
		}, eventFiles),
	}
}

// plan loads what the settings of a run resolved to, once per process.
func (a *Activities) plan(ctx context.Context, ref activities.RunRef) (*timeline.Plan, error) {
	key := planKey(ref.Revision, ref.Plan)
	a.mu.Lock()
	p, ok := a.plans[key]
	a.mu.Unlock()
	if ok {
		return p, nil
	}
	doc, err := a.o.Ledger.Revision(ctx, key)
	if err != nil {
		return nil, run.LacksSettings(ctx, a.o.Ledger, ref, activities.FlowEgress, fmt.Errorf("loading the settings of revision %s: %w", ref.Revision, err))
	}
	p = &timeline.Plan{}
	if err := json.Unmarshal(doc, p); err != nil {
		return nil, fmt.Errorf("reading the settings of revision %s: %w", ref.Revision, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.plans[key] = p
	return p, nil
}

// planKey is the key under which the ledger keeps what settings resolved to.
func planKey(revision, plan string) string { return "egress/" + revision + "@" + plan }

// metrics are the counters and gauges of the flow; deploy/alerts.yml names some.
type metrics struct {
	scope      tally.Scope
	read       tally.Counter
	throttled  tally.Counter // waits for a closed gate
	transient  tally.Counter // failed requests that are tried again
	split      tally.Counter // groups that failed as a whole and were halved
	restarts   tally.Counter // positions that the journal no longer held
	badFiles   *run.Told     // files set aside because they cannot be read
	lagAlarm   tally.Gauge   // 1 while what was last handled is older than egress.lag_alarm
	watermark  tally.Gauge   // unix seconds: everything before it is dealt with
	newest     *run.Told     // unix seconds: time of the newest event that was handled
	quarantine tally.Gauge
	restored   tally.Gauge // 1 while the ledger counts as restored
	batch      tally.Gauge // rows per request, at present
	outcomes   map[ledger.Outcome]tally.Counter
}

func newMetrics(scope tally.Scope, l *ledger.Ledger, logger *slog.Logger) *metrics {
	scope = scope.SubScope("egress")
	run.ShowNoneEnded(scope)
	told := func(name string) *run.Told {
		return &run.Told{Ledger: l, Logger: logger, Name: activities.FlowEgress + "/" + name, Gauge: scope.Gauge(name)}
	}
	m := &metrics{
		scope: scope, read: scope.Counter("events_read"), throttled: scope.Counter("throttle_waits"), transient: scope.Counter("transient_failures"),
		split: scope.Counter("batches_split"), restarts: scope.Counter("journal_restarts"), badFiles: told("bad_files"),
		lagAlarm: scope.Gauge("lag_alarm"), watermark: scope.Gauge("watermark_timestamp_seconds"), newest: told("newest_event_timestamp_seconds"),
		quarantine: scope.Gauge("quarantine_open"), restored: scope.Gauge("ledger_restored"), batch: scope.Gauge("batch_rows"), outcomes: map[ledger.Outcome]tally.Counter{},
	}
	for outcome, name := range outcomeNames {
		m.outcomes[outcome] = scope.Tagged(map[string]string{"outcome": name}).Counter("events_settled")
	}
	return m
}

// outcomeNames are the words for what can become of an event.
var outcomeNames = map[ledger.Outcome]string{
	ledger.Created: "created", ledger.Unchanged: "already_there", ledger.Refused: "quarantined", ledger.Disabled: "disabled_type",
	ledger.SoftBounce: "soft_bounce", ledger.SeedOrProof: "seed_or_proof", ledger.NoContact: "no_contact", ledger.Ignored: "ignored",
}

func (m *metrics) countOutcomes(group []ledger.Result) {
	for i := range group {
		m.outcomes[group[i].Outcome].Inc(1)
	}
}

func (m *metrics) showLag(raised bool) {
	alarm := 0.0
	if raised {
		alarm = 1
	}
	m.lagAlarm.Update(alarm)
}

func (m *metrics) countEnded(kind activities.Kind, state ledger.RunState) {
	run.CountEnded(m.scope, kind, state)
}

// Register makes the activities known to a worker.
func (a *Activities) Register(r activities.Registry) {
	activities.Register(r, map[string]any{
		activities.PreflightEvents: a.PreflightEvents, activities.OpenEventRun: a.OpenEventRun, activities.FetchEvents: a.FetchEvents, activities.WriteTimeline: a.WriteTimeline,
		activities.SaveEventPosition: a.SaveEventPosition, activities.EndEventRun: a.EndEventRun,
		activities.RestartJournal: a.RestartJournal, activities.RaiseLag: a.RaiseLag, activities.ExplainEvent: a.ExplainEvent, activities.CheckFolder: a.CheckFolder,
	})
}
