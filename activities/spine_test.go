package activities_test

import (
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
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/transport"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
)

// spine is the activities with real clients, real sandboxes and a real ledger.
type spine struct {
	t            *testing.T
	boxes        *stack.Stack
	env          *testsuite.TestActivityEnvironment
	in           *activities.Ingress
	op           *activities.Operator
	books        *ledger.Ledger
	opts         activities.Options
	table        activities.Table
	scope        tally.TestScope
	runs         int
	window       activities.Window // of the next backfill
	dynamicsGate *transport.Gate
	trying       *activities.Release               // by the next release
	behind       *atomic.Int64                     // nanoseconds, of the ledger's clock
	looked       activities.UnrecordedWritesResult // of the last rollback
	probe        *int64                            // engine calls of the checks before a start, shared by all tables
}

func newSpine(t *testing.T, contacts int, edit ...func(*stack.Options)) *spine {
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
	roots := poolOf(t, pem)
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
	books, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(dir, "ledger.db"), Synchronous: "normal",
		Now: func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) }})
	require.NoError(t, err)
	t.Cleanup(func() { _ = books.Close() })

	s := &spine{t: t, boxes: boxes, scope: scope, books: books, behind: behind, probe: new(int64), dynamicsGate: dynamicsGate}
	s.opts = activities.Options{Source: source, Target: target, TargetGate: gate, Ledger: books, Concurrency: 16, Lanes: 4, Metrics: scope}
	s.in = activities.NewIngress(s.opts)
	s.env = newActivityEnv()
	s.register()
	s.table = activities.Table{
		Name: "contacts", Dynamics: mapping.SourceTable{Table: "contact"}, Campaign: mapping.TargetTable{Resource: "profile", Key: "externalId"}, ApplyDeletes: true,
		Fields: []mapping.Field{
			{From: "firstname", To: "firstName", OnTooLong: "truncate"}, {From: "lastname", To: "lastName"}, {From: "emailaddress1", To: "email"},
			{From: "birthdate", To: "birthDate"}, {From: "address1_city", To: "location.city"}, {From: "donotbulkemail", To: "blackListEmail"},
		},
	}
	return s
}

func newActivityEnv() *testsuite.TestActivityEnvironment {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(10 * time.Minute) // what an activity has; the SDK's own is three seconds
	return env
}

func call[T any](s *spine, activity, in any) T {
	s.t.Helper()
	value, err := s.env.ExecuteActivity(activity, in)
	require.NoError(s.t, err)
	var out T
	require.NoError(s.t, value.Get(&out))
	return out
}

// with is the same world with the mapping of another table.
func (s *spine) with(table activities.Table) *spine {
	out := *s
	out.table, out.runs = table, 0
	return &out
}

// pass runs a whole pass, phase by phase, as the workflow does.
func (s *spine) pass(kind activities.Kind, phases ...activities.Phase) activities.SaveWatermarkResult {
	s.t.Helper()
	s.runs++
	return s.through(activities.RunRef{Run: fmt.Sprintf("%s-%d", s.table.Name, s.runs), Table: s.table.Name, Revision: s.table.Revision(), Kind: kind}, phases...)
}

// through runs one run through its phases.
func (s *spine) through(ref activities.RunRef, phases ...activities.Phase) activities.SaveWatermarkResult {
	s.t.Helper()
	call[activities.OpenRunResult](s, s.in.OpenRun, activities.OpenRunInput{RunRef: ref, Window: s.window, Release: s.trying})
	page := 0
	for _, phase := range phases {
		for more := true; more; {
			page++
			got := call[activities.FetchResult](s, s.in.FetchPage, activities.FetchInput{RunRef: ref, Page: page, Phase: phase, Lanes: 4, Window: s.window, Release: s.trying})
			for lane, size := range got.Lanes {
				if size > 0 {
					call[activities.LaneResult](s, s.in.WriteLane, activities.LaneInput{RunRef: ref, Page: page, Lane: lane})
				}
			}
			more = got.More
		}
	}
	return call[activities.SaveWatermarkResult](s, s.in.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
}

// differences compares Campaign with what the contacts call for.
func (s *spine) differences() []string {
	var out []string
	seen := map[string]bool{}
	s.boxes.Dynamics.Each("contacts", func(id string, row map[string]any) bool {
		seen[id] = true
		p := s.boxes.Campaign.Profile(id)
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
	s.boxes.Campaign.Each("profile", func(id string, _ map[string]any) bool {
		if !seen[id] {
			out = append(out, id+" is too many")
		}
		return true
	})
	return out
}

// start checks the mapping, as before every start.
func (s *spine) start() activities.PreflightResult {
	s.t.Helper()
	before := s.engineCalls()
	out := call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	*s.probe += s.engineCalls() - before
	return out
}

// engineCalls are those that runs made.
func (s *spine) engineCalls() int64 {
	n := -*s.probe
	for kind, calls := range s.boxes.Campaign.Meter() {
		if kind != "metadata" {
			n += calls
		}
	}
	return n
}

// R15.1, R15.2, R15.6 (over REST, the default), R22.1: one call per insert, update and delete; none when nothing changed.
func TestContactsCostOneCallPerChange(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 350)
	checked := s.start()
	require.True(t, checked.NeedsBaseline)

	first := s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.Equal(t, "COMPLETED", first.State)
	require.Equal(t, int64(350), first.Counts.Created)
	require.Empty(t, s.differences())
	require.Equal(t, int64(350), s.engineCalls())

	keys := s.boxes.Dynamics.Keys("contacts")
	for i := range 10 {
		require.NoError(t, s.boxes.Dynamics.Update("contacts", keys[i], map[string]any{"address1_city": fmt.Sprintf("Nebelheim %d", i)}))
	}
	for i := 10; i < 15; i++ {
		require.True(t, s.boxes.Dynamics.Delete("contacts", keys[i]))
	}
	added, err := s.boxes.Dynamics.Insert("contacts", map[string]any{"lastname": "Quibblethorn"})
	require.NoError(t, err)
	delta := s.pass(activities.KindDelta, activities.PhaseDelta)
	require.Equal(t, activities.Counts{Read: 16, Created: 1, Updated: 10, Deleted: 5}, delta.Counts)
	require.NotNil(t, s.boxes.Campaign.Profile(added))
	require.Empty(t, s.differences())
	require.Equal(t, int64(350+16), s.engineCalls())

	again := s.pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, activities.Counts{Read: 346, Unchanged: 346}, again.Counts)
	require.Equal(t, int64(350+16), s.engineCalls())
}

// An expired link: a new baseline, and deletions found by asking Dynamics.
func TestASweepFindsDeletionsTheLinkLost(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 250)
	call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	keys := s.boxes.Dynamics.Keys("contacts")
	for _, key := range keys[:7] {
		require.True(t, s.boxes.Dynamics.Delete("contacts", key))
	}
	calls := s.engineCalls()
	again := s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, activities.Counts{Read: 250, Unchanged: 243, Deleted: 7}, again.Counts)
	require.Empty(t, s.differences())
	require.Equal(t, calls+7, s.engineCalls())
}

