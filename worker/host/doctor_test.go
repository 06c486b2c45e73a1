package host

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"
	"go.temporal.io/sdk/testsuite"

	"causeway.dev/activities"
	"causeway.dev/activities/doctor"
	"causeway.dev/activities/egress"
	"causeway.dev/activities/ingress"
	"causeway.dev/activities/optout"
	"causeway.dev/config"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
	"causeway.dev/internal/mapping"
	rules "causeway.dev/internal/optout"
	"causeway.dev/internal/timeline"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
)

// patient is a set-up that a doctor looks at: everything is well until a test breaks it.
type patient struct {
	*testing.T
	boxes   *stack.Stack
	cfg     *config.Config
	ledger  *ledger.Ledger
	sealed  bool
	options func(*doctor.Options)
}

// disease is one broken set-up, with the check that has to find it and a part of what it
// tells to do.
type disease struct {
	boxes  func(*stack.Options)
	set    func(*patient) // before the worker is built
	happen func(*patient) // after
	check  string
	state  activities.CheckState // "" is fail
	found  string
	remedy string
}

func newPatient(t *testing.T, d disease) *patient {
	t.Helper()
	o := stack.Options{Dir: t.TempDir(), Contacts: 3, Seed: 3, SFTPCapacity: 1 << 30}
	if d.boxes != nil {
		d.boxes(&o)
	}
	boxes, err := stack.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = boxes.Close(t.Context()) })
	host, port, err := net.SplitHostPort(boxes.SFTPAddress)
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	secret := func(file string) config.Secret { return config.Secret("file:" + file) }
	p := &patient{T: t, boxes: boxes, sealed: true, cfg: &config.Config{
		Instance: "acme",
		Dynamics: config.Dynamics{
			URL: boxes.DynamicsURL, Tenant: boxes.Tenant, ClientID: boxes.DynamicsClientID, ClientSecret: secret(boxes.DynamicsSecretFile),
			Authority: boxes.Authority, CAFile: boxes.CAPath, PageSize: 10, Concurrency: 8, Timeout: time.Minute,
		},
		Campaign: config.Campaign{
			URL: boxes.CampaignURL, IMSURL: boxes.IMSURL, ClientID: boxes.CampaignClientID, ClientSecret: secret(boxes.CampaignSecretFile), OrganizationID: boxes.CampaignOrganization,
			Scopes: []string{"campaign_sdk"}, CAFile: boxes.CAPath, Concurrency: 8, Timeout: time.Minute,
			Journal: config.Journal{URL: boxes.JournalURL},
			SFTP:    config.SFTP{Host: host, Port: number, User: boxes.SFTPUser, Key: secret(boxes.SFTPKeyFile), KnownHosts: boxes.SFTPKnownHostsFile, Folder: "d365_loads/exports"},
		},
		Ingress: config.Ingress{Tables: map[string]mapping.Table{"contacts": {
			Name: "contacts", Dynamics: mapping.SourceTable{Table: "contact"}, Campaign: mapping.TargetTable{Resource: "profile", Key: "externalId"},
			Fields: []mapping.Field{{From: "lastname", To: "lastName"}, {From: "emailaddress1", To: "email"}},
		}}},
		Egress: config.Egress{Source: timeline.SourceBoth, Sends: true, Opens: true, Clicks: true, Bounces: true, UnknownContact: timeline.UnknownCount, Tables: timeline.DefaultTables()},
		OptOut: config.OptOut{Mode: rules.Bidirectional, Source: rules.SourceREST, Pairs: []rules.PairSetting{{Campaign: "denyListEmail", Dynamics: "donotbulkemail"}},
			ModifiedSince: rules.FilterSetting{Filter: "byModifiedSince", Parameter: "since_parameter"}},
		Doctor: config.Doctor{ClockSkew: time.Minute, FreeMiB: 1, Expiry: 24 * time.Hour, Step: 20 * time.Second},
	}}
	if d.set != nil {
		d.set(p)
	}
	lo := ledger.Options{Driver: "sqlite", Path: filepath.Join(o.Dir, "ledger.db"), Synchronous: "normal", Erasures: filepath.Join(o.Dir, "erasures")}
	if p.sealed {
		lo.Keys = ledgertest.Keys
	}
	p.ledger, err = ledger.Open(t.Context(), lo)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.ledger.Close() })
	return p
}

