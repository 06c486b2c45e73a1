// Package ingress holds the activities that copy Dynamics records to Campaign. They
// fetch changes, write, delete and park records, release quarantined ones, plan,
// explain, audit and roll back. The worker host makes one set; workflows and
// internal/operator order its activities by name.
package ingress

import (
	"context"
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
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// source is what ingress needs of Dynamics.
type source interface {
	WhoAmI(ctx context.Context) (*dataverse.Identity, error)
	Entity(ctx context.Context, logicalName string) (*dataverse.Entity, error)
	Tables(ctx context.Context) ([]dataverse.TableName, error)
	Query(ctx context.Context, q dataverse.Query) (*dataverse.Page, error)
	Follow(ctx context.Context, q dataverse.Query, link string) (*dataverse.Page, error)
	ByIDs(ctx context.Context, q dataverse.Query, ids []string) (*dataverse.Page, error)
	Get(ctx context.Context, q dataverse.Query, id string) (*dataverse.Change, error)
	TotalRecordCount(ctx context.Context, logicalName string) (int64, error)
	Count(ctx context.Context, entitySet, filter string) (int64, error)
}

// Options of the ingress activities.
type Options struct {
	Instance     string // work of other instances is refused
	Source       source
	Target       budget.Target
	TargetGate   run.Gate       // of Target
	Budget       *budget.Budget // of calls to Target; nil = not counted
	Ledger       *ledger.Ledger
	Alone        *run.Alone    // shared by the flows of a process; nil = there is one flow
	CatchUpSlack time.Duration // how far the catch-up query reaches back
	DeleteRatio  float64       // share of the known records that may be deleted unasked
	DeleteMin    int           // and how many may be in any case
	DeleteWindow time.Duration // within which deletes are added up
	ShortLoadMin int           // how many records a load must expect for the next to count
	// ShortLoadRatio is the share of them that its list must show; with less, every
	// delete of its sweep asks.
	ShortLoadRatio float64
	Concurrency    int // requests in flight to Campaign, for the width of a lane
	Lanes          int
	KeepBefores    time.Duration       // how long before-images are kept
	MaxRecords     int64               // of all tables; an initial load with which they are more is refused; 0 = no limit
	ProbeRecords   int                 // whose keys are compared before a first start; 0 = one page of them
	Files          map[string]FileLoad // tables that can be loaded by file
	HideValues     bool                // no values of quarantined records, sealed or not
	Questions      Questions           // opens what is looked for; nil: nothing can be
	Pushes         *run.Pushes         // shared by the flows of a process; nil: nobody tells of changes
	// SetAsideAfter is how long a record may fail alone before it is set aside; 0 is ten minutes.
	SetAsideAfter time.Duration
	// Clock is by what an attempt trusts that its lane is still its own; nil is time.Now.
	Clock func() time.Time
	// CheckModelsEvery is the pause between looks at the data models while a flow runs; 0 looks at starts only.
	CheckModelsEvery time.Duration
	Metrics          tally.Scope
	Logger           *slog.Logger
}

// Activities holds the activities of the flow Dynamics → Campaign.
type Activities struct {
	o       Options
	lanes   *run.Lanes
	metrics *metrics
	models  *run.ModelWatch

	relisted run.Rereads[tableMapper] // by the hash of a plan
	looked   modelCache               // for people who look at mappings

	mu           sync.Mutex
	mappers      map[string]*tableMapper // by planKey
	hidingWarned map[string]bool         // links of which was said that they hide records
	stuck        map[string]sameChanges  // by table
}

// New makes the activities of one worker.
func New(o Options) *Activities {
	if o.Metrics == nil {
		o.Metrics = tally.NoopScope
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Budget != nil {
		o.Target = o.Budget.Counted(o.Target)
	}
	a := &Activities{
		o: o,
		// Twice a lane's share of the requests in flight: while one lane is between two
		// activities, the others use its share.
		lanes:   run.NewLanes(o.Ledger, o.Logger, o.TargetGate, max(2, 2*o.Concurrency/max(1, o.Lanes)), o.Alone),
		models:  run.NewModelWatch(o.CheckModelsEvery, o.Ledger, o.Metrics, o.Logger),
		metrics: newMetrics(o.Metrics), mappers: map[string]*tableMapper{}, stuck: map[string]sameChanges{},
	}
	a.lanes.Clock = o.Clock
	return a
}

// tableMapper is a table mapping as it resolved against both data models, ready for use.
type tableMapper struct {
	plan     *mapping.Plan
	mapper   *mapping.Mapper
	query    dataverse.Query
	resource campaign.Resource
	relisted *run.Reread[tableMapper]

	keySortable bool // Campaign lists the resource by the key; known after resolveMapping
}

// mappingOf loads what the mapping of a run resolved to. It does so once per process,
// because under one Plan that never changes.
func (a *Activities) mappingOf(ctx context.Context, ref activities.RunRef) (*tableMapper, error) {
	key := ref.PlanKey()
	a.mu.Lock()
	m, ok := a.mappers[key]
	a.mu.Unlock()
	if ok {
		return m, nil
	}
	m, err := a.storedMapping(ctx, key)
	if err != nil {
		return nil, run.LacksSettings(ctx, a.o.Ledger, ref, activities.FlowIngress, err)
	}
	if ref.Plan == "" {
		return m, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mappers[key] = m
	return m, nil
}

// storedMapping reads what a mapping resolved to from the ledger.
func (a *Activities) storedMapping(ctx context.Context, key string) (*tableMapper, error) {
	doc, err := a.o.Ledger.Revision(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("loading mapping revision %s: %w", key, err)
	}
	m, err := newTableMapper(doc)
	if err != nil {
		return nil, fmt.Errorf("mapping revision %s: %w", key, err)
	}
	m.relisted = a.relistingOf(doc)
	return m, nil
}

// Register makes the activities known to a worker.
func (a *Activities) Register(r activities.Registry) {
	activities.Register(r, map[string]any{
		activities.Preflight: a.Preflight, activities.AwaitParents: a.AwaitParents, activities.OpenRun: a.OpenRun, activities.FetchPage: a.FetchPage, activities.WriteLane: a.WriteLane,
		activities.SaveWatermark: a.SaveWatermark, activities.EndRun: a.EndRun, activities.ApproveDeletes: a.ApproveDeletes, activities.RejectDeletes: a.RejectDeletes,
		activities.MayRollback: a.MayRollback, activities.FindUnrecordedWrites: a.FindUnrecordedWrites,
		activities.OpenAudit: a.OpenAudit, activities.AuditPages: a.AuditPages, activities.AuditMissing: a.AuditMissing, activities.EndAudit: a.EndAudit, activities.ApplyFindings: a.ApplyFindings,
		activities.ListStrays: a.ListStrays, activities.DeleteStrays: a.DeleteStrays,
		activities.ShowQuarantined: a.ShowQuarantined,
		activities.CheckFilter:     a.CheckFilter, activities.CheckNamed: a.CheckNamed, activities.Plan: a.Plan, activities.CheckMapping: a.CheckMapping, activities.CompareMapping: a.CompareMapping, activities.Explain: a.Explain, activities.ProposeMapping: a.ProposeMapping,
		activities.ListModels: a.ListModels, activities.DescribeMapping: a.DescribeMapping, activities.TryMapping: a.TryMapping,
		activities.QuestionKey: a.QuestionKey, activities.FindRecords: a.FindRecords, activities.ShowPerson: a.ShowPerson,
	})
}
