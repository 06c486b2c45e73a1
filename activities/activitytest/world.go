// Package activitytest is the world that the activities are tested in: real clients,
// real sandboxes and a real ledger. Only tests import it.
package activitytest

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"
	"go.temporal.io/sdk/testsuite"

	"causeway.dev/activities"
	"causeway.dev/activities/ingress"
	"causeway.dev/activities/operator"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/transport"
	"causeway.dev/sandbox/stack"
)

// World is the activities with real clients, real sandboxes and a real ledger.
type World struct {
	T            *testing.T
	Boxes        *stack.Stack
	Env          *testsuite.TestActivityEnvironment
	In           *ingress.Activities
	Op           *operator.Activities
	Books        *ledger.Ledger
	Opts         ingress.Options
	Table        activities.Table
	Scope        tally.TestScope
	Runs         int
	Window       activities.Window // of the next backfill
	DynamicsGate *transport.Gate
	trying       *activities.Release               // by the next release
	Behind       *atomic.Int64                     // nanoseconds, of the ledger's clock
	Looked       activities.UnrecordedWritesResult // of the last rollback
	Probe        *int64                            // engine calls of the checks before a start, shared by all tables
}

func NewWorld(t *testing.T, contacts int, edit ...func(*stack.Options)) *World {
	t.Helper()
	scope := tally.NewTestScope("causeway", nil)
	dir := t.TempDir()
	so := stack.Options{Dir: dir, Contacts: contacts, Seed: 3}
	for _, f := range edit {
		f(&so)
	}
	boxes, err := stack.Start(t.Context(), so)
	require.NoError(t, err)
	t.Cleanup(func() { _ = boxes.Close(t.Context()) })
	pem, err := os.ReadFile(boxes.CAPath)
	require.NoError(t, err)
	roots := PoolOf(t, pem)
	client := &http.Client{Transport: transport.NewBase(roots)}
	secret, err := os.ReadFile(boxes.DynamicsSecretFile)
	require.NoError(t, err)
	tokens, err := dataverse.NewMSALTokens(dataverse.MSALOptions{
		Authority: boxes.Authority + "/" + boxes.Tenant, ClientID: boxes.DynamicsClientID, Secret: string(secret),
		Scope: boxes.DynamicsURL + "/.default", HTTPClient: client,
	})
	require.NoError(t, err)
	dynamicsGate := transport.NewGate()
	source, err := dataverse.New(dataverse.Options{OrgURL: boxes.DynamicsURL, PageSize: 100,
		Transport: transport.New(transport.Options{Service: "dataverse", Metrics: scope, RootCAs: roots, Tokens: tokens, Gate: dynamicsGate})})
	require.NoError(t, err)
	secret, err = os.ReadFile(boxes.CampaignSecretFile)
	require.NoError(t, err)
	gate := transport.NewGate()
	target, err := campaign.New(campaign.Options{BaseURL: boxes.CampaignURL, APIKey: boxes.CampaignClientID,
		Transport: transport.New(transport.Options{Service: "campaign", Metrics: scope, RootCAs: roots, Gate: gate,
			Tokens: campaign.NewIMSTokens(campaign.IMSOptions{URL: boxes.IMSURL, ClientID: boxes.CampaignClientID, Secret: string(secret), Scopes: []string{"campaign_sdk"}, HTTPClient: client})})})
	require.NoError(t, err)
	behind := new(atomic.Int64)
	books, err := ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: filepath.Join(dir, "ledger.db"), Synchronous: "normal",
		Now: func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) }})
	require.NoError(t, err)
	t.Cleanup(func() { _ = books.Close() })

	s := &World{T: t, Boxes: boxes, Scope: scope, Books: books, Behind: behind, Probe: new(int64), DynamicsGate: dynamicsGate}
	s.Opts = ingress.Options{Source: source, Target: target, TargetGate: gate, Ledger: books, Concurrency: 16, Lanes: 4, Metrics: scope,
		CatchUpSlack: 5 * time.Minute, DeleteRatio: 0.05, DeleteMin: 100, KeepBefores: 14 * 24 * time.Hour}
	s.In = ingress.New(s.Opts)
	s.Env = NewEnv()
	s.Register()
	s.Table = activities.Table{
		Name: "contacts", Dynamics: mapping.SourceTable{Table: "contact"}, Campaign: mapping.TargetTable{Resource: "profile", Key: "externalId"}, ApplyDeletes: true,
		Fields: []mapping.Field{
			{From: "firstname", To: "firstName", OnTooLong: "truncate"}, {From: "lastname", To: "lastName"}, {From: "emailaddress1", To: "email"},
			{From: "birthdate", To: "birthDate"}, {From: "address1_city", To: "location.city"}, {From: "donotbulkemail", To: "blackListEmail"},
		},
	}
	return s
}