// look asks the doctor as a worker does.
func (p *patient) look(in activities.DoctorInput, happen func(*patient)) *activities.DoctorResult {
	p.Helper()
	services, err := NewServices(p.cfg, tally.NoopScope, slog.New(slog.DiscardHandler))
	require.NoError(p, err)
	if services.SFTP != nil {
		p.Cleanup(func() { _ = services.SFTP.Close() })
	}
	if happen != nil {
		happen(p)
	}
	o := Options{Config: p.cfg}
	in0 := ingress.New(ingress.Options{Instance: "acme", Source: services.Dataverse, Target: services.Campaign, TargetGate: services.CampaignGate, Ledger: p.ledger, Concurrency: 4, Lanes: 1})
	eg := egress.New(egressOptions(o, services, p.ledger, nil, tally.NoopScope))
	opt := optout.New(optOutOptions(o, services, nil, p.ledger, nil, nil, tally.NoopScope))
	options := doctorOptions(p.cfg, services, p.ledger, in0, eg, opt)
	if p.options != nil {
		p.options(&options)
	}
	a := doctor.New(options)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(time.Minute)
	a.Register(env)
	value, err := env.ExecuteActivity(a.Doctor, in)
	require.NoError(p, err)
	out := &activities.DoctorResult{}
	require.NoError(p, value.Get(out))
	return out
}

// ill lists what is not well.
func ill(r *activities.DoctorResult) string {
	var out strings.Builder
	for _, c := range r.Checks {
		if c.State != activities.CheckOK {
			fmt.Fprintf(&out, "%s %s: %s: %s -> %s\n", c.State, c.Area, c.What, c.Found, c.Remedy)
		}
	}
	return out.String()
}

func checkOf(r *activities.DoctorResult, name string) activities.Check {
	for _, c := range r.Checks {
		if c.Area+": "+c.What == name {
			return c
		}
	}
	return activities.Check{}
}

// answers scripts what a service says to requests with a path.
func answers(service, path string, status int, body string) func(*patient) {
	return func(p *patient) {
		_, err := p.boxes.Faults.Add(kit.Rule{Service: service, Path: path, Action: kit.Respond, Status: status, Body: body, Headers: map[string]string{"Content-Type": "application/json"}})
		require.NoError(p, err)
	}
}

func unreachable(service string) func(*patient) {
	return func(p *patient) {
		_, err := p.boxes.Faults.Add(kit.Rule{Service: service, Action: kit.ResetBefore})
		require.NoError(p, err)
	}
}

func replaced(service string) func(*patient) {
	return func(p *patient) {
		_, err := p.boxes.Faults.Add(kit.Rule{Service: service, Action: kit.Named, Name: "secret_replaced", Body: "another"})
		require.NoError(p, err)
	}
}

func privilege(name, depth string) func(*patient) {
	return func(p *patient) { p.boxes.Dynamics.SetPrivilege(name, depth) }
}

func edited(edit func(t *mapping.Table)) func(*patient) {
	return func(p *patient) {
		t := p.cfg.Ingress.Tables["contacts"]
		edit(&t)
		p.cfg.Ingress.Tables["contacts"] = t
	}
}

