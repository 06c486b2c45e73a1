// Package activities does the work that workflows order: it reads pages from
// Dynamics into the ledger, writes them to Campaign, and keeps the books.
// Rules of the sync are in mapping; order and waiting are in workflows.
package activities

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/uber-go/tally/v4"
	"golang.org/x/sync/semaphore"

	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// FlowIngress is the flow's name in the ledger.
const FlowIngress = "ingress"

// source is what ingress needs of Dynamics.
type source interface {
	WhoAmI(ctx context.Context) (*dataverse.Identity, error)
	Entity(ctx context.Context, logicalName string) (*dataverse.Entity, error)
	Query(ctx context.Context, q dataverse.Query) (*dataverse.Page, error)
	Follow(ctx context.Context, q dataverse.Query, link string) (*dataverse.Page, error)
	ByIDs(ctx context.Context, q dataverse.Query, ids []string) (*dataverse.Page, error)
	Get(ctx context.Context, q dataverse.Query, id string) (*dataverse.Change, error)
	TotalRecordCount(ctx context.Context, logicalName string) (int64, error)
	Count(ctx context.Context, entitySet, filter string) (int64, error)
}

// target is what ingress needs of Campaign.
type target interface {
	Metadata(ctx context.Context, r campaign.Resource) (*campaign.Metadata, error)
	Get(ctx context.Context, r campaign.Resource, key string) (*campaign.Stored, error)
	Create(ctx context.Context, r campaign.Resource, body []byte) error
	Patch(ctx context.Context, r campaign.Resource, key string, body []byte) error
	Delete(ctx context.Context, r campaign.Resource, key string) error
	List(ctx context.Context, r campaign.Resource, o campaign.ListOptions) (*campaign.Page, error)
	Follow(ctx context.Context, r campaign.Resource, link string) (*campaign.Page, error)
}

// gate says when a throttled service may be called again.
type gate interface {
	Wait(ctx context.Context) error
	Until() time.Time
}

// maxUnsettled bounds, over the whole process, the writes that reached Campaign
// but are not yet in the ledger: that many may be repeated after a kill.
const maxUnsettled = 100

// Options of the ingress activities.
type Options struct {
	Instance     string // work of other instances is refused
	Source       source
	Target       target
	TargetGate   gate
	Budget       *Budget // of calls to Target; nil = not counted
	Ledger       *ledger.Ledger
	CatchUpSlack time.Duration // how far the catch-up query reaches back; default 5 min
	DeleteRatio  float64       // share of the known records that one run may delete unasked; default 0.05
	DeleteMin    int           // and how many it may delete in any case; default 100
	Concurrency  int           // requests in flight to Campaign, for the width of a lane
	Lanes        int
	KeepBefores  time.Duration // how long before-images are kept; default 14 days
	MaxRecords   int64         // an initial load estimated higher is refused; 0 = no limit
	HideValues   bool          // no values of quarantined records, sealed or not
	Metrics      tally.Scope
	Logger       *slog.Logger
}

// Ingress holds the activities of the flow Dynamics → Campaign.
type Ingress struct {
	o         Options
	unsettled *semaphore.Weighted
	metrics   *ingressMetrics

	mu      sync.Mutex
	mappers map[string]*tableMapper // by planKey
	hinted  map[string]bool         // links of which was said that they hide records
	pruned  time.Time               // when before-images were last looked through

	careful sync.Mutex // one record of a lane that workers died at is in hand at a time
}

// NewIngress makes the activities of one worker.
func NewIngress(o Options) *Ingress {
	if o.CatchUpSlack == 0 {
		o.CatchUpSlack = 5 * time.Minute
	}
	if o.DeleteRatio == 0 {
		o.DeleteRatio = 0.05
	}
	if o.KeepBefores == 0 {
		o.KeepBefores = 14 * 24 * time.Hour
	}
	if o.DeleteMin == 0 {
		o.DeleteMin = 100
	}
	if o.Lanes == 0 {
		o.Lanes = 8
	}
	if o.Metrics == nil {
		o.Metrics = tally.NoopScope
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Budget != nil {
		o.Target = o.Budget.Counted(o.Target)
	}
	return &Ingress{
		o: o, unsettled: semaphore.NewWeighted(maxUnsettled),
		metrics: newIngressMetrics(o.Metrics), mappers: map[string]*tableMapper{},
	}
}

// tableMapper is a mapping revision ready for use.
type tableMapper struct {
	plan     *mapping.Plan
	mapper   *mapping.Mapper
	query    dataverse.Query
	resource campaign.Resource
}

// mapper loads what the mapping of a run resolved to; once per process, since
// under one Plan it never changes.
func (a *Ingress) mapper(ctx context.Context, ref RunRef) (*tableMapper, error) {
	key := ref.planKey()
	a.mu.Lock()
	m, ok := a.mappers[key]
	a.mu.Unlock()
	if ok {
		return m, nil
	}
	m, err := a.stored(ctx, key)
	if err != nil || ref.Plan == "" {
		return m, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mappers[key] = m
	return m, nil
}

// planKey names what a mapping resolved to in the ledger.
func (r RunRef) planKey() string {
	if r.Plan == "" {
		return r.Revision // the newest: what a run of an earlier build named
	}
	return r.Revision + "@" + r.Plan
}

// stored reads what a mapping resolved to.
func (a *Ingress) stored(ctx context.Context, key string) (*tableMapper, error) {
	doc, err := a.o.Ledger.Revision(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("loading mapping revision %s: %w", key, err)
	}
	m, err := newTableMapper(doc)
	if err != nil {
		return nil, fmt.Errorf("mapping revision %s: %w", key, err)
	}
	return m, nil
}

// Register makes the activities known to a worker.
func (a *Ingress) Register(r Registry) {
	Register(r, map[string]any{
		Preflight: a.Preflight, AwaitParents: a.AwaitParents, OpenRun: a.OpenRun, FetchPage: a.FetchPage, WriteLane: a.WriteLane,
		SaveWatermark: a.SaveWatermark, EndRun: a.EndRun, ApproveDeletes: a.ApproveDeletes,
		MayRollback: a.MayRollback, FindUnrecordedWrites: a.FindUnrecordedWrites,
		OpenAudit: a.OpenAudit, AuditPages: a.AuditPages, AuditMissing: a.AuditMissing, EndAudit: a.EndAudit, ApplyFindings: a.ApplyFindings,
		ShowQuarantined: a.ShowQuarantined,
		CheckFilter:     a.CheckFilter, Plan: a.Plan, Explain: a.Explain, ProposeMapping: a.ProposeMapping,
	})
}
