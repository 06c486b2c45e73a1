package console_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/console"
	"causeway.dev/console/pages"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
)

const secretBefore, secretAfter = "sesame-before", "sesame-after"

// filed gives the first instance a file with comments, and a secret in a file of its own.
func filed(t *testing.T, path *string) func(*world) {
	return func(w *world) {
		dir := t.TempDir()
		*path = filepath.Join(dir, "causeway.yaml")
		require.NoError(t, os.WriteFile(filepath.Join(dir, "dynamics-secret"), []byte(secretBefore), 0o640))
		require.NoError(t, os.WriteFile(*path, []byte(`# ours
instance: acme
dynamics: {url: "https://acme.crm4.dynamics.com", tenant: 0f0e0d0c-1111-2222-3333-444455556666, client_id: 1f1e1d1c-1111-2222-3333-444455556666, client_secret: "file:dynamics-secret"}
campaign: {url: "https://mc.adobe.io/acme", client_id: 2f2e, client_secret: "env:CAMPAIGN_SECRET", organization_id: "ABC@AdobeOrg", engine_calls_per_hour: 20000}
ingress:
  lanes: 4 # as agreed
  tables:
    contacts:
      dynamics: {table: contact}
      campaign: {resource: profile, key: externalId}
      fields: [{from: emailaddress1, to: email}]
`), 0o640))
		c, err := config.Load(*path)
		require.NoError(t, err)
		before := w.settings
		w.settings = func(o *console.Options) {
			if before != nil {
				before(o)
			}
			o.Instances[0] = &pages.Instance{Config: c, File: *path, Dial: o.Instances[0].Dial}
		}
	}
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)

// form is the form of a page, as a browser would send it back with changes.
func form(body string, change ...string) url.Values {
	out := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(body, -1) {
		out.Set(m[1], m[2])
		if id, ok := strings.CutPrefix(m[1], "was-"); ok && m[2] != "false" {
			out.Set(id, m[2]) // a switch that is off is not sent
		}
	}
	for i := 0; i+1 < len(change); i += 2 {
		out.Set(change[i], change[i+1])
	}
	return out
}

func TestSettingsAreSaved(t *testing.T) {
	t.Parallel()
	var path string
	w := newWorld(t, filed(t, &path))
	w.signIn()
	require.Contains(t, w.get("/i/acme/").body, `href="/i/acme/settings"`)
	const at = "/i/acme/settings/limits"
	p := w.get(at)
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, want := range []string{"Engine calls an hour", "1 to 32; default 8", "<b>20,000.</b>", "<b>5 %.</b>", "How many parts of a page are written in parallel", "the worker is started again", "Nothing is edited"} {
		require.Contains(t, p.body, want)
	}

	// While somebody writes, the bar says what would be saved, and a mistake stands beside its field.
	good := form(p.body, "ingress-lanes", "6", "quarantine-reveal", "")
	good.Del("quarantine-reveal")
	c := w.post(at+"/check", good, "HX-Request", "true")
	require.Contains(t, c.body, "2 edits not saved yet")
	require.Contains(t, c.body, "Lanes (tables) is now 6; it was 4")
	require.NotContains(t, c.body, "<html")
	bad := form(p.body, "ingress-lanes", "99", "campaign-engine_calls_per_hour", "many")
	c = w.post(at+"/check", bad, "HX-Request", "true")
	require.Contains(t, c.body, "cannot be saved yet")
	require.Regexp(t, `id="p-ingress-lanes" hx-swap-oob="true">.*Got 99, want 1 to 32\.`, c.body)
	require.Regexp(t, `id="p-campaign-engine_calls_per_hour" hx-swap-oob="true">.*Got`, c.body)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	p = w.post(at, bad)
	require.Equal(t, http.StatusBadRequest, p.status)
	require.Contains(t, p.body, `value="99"`, "what was written is still there")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))

	good.Set("reason", "a bigger worker")
	p = w.post(at, good)
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Contains(t, w.get(p.header.Get("Location")).body, "Saved. A change counts once the worker is started again")
	after, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(after), "lanes: 6 # as agreed")
	require.Contains(t, string(after), "reveal: false")
	require.True(t, strings.HasPrefix(string(after), "# ours\n"))
	in := w.acme.Requests["Later "+activities.RecordSave][0].(activities.RecordSaveInput)
	require.Equal(t, "a bigger worker", in.Reason)
	require.Contains(t, in.By, "ada")

	// Emptied is the default, and is taken out of the file.
	p = w.post(at, form(w.get(at).body, "campaign-engine_calls_per_hour", ""))
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	after, err = os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(after), "engine_calls_per_hour")
}