var diseases = map[string]disease{
	"dynamics secret replaced": {happen: replaced("entra"), check: "dynamics: token", remedy: "add a new one to the app registration"},
	"entra unreachable":        {happen: unreachable("entra"), check: "dynamics: token", remedy: "check dynamics.authority"},
	"another client id":        {set: func(p *patient) { p.cfg.Dynamics.ClientID = "11111111-0000-4000-8000-000000000000" }, check: "dynamics: token", remedy: "dynamics.client_id"},
	"dynamics unreachable":     {happen: unreachable("dataverse"), check: "dynamics: reachable", remedy: "check dynamics.url"},
	"no application user":      {happen: answers("dataverse", "WhoAmI", 403, `{"error":{"code":"0x80072560","message":"The user is not a member of the organization."}}`), check: "dynamics: reachable", remedy: "application user for dynamics.client_id"},
	"dynamics on premises":     {happen: func(p *patient) { p.boxes.Dynamics.SetVersion("9.1.12.14") }, check: "dynamics: version", found: "9.1.12.14", remedy: "Dynamics 365 Online"},
	"user disabled": {happen: func(p *patient) {
		require.NoError(p, p.boxes.Dynamics.Update("systemusers", "0a11ce00-0000-4000-8000-000000000001", map[string]any{"isdisabled": true}))
	}, check: "dynamics: application user", remedy: "enable it"},
	"short tracking window":  {happen: answers("dataverse", "/organizations$", 200, `{"value":[{"expirechangetrackingindays":2}]}`), check: "dynamics: change tracking window", state: activities.CheckWarn, found: "2 day", remedy: "expirechangetrackingindays"},
	"no role":                {happen: answers("dataverse", "RetrieveUserPrivileges", 200, `{"RolePrivileges":[]}`), check: "dynamics: roles", remedy: "assign one to the application user"},
	"may not read contacts":  {happen: privilege("prvReadContact", ""), check: "dynamics: table contact: privileges", found: "missing: prvReadContact", remedy: "security role"},
	"reads its own contacts": {happen: privilege("prvReadContact", "Basic"), check: "dynamics: table contact: privileges", found: "prvReadContact for the whole organisation (it is Basic)", remedy: "level Organization"},
	"may not write contacts": {happen: privilege("prvWriteContact", ""), check: "dynamics: table contact: privileges", found: "prvWriteContact", remedy: "security role"},
	"may not write contacts, one way": {set: func(p *patient) { p.cfg.OptOut.Mode = rules.CampaignToDynamics }, happen: privilege("prvWriteContact", ""),
		check: "dynamics: table contact: privileges", found: "prvWriteContact", remedy: "security role"},
	"may not create activities": {happen: privilege("prvCreateActivity", ""), check: "dynamics: activity tables: privileges", found: "prvCreateActivity", remedy: "security role"},
	"change tracking off":       {happen: func(p *patient) { p.boxes.Dynamics.SetTracking("contacts", false) }, check: "dynamics: table contact: change tracking", remedy: "Track changes"},
	"no such table":             {set: edited(func(t *mapping.Table) { t.Dynamics.Table = "kontact" }), check: "dynamics: table kontact", remedy: "logical name"},
	"no solution":               {boxes: func(o *stack.Options) { o.NoSolution = true }, check: "dynamics: activity tables", found: "adobe_email", remedy: "install the solution"},
	"process switched off": {happen: func(p *patient) {
		require.NoError(p, p.boxes.Dynamics.SetProcess("Adobe Campaign Email Click", false, ""))
	}, check: "dynamics: follow-up processes", state: activities.CheckWarn, found: "not active", remedy: "as said"},
	"campaign secret replaced":  {happen: replaced("ims"), check: "campaign: token", remedy: "campaign.client_secret"},
	"ims unreachable":           {happen: unreachable("ims"), check: "campaign: token", remedy: "check campaign.ims_url"},
	"campaign unreachable":      {happen: unreachable("campaign"), check: "campaign: reachable", remedy: "check campaign.url"},
	"another campaign instance": {set: func(p *patient) { p.cfg.Campaign.URL += "x" }, check: "campaign: reachable", remedy: "product profile"},
	"no such resource":          {set: edited(func(t *mapping.Table) { t.Campaign.Resource = "cusMissing" }), check: "campaign: resource profileAndServicesExt/cusMissing", remedy: "publish the custom resource"},
	"no such field":             {set: edited(func(t *mapping.Table) { t.Fields[0].To = "lastNaem" }), check: "models: mapping contacts", found: "lastNaem", remedy: "lastName"},
	"no such column":            {set: edited(func(t *mapping.Table) { t.Fields[0].From = "lastnaem" }), check: "models: mapping contacts", found: "lastnaem", remedy: "lastname"},
	"duplicate keys":            {happen: twins, check: "campaign: mapping contacts: key", found: "in several records", remedy: "remove the duplicates"},
	"no filter by time":         {set: func(p *patient) { p.cfg.OptOut.ModifiedSince.Filter = "byNothing" }, check: "campaign: opt-outs: source", found: "byNothing", remedy: "make the filter"},
	"no stamps":                 {boxes: func(o *stack.Options) { o.NoOptOutStamps = true }, set: func(p *patient) { p.cfg.OptOut.Source = rules.SourceSFTP }, check: "campaign: opt-outs: fields and stamps", state: activities.CheckWarn, found: "denyListEmail", remedy: "publish the stamp"},
	"pair of another type":      {set: func(p *patient) { p.cfg.OptOut.Pairs[0].Dynamics = "lastname" }, check: "models: opt-outs: contact", found: "String", remedy: "opt_out.pairs"},
	"journal of another":        {set: func(p *patient) { p.cfg.Campaign.Journal.URL += "x" }, check: "journal: reachable", remedy: "journaling endpoint"},
	"no journal":                {set: func(p *patient) { p.cfg.Campaign.Journal.URL = "" }, check: "journal: configured", remedy: "campaign.journal.url"},
	"host key changed":          {happen: func(p *patient) { require.NoError(p, p.boxes.SFTP.RotateHostKey()) }, check: "sftp: reachable", remedy: "ask Adobe whether the host key was changed"},
	"folder missing":            {set: func(p *patient) { p.cfg.Campaign.SFTP.Folder = "d365_loads/nowhere" }, check: "sftp: reachable", remedy: "create the folder"},
	"another sftp user":         {set: func(p *patient) { p.cfg.Campaign.SFTP.User = "somebody" }, check: "sftp: reachable", remedy: "public key"},
	"not on the allow list":     {happen: func(p *patient) { require.NoError(p, p.boxes.SFTP.Allow(netip.MustParsePrefix("192.0.2.0/24"))) }, check: "sftp: reachable", remedy: "allow list"},
	"file server full":          {happen: func(p *patient) { p.boxes.SFTP.SetCapacity(1000) }, check: "sftp: free space", remedy: "remove old files"},
	"ledger gone":               {happen: func(p *patient) { require.NoError(p, p.ledger.Close()) }, check: "ledger: reachable", remedy: "ledger.path"},
	"disk nearly full":          {set: func(p *patient) { p.cfg.Doctor.FreeMiB = 1 << 40 }, check: "ledger: free space", remedy: "make room"},
	"ledger without key":        {set: func(p *patient) { p.sealed = false }, check: "ledger: encryption key", state: activities.CheckWarn, remedy: "ledger.encryption_key"},
	"client certificate ended":  {set: credential(-time.Hour), check: "credentials: ends", found: "ended on", remedy: "register a new certificate"},
	"client certificate ends":   {set: credential(2 * time.Hour), check: "credentials: ends", state: activities.CheckWarn, found: "in 0 days", remedy: "register a new certificate"},
	"server certificate ends":   {set: func(p *patient) { p.cfg.Doctor.Expiry = 50 * 365 * 24 * time.Hour }, check: "certificates: <dynamics>", state: activities.CheckWarn, remedy: "renew its certificate"},
	"clock of a service ahead":  {happen: func(p *patient) { p.boxes.Clock.Advance(10 * time.Minute) }, check: "clocks: <dynamics>", found: "ahead of ours", remedy: "NTP"},
	"clock of this worker ahead": {set: func(p *patient) {
		p.options = func(o *doctor.Options) { o.Now = func() time.Time { return time.Now().Add(10 * time.Minute) } }
	}, check: "clocks: Temporal", found: "behind ours", remedy: "NTP"},
}

