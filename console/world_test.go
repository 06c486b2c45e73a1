package console_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/access"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/console"
	"causeway.dev/console/pages"
	"causeway.dev/console/session"
	"causeway.dev/console/signin"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/operator/operatortest"
	"causeway.dev/workflows"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// world is a console on two instances whose Temporals answer by script, and a browser.
type world struct {
	t        *testing.T
	acme     *operatortest.Temporal
	stage    *operatortest.Temporal
	dialErr  error
	clock    time.Time
	link     *signin.Link
	printed  []string
	who      session.Who
	server   *httptest.Server
	browser  *http.Client
	settings func(*console.Options)
	mapping  string // of the contacts of acme, after campaign; "" = one field
	file     string // of acme; "" = there is none, as for a console without the folder
}

func newWorld(t *testing.T, change ...func(*world)) *world {
	t.Helper()
	w := &world{t: t, acme: operatortest.New(), stage: operatortest.New(), clock: noon}
	w.who = session.Who{Subject: "local:ada", Name: "ada", Roles: map[string]access.Role{session.AnyInstance: access.Admin}}
	for _, c := range change {
		c(w)
	}
	now := func() time.Time { return w.clock }
	w.link = signin.NewLink(w.who, time.Hour, now, func(path string) { w.printed = append(w.printed, path) })
	dial := func(fake *operatortest.Temporal) func(context.Context) (operator.Temporal, error) {
		return func(context.Context) (operator.Temporal, error) {
			if w.dialErr != nil {
				return nil, w.dialErr
			}
			return fake, nil
		}
	}
	o := console.Options{
		Instances: []*pages.Instance{
			{Config: configuredWith(t, "acme", w.mapping), File: w.onDisk(), Dial: dial(w.acme)}, {Config: configured(t, "acme-stage"), File: "stage.yaml", Dial: dial(w.stage)},
		},
		SignIn: w.link, Now: now, LocalOnly: true,
	}
	if w.settings != nil {
		w.settings(&o)
	}
	c, err := console.New(o)
	require.NoError(t, err)
	w.server = httptest.NewServer(c)
	t.Cleanup(func() { w.server.Close(); c.Close() })
	w.browser = newBrowser(t)
	return w
}

// newBrowser keeps cookies, and does not follow redirects.
func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func configured(t *testing.T, instance string) *config.Config {
	t.Helper()
	return configuredWith(t, instance, "")
}

func configuredWith(t *testing.T, instance, mapping string) *config.Config {
	t.Helper()
	c, err := config.Parse(instance+".yaml", []byte(configuration(instance, mapping)))
	require.NoError(t, err)
	return c
}

func configuration(instance, mapping string) string {
	if mapping == "" {
		mapping = "      fields: [{from: emailaddress1, to: email}]\n"
	}
	return `instance: ` + instance + `
dynamics: {url: "https://acme.crm4.dynamics.com", tenant: 0f0e0d0c-1111-2222-3333-444455556666, client_id: 1f1e1d1c-1111-2222-3333-444455556666, client_secret: "env:UNSET"}
campaign: {url: "https://mc.adobe.io/acme", client_id: 2f2e, client_secret: "env:UNSET", organization_id: "ABC@AdobeOrg"}
ingress:
  tables:
    contacts:
      dynamics: {table: contact}
      campaign: {resource: profile, key: externalId}
` + mapping
}

// onDisk writes the configuration of acme where the world has a file.
func (w *world) onDisk() string {
	if w.file == "" {
		return "acme.yaml"
	}
	require.NoError(w.t, os.WriteFile(w.file, []byte(configuration("acme", w.mapping)), 0o600))
	return w.file
}

// page is an answer.
type page struct {
	status int
	header http.Header
	body   string
}

func (w *world) do(method, path string, form url.Values, header ...string) page {
	w.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, body)
	require.NoError(w.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := w.browser.Do(r)
	require.NoError(w.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(w.t, err)
	return page{answer.StatusCode, answer.Header, string(text)}
}

func (w *world) get(path string, header ...string) page {
	return w.do(http.MethodGet, path, nil, header...)
}

func (w *world) post(path string, form url.Values, header ...string) page {
	if form == nil {
		form = url.Values{}
	}
	return w.do(http.MethodPost, path, form, header...)
}

// signIn signs in by a link, and acknowledges for both instances, unless their ledgers know.
func (w *world) signIn() *world {
	w.t.Helper()
	require.Equal(w.t, http.StatusSeeOther, w.get(w.link.New()).status)
	for _, name := range []string{"acme", "acme-stage"} {
		if w.who.Role(name) > access.None {
			p := w.post("/i/"+name+"/acknowledge", url.Values{"read": {"yes"}, "next": {"/i/" + name + "/"}})
			require.Equal(w.t, http.StatusSeeOther, p.status, p.body)
		}
	}
	return w
}

// contacts is what the flow of contacts answers while all is well.
func contacts(change func(*workflows.Status)) workflows.Status {
	st := workflows.Status{
		Instance: "acme", Table: "contacts", State: workflows.StateRunning, Phase: "waiting for changes", Since: noon.Add(-2 * time.Hour),
		Watermark: noon.Add(-3 * time.Second), Totals: activities.Counts{Read: 10_000, Created: 9_900, Quarantined: 100}, Runs: 1,
	}
	if change != nil {
		change(&st)
	}
	return st
}

const contactsFlow = "acme/ingress/contacts"

// runs has contacts answer.
func (w *world) runs(change func(*workflows.Status)) {
	w.acme.On("Query "+contactsFlow+" Status", contacts(change))
}