func TestTwoPeopleEditSettings(t *testing.T) {
	t.Parallel()
	var path string
	w := newWorld(t, filed(t, &path))
	w.signIn()
	const at = "/i/acme/settings/limits"
	mine := form(w.get(at).body, "ingress-lanes", "6")
	require.Equal(t, http.StatusSeeOther, w.post(at, form(w.get(at).body, "ingress-lanes", "7", "ingress-read_ahead", "3")).status)
	p := w.post(at, mine)
	require.Equal(t, http.StatusConflict, p.status)
	require.Contains(t, p.body, "Somebody else has saved meanwhile, and nothing was overwritten")
	require.Contains(t, p.body, "Lanes (tables): somebody else has changed this meanwhile, to 7")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), "lanes: 7")
	again := form(p.body, "ingress-lanes", "6")
	require.Equal(t, "3", again.Get("ingress-read_ahead"), "the other edit is kept")
	require.Equal(t, http.StatusSeeOther, w.post(at, again).status)
	text, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), "lanes: 6")
	require.Contains(t, string(text), "read_ahead: 3")
}

func TestAFileThatIsReadOnlyIsDownloaded(t *testing.T) {
	t.Parallel()
	var path string
	w := newWorld(t, filed(t, &path))
	w.signIn()
	const at = "/i/acme/settings/limits"
	require.NoError(t, os.Chmod(path, 0o440))
	edit := form(w.get(at).body, "ingress-lanes", "6")
	p := w.post(at, edit)
	require.Equal(t, http.StatusConflict, p.status)
	require.Contains(t, p.body, "Download the changed file")
	p = w.post(at+"/download", edit)
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.header.Get("Content-Disposition"), "causeway.yaml")
	require.Contains(t, p.body, "lanes: 6 # as agreed")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), "lanes: 4")
	require.NotContains(t, w.acme.Asked, "Later "+activities.RecordSave)
}

// A secret goes from the form into its file. No page has it, and nothing in Temporal.
func TestASecretIsReplaced(t *testing.T) {
	t.Parallel()
	var path string
	w := newWorld(t, filed(t, &path))
	w.acme.On("Run "+activities.Meter, activities.MeterResult{Credentials: []activities.CredentialEnd{{Setting: "dynamics.client_secret", Ends: noon.Add(40 * 24 * time.Hour)}}})
	w.signIn()
	p := w.get("/i/acme/settings/dynamics")
	require.Contains(t, p.body, "dynamics-secret")
	require.Contains(t, p.body, "It ends <time")
	require.Contains(t, w.get("/i/acme/settings/campaign").body, "It comes from the environment of the worker, as <code>CAMPAIGN_SECRET</code>")
	const at = "/i/acme/secrets/dynamics.client_secret"
	require.Equal(t, http.StatusBadRequest, w.post(at, url.Values{"value": {""}}).status, "nothing given keeps it")
	file := filepath.Join(filepath.Dir(path), "dynamics-secret")
	held, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, secretBefore, string(held))

	p = w.post(at, url.Values{"value": {secretAfter}, "reason": {"it ends soon"}})
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	shown := w.get(p.header.Get("Location"))
	require.Contains(t, shown.body, "The secret was replaced")
	for _, body := range []string{p.body, shown.body, w.get("/i/acme/settings/dynamics").body} {
		require.NotContains(t, body, secretAfter)
		require.NotContains(t, body, secretBefore)
	}
	held, err = os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, secretAfter, strings.TrimSpace(string(held)))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	op := w.acme.Requests["Later "+activities.LogOperation][0].(activities.LogInput).Operations[0]
	require.Equal(t, activities.OpSecret, op.What)
	require.Equal(t, "dynamics.client_secret", op.Detail)
	for _, requests := range w.acme.Requests {
		for _, r := range requests {
			sent, err := json.Marshal(r)
			require.NoError(t, err)
			require.NotContains(t, string(sent), secretAfter)
		}
	}
	require.Equal(t, http.StatusBadRequest, w.post("/i/acme/secrets/campaign.client_secret", url.Values{"value": {"x"}}).status, "it is not in a file")
	require.Equal(t, http.StatusBadRequest, w.post("/i/acme/secrets/ledger.encryption_key", url.Values{"value": {"x"}}).status)
	require.Equal(t, http.StatusNotFound, w.post("/i/acme/secrets/ingress.lanes", url.Values{"value": {"x"}}).status)
	require.NoError(t, os.Chmod(file, 0o440))
	p = w.post(at, url.Values{"value": {secretAfter + "2"}})
	require.Equal(t, http.StatusBadRequest, p.status)
	require.NotContains(t, p.body, secretAfter)
}