func credential(ends time.Duration) func(*patient) {
	return func(p *patient) {
		p.options = func(o *doctor.Options) {
			o.Credentials = func() []activities.CredentialEnd {
				return []activities.CredentialEnd{{Setting: "dynamics.client_certificate", Ends: time.Now().Add(ends)}}
			}
		}
	}
}

// twins are two profiles of one key.
func twins(p *patient) {
	for _, insert := range []func(string, []byte) error{p.boxes.Campaign.Insert, p.boxes.Campaign.InsertTwin} {
		require.NoError(p, insert("profile", []byte(`{"externalId":"7f6c2a10-0000-4000-8000-000000000001","lastName":"Twin"}`)))
	}
}

// The doctor finds every one of these, and says what to do about it.
func TestTheDoctorFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, len(diseases), 25)
	for name, d := range diseases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, d)
			r := p.look(activities.DoctorInput{Keep: true}, d.happen)
			check := strings.ReplaceAll(d.check, "<dynamics>", strings.TrimPrefix(p.boxes.DynamicsURL, "https://"))
			got := checkOf(r, check)
			want := d.state
			if want == "" {
				want = activities.CheckFail
			}
			all, err := json.MarshalIndent(r.Checks, "", " ")
			require.NoError(t, err)
			require.Equal(t, want, got.State, "%s\n%s", check, ill(r))
			require.Contains(t, got.Found, d.found)
			require.Contains(t, got.Remedy, d.remedy)
			for _, secret := range []string{"sandbox-dynamics-secret", "sandbox-campaign-secret", "Bearer ", "PRIVATE KEY"} {
				require.NotContains(t, string(all), secret)
			}
		})
	}
}