// docs/protocol/campaign.md §5.2: the connection breaks after Campaign committed a POST.
func TestALostAnswerIsNoSecondRecord(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 120)
	for _, rule := range []kit.Rule{
		{Service: "campaign", Method: http.MethodPost, Action: kit.ResetAfter, Probability: 0.1, Seed: 5, Path: "/profile"},
		{Service: "campaign", Action: kit.Respond, Status: 503, Body: `{"error_code":"503010","message":"Could not validate the oauth token"}`, Probability: 0.05, Seed: 6, Path: "/profile$"},
		{Service: "campaign", Action: kit.Respond, Status: 429, Headers: map[string]string{"Retry-After": "1"}, Body: `{"error_code":"429050","message":"Too many requests"}`, After: 60, Times: 2, Path: "/profile$"},
	} {
		_, err := s.boxes.Faults.Add(rule)
		require.NoError(t, err)
	}
	call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	out := s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.Equal(t, "COMPLETED", out.State)
	require.Equal(t, int64(120), out.Counts.Created)
	require.Empty(t, s.differences())
	s.boxes.Campaign.Each("profile", func(id string, _ map[string]any) bool {
		require.Equal(t, uint32(1), s.boxes.Campaign.WriteCounts("profile", id).Inserts)
		return true
	})
}

// I6: what Campaign refuses is set aside with its reason; the rest lands.
func TestARefusedRecordStopsNothing(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 100)
	keys := s.boxes.Dynamics.Keys("contacts")
	for _, key := range keys[:3] {
		require.NoError(t, s.boxes.Dynamics.Update("contacts", key, map[string]any{"emailaddress1": "not-an-address"}))
	}
	call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	out := s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.Equal(t, "COMPLETED", out.State)
	require.Equal(t, int64(97), out.Counts.Created)
	require.Equal(t, int64(3), out.Quarantined)
	list := call[activities.QuarantineListResult](s, s.op.ListQuarantine, activities.QuarantineListInput{})
	require.Len(t, list.Records, 3)
	require.NotEmpty(t, list.Records[0].Message)
	require.NotContains(t, list.Records[0].Message, "not-an-address")
}

// R11.14, R11.13: a mapping that does not fit names each field before anything is written.
func TestPreflightNamesEveryProblem(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 1)
	wrong := s.table
	wrong.Fields = append([]mapping.Field{{From: "emailadress2", To: "fax"}, {From: "annualincome", To: "birthDate"}, {From: "jobtitle", To: "jobTitel"}}, wrong.Fields[:3]...)
	_, err := s.env.ExecuteActivity(s.in.Preflight, activities.PreflightInput{Table: wrong})
	for _, want := range []string{"emailadress2", "birthDate", "jobTitel", "fields[0]", "fields[1]", "fields[2]"} {
		require.ErrorContains(t, err, want)
	}
	require.Zero(t, s.engineCalls())

	wrong = s.table
	wrong.Dynamics.Table = "contakt"
	_, err = s.env.ExecuteActivity(s.in.Preflight, activities.PreflightInput{Table: wrong})
	require.ErrorContains(t, err, `ingress.tables.contacts.dynamics.table: got "contakt", which Dynamics does not have, want the logical name of a table`)
	wrong = s.table
	wrong.Campaign.Resource = "profil"
	_, err = s.env.ExecuteActivity(s.in.Preflight, activities.PreflightInput{Table: wrong})
	require.ErrorContains(t, err, `ingress.tables.contacts.campaign.resource: got "profil", which Campaign does not have under profileAndServicesExt, want a resource whose API is published`)
	require.Zero(t, s.engineCalls())
}

// schedules is how many random ones are tried; fewer with -short, as under the race
// detector, which makes each take many times as long.
func schedules(n uint64) uint64 {
	if testing.Short() {
		return n / 4
	}
	return n
}

// register makes the activities known to the environment; those of an operator
// answer from what they leave behind.
func (s *spine) register() {
	s.op = activities.NewOperator(activities.OperatorOptions{Ledger: s.books, Budget: s.opts.Budget, KeepBefores: 14 * 24 * time.Hour, Ingress: s.in})
	s.in.Register(s.env)
	s.op.Register(s.env)
}
