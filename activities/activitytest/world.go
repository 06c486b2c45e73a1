// Package activitytest is the world in which activities are tested: real clients, real
// sandboxes and a real ledger, and the calls that a workflow would make. Tests of
// activities/ingress use it, and those of its neighbours that need records in Campaign.
package activitytest

import (
	"crypto/x509"
	"encoding/json"
	"errors"
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
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"causeway.dev/activities"
	"causeway.dev/activities/ingress"
	"causeway.dev/activities/operator"
	"causeway.dev/internal/access"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/transport"
	"causeway.dev/sandbox/stack"
)

// World is the activities of one table, with real clients, real sandboxes and a real
// ledger.
type World struct {
	T              *testing.T
	Sandboxes      *stack.Stack
	Env            *testsuite.TestActivityEnvironment
	Ingress        *ingress.Activities
	Operator       *operator.Activities
	Ledger         *ledger.Ledger
	IngressOptions ingress.Options // what Ingress was made with
	Table          activities.Table
	Scope          tally.TestScope
	Runs           int               // begun so far; names the next
	Window         activities.Window // of the next backfill
	LaneAttempts   int               // attempts that a lane may need, as with Temporal; 0 is one
	DynamicsGate   *transport.Gate
	ClockBehind    *atomic.Int64                     // nanoseconds by which the ledger's clock is behind
	Unrecorded     activities.UnrecordedWritesResult // of the last rollback
	ProbeCalls     *int64                            // engine calls of Preflight, of all tables

	releasing *activities.Release // what the present release tries
}

// NewWorld starts the sandboxes with so many contacts and makes the activities.
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
	roots := CertPool(t, pem)
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
	books, err := ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: filepath.Join(dir, "ledger.db"), Synchronous: "normal", Erasures: filepath.Join(dir, "erasures"), Keys: ledgertest.Keys,
		Now: func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) }})
	require.NoError(t, err)
	t.Cleanup(func() { _ = books.Close() })

	s := &World{T: t, Sandboxes: boxes, Scope: scope, Ledger: books, ClockBehind: behind, ProbeCalls: new(int64), DynamicsGate: dynamicsGate}
	s.IngressOptions = ingress.Options{Source: source, Target: target, TargetGate: gate, Ledger: books, Concurrency: 16, Lanes: 4, Metrics: scope,
		CatchUpSlack: 5 * time.Minute, DeleteRatio: 0.05, DeleteMin: 100, DeleteWindow: 24 * time.Hour, ShortLoadMin: 1000, ShortLoadRatio: 0.5, KeepBefores: 14 * 24 * time.Hour, ProbeRecords: 20_000}
	questions, err := access.NewQuestionKeys(make([]byte, access.SecretSize), "")
	require.NoError(t, err)
	s.IngressOptions.Questions = questions
	s.Ingress = ingress.New(s.IngressOptions)
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

// NewEnv is an environment in which activities have the time that workflows give them.
func NewEnv() *testsuite.TestActivityEnvironment {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(10 * time.Minute) // what an activity has; the SDK's own is three seconds
	return env
}

// Call runs an activity that must succeed, and returns its result.
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
	return s.RunPhases(activities.RunRef{Run: fmt.Sprintf("%s-%d", s.Table.Name, s.Runs), Table: s.Table.Name, Revision: s.Table.Revision(), Kind: kind}, phases...)
}

// RunPhases carries one run through its phases, page by page, as the workflow does.
func (s *World) RunPhases(ref activities.RunRef, phases ...activities.Phase) activities.SaveWatermarkResult {
	s.T.Helper()
	Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref, Window: s.Window, Release: s.releasing})
	page := 0
	for _, phase := range phases {
		for more := true; more; {
			page++
			got := Call[activities.FetchResult](s, s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: page, Phase: phase, Lanes: 4, Window: s.Window, Release: s.releasing})
			for lane, size := range got.Lanes {
				if size > 0 {
					s.writeLane(activities.LaneInput{RunRef: ref, Page: page, Lane: lane})
				}
			}
			more = got.More
		}
	}
	return Call[activities.SaveWatermarkResult](s, s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
}