func NewEnv() *testsuite.TestActivityEnvironment {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(10 * time.Minute) // what an activity has; the SDK's own is three seconds
	return env
}

func Call[T any](s *World, activity, in any) T {
	s.T.Helper()
	value, err := s.Env.ExecuteActivity(activity, in)
	require.NoError(s.T, err)
	var out T
	require.NoError(s.T, value.Get(&out))
	return out
}

// With is the same world with the mapping of another table.
func (s *World) With(table activities.Table) *World {
	out := *s
	out.Table, out.Runs = table, 0
	return &out
}

// Pass runs a whole pass, phase by phase, as the workflow does.
func (s *World) Pass(kind activities.Kind, phases ...activities.Phase) activities.SaveWatermarkResult {
	s.T.Helper()
	s.Runs++
	return s.Through(activities.RunRef{Run: fmt.Sprintf("%s-%d", s.Table.Name, s.Runs), Table: s.Table.Name, Revision: s.Table.Revision(), Kind: kind}, phases...)
}

// Through runs one run through its phases.
func (s *World) Through(ref activities.RunRef, phases ...activities.Phase) activities.SaveWatermarkResult {
	s.T.Helper()
	Call[activities.OpenRunResult](s, s.In.OpenRun, activities.OpenRunInput{RunRef: ref, Window: s.Window, Release: s.trying})
	page := 0
	for _, phase := range phases {
		for more := true; more; {
			page++
			got := Call[activities.FetchResult](s, s.In.FetchPage, activities.FetchInput{RunRef: ref, Page: page, Phase: phase, Lanes: 4, Window: s.Window, Release: s.trying})
			for lane, size := range got.Lanes {
				if size > 0 {
					Call[activities.LaneResult](s, s.In.WriteLane, activities.LaneInput{RunRef: ref, Page: page, Lane: lane})
				}
			}
			more = got.More
		}
	}
	return Call[activities.SaveWatermarkResult](s, s.In.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
}

// Differences compares Campaign with what the contacts call for.
func (s *World) Differences() []string {
	var out []string
	seen := map[string]bool{}
	s.Boxes.Dynamics.Each("contacts", func(id string, row map[string]any) bool {
		seen[id] = true
		p := s.Boxes.Campaign.Profile(id)
		if p == nil {
			out = append(out, id+" is missing")
			return true
		}
		text := func(v any) string { v2, _ := v.(string); return v2 }
		city, _ := p["location"].(map[string]any)
		if !strings.EqualFold(text(p["lastName"]), text(row["lastname"])) || text(p["email"]) != text(row["emailaddress1"]) ||
			text(p["birthDate"]) != text(row["birthdate"]) || text(city["city"]) != text(row["address1_city"]) || p["blackListEmail"] != row["donotbulkemail"] {
			out = append(out, id+" differs")
		}
		return true
	})
	s.Boxes.Campaign.Each("profile", func(id string, _ map[string]any) bool {
		if !seen[id] {
			out = append(out, id+" is too many")
		}
		return true
	})
	return out
}

// Start checks the mapping, as before every start.
func (s *World) Start() activities.PreflightResult {
	s.T.Helper()
	before := s.EngineCalls()
	out := Call[activities.PreflightResult](s, s.In.Preflight, activities.PreflightInput{Table: s.Table})
	*s.Probe += s.EngineCalls() - before
	return out
}

// EngineCalls are those that runs made.
func (s *World) EngineCalls() int64 {
	n := -*s.Probe
	for kind, calls := range s.Boxes.Campaign.Meter() {
		if kind != "metadata" {
			n += calls
		}
	}
	return n
}

// Schedules is how many random ones are tried; fewer with -short, as under the race
// detector, which makes each take many times as long.
func Schedules(n uint64) uint64 {
	if testing.Short() {
		return n / 4
	}
	return n
}

// Register makes the activities known to the environment; those of an operator
// answer from what they leave behind.
func (s *World) Register() {
	s.Op = operator.New(operator.Options{Ledger: s.Books, Budget: s.Opts.Budget, KeepBefores: 14 * 24 * time.Hour, Ingress: s.In})
	s.In.Register(s.Env)
	s.Op.Register(s.Env)
}

// PoolOf trusts the certificates in pem only.
func PoolOf(t *testing.T, pem []byte) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	return pool
}