func TestSettingsAreTested(t *testing.T) {
	t.Parallel()
	var path string
	w := newWorld(t, filed(t, &path))
	w.acme.Seen = noon.Add(-time.Second)
	w.acme.On("Run "+activities.Doctor, activities.DoctorResult{At: noon, EngineCalls: 1, Requests: map[string]int{"mc.adobe.io": 5}, Checks: []activities.Check{
		{Area: "dynamics", What: "sign-in", State: activities.CheckOK, Found: "signed in"},
		{Area: "dynamics", What: "table contact: change tracking", State: activities.CheckFail, Found: "off", Wanted: "on", Remedy: "switch Track changes on"},
	}})
	w.signIn()
	p := w.get("/i/acme/settings/dynamics")
	require.Contains(t, p.body, "Nobody has looked yet")
	require.NotContains(t, w.acme.Asked, "Run "+activities.Doctor)
	p = w.post("/i/acme/settings/dynamics/test", nil, "HX-Request", "true")
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, want := range []string{"1 check failed", "Wanted: on.", "What to do: switch Track changes on.", "5 requests, 1 engine call"} {
		require.Contains(t, p.body, want)
	}
	require.Less(t, strings.Index(p.body, "change tracking"), strings.Index(p.body, "sign-in"), "what fails comes first")
	require.NotContains(t, p.body, "<html")
	in := w.acme.Requests["Run "+activities.Doctor][0].(activities.DoctorInput)
	require.Equal(t, []string{activities.AreaDynamics}, in.Areas)
	require.LessOrEqual(t, in.Within, 20*time.Second)
	require.Contains(t, w.post("/i/acme/settings/dynamics/test", nil).body, "<html", "also without a script")
	w.post("/i/acme/settings/worker/test", nil, "HX-Request", "true")
	asked := w.acme.Requests["Run "+activities.Doctor]
	require.True(t, asked[len(asked)-1].(activities.DoctorInput).Keep, "everything is kept for the status")
	require.Equal(t, http.StatusNotFound, w.post("/i/acme/settings/limits/test", nil).status)
	w.acme.On("Run "+activities.Doctor, operator.ErrNoWorker)
	require.Contains(t, w.post("/i/acme/settings/dynamics/test", nil, "HX-Request", "true").body, "answer of a worker")
}

func TestRolesOfSettings(t *testing.T) {
	t.Parallel()
	var file string
	w := newWorld(t, as(access.Viewer), filed(t, &file))
	w.signIn()
	p := w.get("/i/acme/settings")
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.Contains(t, p.body, "Changing them needs the role admin")
	for _, not := range []string{`id="save"`, `name="value"`, `id="testbtn"`, secretBefore} {
		require.NotContains(t, p.body, not)
	}
	for _, to := range []string{"dynamics", "dynamics/check", "dynamics/download", "dynamics/test", "../secrets/dynamics.client_secret"} {
		require.Equal(t, http.StatusForbidden, w.post(path.Join("/i/acme/settings", to), url.Values{"value": {"x"}}).status, to)
	}
	require.Equal(t, http.StatusNotFound, w.get("/i/acme/settings/nothing").status)
	w = newWorld(t, as(access.Operator), filed(t, &file))
	w.signIn()
	require.Contains(t, w.get("/i/acme/settings/dynamics").body, `id="testbtn"`)
	require.Equal(t, http.StatusForbidden, w.post("/i/acme/settings/dynamics", nil).status)
}

// What the worker runs with is told apart from what is on file, and a file that cannot be used
// still opens the page.
func TestSettingsThatAreNotInUse(t *testing.T) {
	t.Parallel()
	var path string
	w := newWorld(t, filed(t, &path))
	c, err := config.Load(path)
	require.NoError(t, err)
	w.acme.On("Run "+activities.Meter, activities.MeterResult{Config: c.Digests()})
	w.signIn()
	const at = "/i/acme/settings/limits"
	require.NotContains(t, w.get(at).body, `id="differs"`)
	require.Equal(t, http.StatusSeeOther, w.post(at, form(w.get(at).body, "ingress-lanes", "6")).status)
	require.Regexp(t, `(?s)id="differs".*They differ in: ingress\.`, w.get(at).body)
	require.NotContains(t, w.get(at).body, `id="unanswered"`)
	w.acme.On("Run "+activities.Meter, operator.ErrNoWorker)
	require.NotContains(t, w.get(at).body, `id="differs"`)
	require.Contains(t, w.get(at).body, `id="unanswered"`, "it is not known whether they differ")
	require.NoError(t, os.WriteFile(path, []byte("instance: acme\nlanes: 3\n"), 0o600))
	p := w.get(at)
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.body, "The file of the settings cannot be used")
	require.Contains(t, p.body, "unknown key")
	require.NotContains(t, p.body, `id="save"`)
}

// A support bundle is a button of a run and of About, for whoever may operate.
func TestASupportBundleIsHandedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, as(access.Operator))
	w.runs(nil)
	w.signIn()
	require.Contains(t, w.get("/i/acme/about").body, `action="/i/acme/support"`)
	p := w.post("/i/acme/support", nil)
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.Equal(t, "application/zip", p.header.Get("Content-Type"))
	require.Contains(t, p.header.Get("Content-Disposition"), "causeway-acme-20260302T120000Z.zip")
	require.True(t, strings.HasPrefix(p.body, "PK"))
	require.Contains(t, w.acme.Asked, "Later "+activities.LogOperation)
	w.acme.Down = &operator.Error{Kind: operator.Unreachable, Text: "Temporal does not answer"}
	require.Equal(t, http.StatusServiceUnavailable, w.post("/i/acme/support", nil).status)

	w = newWorld(t, as(access.Viewer))
	w.signIn()
	require.NotContains(t, w.get("/i/acme/about").body, "/support")
	require.Equal(t, http.StatusForbidden, w.post("/i/acme/support", nil).status)
}