// When all is well the doctor says so, and has asked for little.
func TestTheDoctorFindsAHealthyOneGreen(t *testing.T) {
	t.Parallel()
	p := newPatient(t, disease{})
	r := p.look(activities.DoctorInput{Keep: true}, nil)
	for _, c := range r.Checks {
		require.Contains(t, []activities.CheckState{activities.CheckOK, activities.CheckSkipped}, c.State, "%s: %s: %s", c.Area, c.What, c.Found)
		if c.State == activities.CheckSkipped {
			require.Equal(t, activities.AreaCredentials, c.Area, "the end of a secret is not known")
		}
	}
	require.Equal(t, len(r.Checks)-1, r.Count(activities.CheckOK))
	require.LessOrEqual(t, r.EngineCalls, 4)
	n := 0
	for _, c := range r.Requests {
		n += c
	}
	require.Less(t, n, 80, fmt.Sprint(r.Requests))

	kept, err := doctor.Last(t.Context(), p.ledger)
	require.NoError(t, err)
	require.Equal(t, r, kept)
}

// What fails hides nothing else: what needs it is skipped and says why, the rest is looked at.
func TestAFailingCheckHidesNoOther(t *testing.T) {
	t.Parallel()
	p := newPatient(t, disease{})
	r := p.look(activities.DoctorInput{}, unreachable("entra"))
	require.Equal(t, activities.CheckSkipped, checkOf(r, "dynamics: table contact: privileges").State)
	require.Equal(t, "because of dynamics: token", checkOf(r, "dynamics: reachable").Found)
	require.Equal(t, 1, r.Count(activities.CheckFail))
	for _, name := range []string{"campaign: reachable", "journal: reachable", "sftp: free space", "ledger: reachable"} {
		require.Equal(t, activities.CheckOK, checkOf(r, name).State, name)
	}
}

// Who asks for an area is told of it alone, and of what failed on the way to it.
func TestTheDoctorLooksAtAnArea(t *testing.T) {
	t.Parallel()
	p := newPatient(t, disease{})
	in := activities.DoctorInput{Areas: []string{activities.AreaModels}}
	r := p.look(in, nil)
	require.True(t, len(r.Checks) > 1 && !slices.ContainsFunc(r.Checks, func(c activities.Check) bool { return c.Area != activities.AreaModels }), r.Checks)
	r = p.look(in, unreachable("ims"))
	require.Equal(t, activities.CheckFail, checkOf(r, "campaign: token").State)
	require.Equal(t, activities.CheckSkipped, checkOf(r, "models: mapping contacts").State)
}

// A service that never answers costs a check its time, and no more.
func TestACheckHasItsTime(t *testing.T) {
	t.Parallel()
	p := newPatient(t, disease{})
	p.cfg.Doctor.Step = 300 * time.Millisecond
	r := p.look(activities.DoctorInput{Areas: []string{activities.AreaJournal}}, func(p *patient) {
		_, err := p.boxes.Faults.Add(kit.Rule{Service: "journal", Action: kit.Delay, LatencyMS: 3_600_000})
		require.NoError(p, err)
	})
	got := checkOf(r, "journal: reachable")
	require.Equal(t, activities.CheckFail, got.State)
	require.Equal(t, "no answer within 300ms", got.Found)
}

// The page of the doctor has every check that a worker makes.
func TestThePageHasEveryCheck(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/doctor.md")
	require.NoError(t, err)
	p := newPatient(t, disease{})
	for _, c := range p.look(activities.DoctorInput{}, nil).Checks {
		what := regexp.MustCompile(`^(table|resource|mapping) [^:]+`).ReplaceAllString(c.What, "$1 …")
		switch c.Area {
		case activities.AreaClocks, activities.AreaCertificates:
			what = "a host"
		}
		require.Contains(t, string(page), "\n| "+c.Area+" | "+what, c.What)
	}
}