// Load checks the mapping and runs the initial load.
func (s *World) Load() activities.SaveWatermarkResult {
	s.T.Helper()
	s.Start()
	return s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
}

// Edit changes a contact in Dynamics.
func (s *World) Edit(id string, values map[string]any) {
	s.T.Helper()
	require.NoError(s.T, s.Boxes.Dynamics.Update("contacts", id, values))
}

// Seed adds a profile as a Campaign user would.
func (s *World) Seed(profile map[string]any) {
	s.T.Helper()
	body, err := json.Marshal(profile)
	require.NoError(s.T, err)
	require.NoError(s.T, s.Boxes.Campaign.Insert("profile", body))
}

func (s *World) Delta() activities.Counts {
	s.T.Helper()
	out := s.Pass(activities.KindDelta, activities.PhaseDelta)
	require.Equal(s.T, "COMPLETED", out.State)
	return out.Counts
}

func (s *World) EditProfile(id, body string) {
	s.T.Helper()
	require.NoError(s.T, s.Boxes.Campaign.Update("profile", id, []byte(body)))
}

// Insert adds a row to a Dynamics table.
func (s *World) Insert(set string, values map[string]any) string {
	s.T.Helper()
	id, err := s.Boxes.Dynamics.Insert(set, values)
	require.NoError(s.T, err)
	return id
}

// Staged begins a run and stages its first page; it returns the lane of a key.
func (s *World) Staged(kind activities.Kind, phase activities.Phase) (activities.RunRef, activities.FetchResult) {
	s.T.Helper()
	s.Runs++
	ref := activities.RunRef{Run: s.LastRun(), Table: s.Table.Name, Revision: s.Table.Revision(), Kind: kind}
	Call[activities.OpenRunResult](s, s.In.OpenRun, activities.OpenRunInput{RunRef: ref})
	return ref, Call[activities.FetchResult](s, s.In.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: phase, Lanes: 1})
}

func (d SlowDynamics) Query(ctx context.Context, q dataverse.Query) (*dataverse.Page, error) {
	d.Wait(ctx)
	return d.Client.Query(ctx, q)
}

func (d SlowDynamics) Follow(ctx context.Context, q dataverse.Query, link string) (*dataverse.Page, error) {
	d.Wait(ctx)
	return d.Client.Follow(ctx, q, link)
}

func (d SlowDynamics) ByIDs(ctx context.Context, q dataverse.Query, ids []string) (*dataverse.Page, error) {
	d.Wait(ctx)
	return d.Client.ByIDs(ctx, q, ids)
}

func (d SlowDynamics) Entity(ctx context.Context, name string) (*dataverse.Entity, error) {
	d.Wait(ctx)
	return d.Client.Entity(ctx, name)
}

// Slow gives its first answer when the activity that asks has told Temporal that it
// lives.
type Slow struct {
	Beaten chan struct{}
	Waited bool
}

func (s *Slow) Wait(ctx context.Context) {
	if s.Waited {
		return
	}
	s.Waited = true
	select {
	case <-s.Beaten:
	case <-ctx.Done():
	}
}

type SlowDynamics struct {
	*dataverse.Client
	*Slow
}

func (d SlowDynamics) WhoAmI(ctx context.Context) (*dataverse.Identity, error) {
	d.Wait(ctx)
	return d.Client.WhoAmI(ctx)
}