// writeLane writes a lane; an attempt that fails and may be repeated is, up to
// LaneAttempts.
func (s *World) writeLane(in activities.LaneInput) {
	s.T.Helper()
	for try := 1; ; try++ {
		_, err := s.Env.ExecuteActivity(s.Ingress.WriteLane, in)
		failure, ok := errors.AsType[*temporal.ApplicationError](err)
		if ok && !failure.NonRetryable() && try < s.LaneAttempts {
			continue
		}
		require.NoError(s.T, err)
		return
	}
}

// Differences compares Campaign with what the contacts call for.
func (s *World) Differences() []string {
	var out []string
	seen := map[string]bool{}
	s.Sandboxes.Dynamics.Each("contacts", func(id string, row map[string]any) bool {
		seen[id] = true
		p := s.Sandboxes.Campaign.Profile(id)
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
	s.Sandboxes.Campaign.Each("profile", func(id string, _ map[string]any) bool {
		if !seen[id] {
			out = append(out, id+" is too many")
		}
		return true
	})
	return out
}

// Preflight checks the mapping, as every start does.
func (s *World) Preflight() activities.PreflightResult {
	s.T.Helper()
	before := s.EngineCalls()
	out := Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	*s.ProbeCalls += s.EngineCalls() - before
	return out
}

// EngineCalls is how many engine calls runs have made, without those of Preflight.
func (s *World) EngineCalls() int64 {
	n := -*s.ProbeCalls
	for kind, calls := range s.Sandboxes.Campaign.Meter() {
		if kind != "metadata" {
			n += calls
		}
	}
	return n
}

// RandomSchedules is how many random schedules a test tries. With -short it tries fewer,
// because the race detector makes each take many times as long.
func RandomSchedules(n uint64) uint64 {
	if testing.Short() {
		return n / 4
	}
	return n
}

// Register makes the activities of ingress and of operators known to the environment.
func (s *World) Register() {
	s.Operator = operator.New(operator.Options{Ledger: s.Ledger, Budget: s.IngressOptions.Budget, KeepBefores: 14 * 24 * time.Hour, Ingress: s.Ingress})
	s.Ingress.Register(s.Env)
	s.Operator.Register(s.Env)
}

// CertPool trusts the certificates in pem and no others.
func CertPool(t *testing.T, pem []byte) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	return pool
}

// Load checks the mapping and runs the initial load.
func (s *World) Load() activities.SaveWatermarkResult {
	s.T.Helper()
	s.Preflight()
	return s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
}

// Edit changes a contact in Dynamics.
func (s *World) Edit(id string, values map[string]any) {
	s.T.Helper()
	require.NoError(s.T, s.Sandboxes.Dynamics.Update("contacts", id, values))
}

// InsertProfile adds a profile in Campaign, as a person would.
func (s *World) InsertProfile(profile map[string]any) {
	s.T.Helper()
	body, err := json.Marshal(profile)
	require.NoError(s.T, err)
	require.NoError(s.T, s.Sandboxes.Campaign.Insert("profile", body))
}

// Delta runs a pass of changes, which must complete.
func (s *World) Delta() activities.Counts {
	s.T.Helper()
	out := s.Pass(activities.KindDelta, activities.PhaseDelta)
	require.Equal(s.T, "COMPLETED", out.State)
	return out.Counts
}

// EditProfile changes a profile in Campaign, as a person would.
func (s *World) EditProfile(id, body string) {
	s.T.Helper()
	require.NoError(s.T, s.Sandboxes.Campaign.Update("profile", id, []byte(body)))
}

// InsertRow adds a row to a Dynamics table.
func (s *World) InsertRow(set string, values map[string]any) string {
	s.T.Helper()
	id, err := s.Sandboxes.Dynamics.Insert(set, values)
	require.NoError(s.T, err)
	return id
}

// StageFirstPage begins a run and stages its first page, in one lane.
func (s *World) StageFirstPage(kind activities.Kind, phase activities.Phase) (activities.RunRef, activities.FetchResult) {
	s.T.Helper()
	s.Runs++
	ref := activities.RunRef{Run: s.LastRun(), Table: s.Table.Name, Revision: s.Table.Revision(), Kind: kind}
	Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref})
	return ref, Call[activities.FetchResult](s, s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: phase, Lanes: 1})
}
