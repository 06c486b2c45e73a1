package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"causeway.dev/console/pages"
	"causeway.dev/internal/operator"
)

// reader asks a console for pages, as somebody who is signed in.
type reader struct {
	t      *testing.T
	origin string
	client *http.Client
}

// signIn signs in by a link, and acknowledges the privacy text.
func signIn(t *testing.T, link, origin string) *reader {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	r := &reader{t, origin, &http.Client{Jar: jar, Timeout: settleWithin}}
	_, status := r.get(strings.TrimPrefix(link, origin))
	require.Equal(t, http.StatusOK, status)
	answer, err := r.client.PostForm(origin+"/i/acme/acknowledge", url.Values{"read": {"yes"}, "next": {"/i/acme/about"}})
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)
	return r
}

func (r *reader) get(path string, header ...string) (body string, status int) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, r.origin+path, nil)
	if !assert.NoError(r.t, err) {
		return "", 0
	}
	for n := 0; n+1 < len(header); n += 2 {
		req.Header.Set(header[n], header[n+1])
	}
	answer, err := r.client.Do(req)
	if !assert.NoError(r.t, err, path) {
		return "", 0
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	assert.NoError(r.t, err, path)
	return string(text), answer.StatusCode
}

var inAddress = regexp.MustCompile(`\{[^}]*\}`)

// pageAddresses are the addresses of all pages that are looked at: one that is added is among
// them by itself.
func pageAddresses(t *testing.T, run, contact string) (out []string) {
	t.Helper()
	p, err := pages.New(nil, nil, time.Now)
	require.NoError(t, err)
	for _, route := range p.Routes() {
		if route.Method != http.MethodGet {
			continue
		}
		with := map[string]string{"{$}": "", "{flow}": "contacts", "{table}": "contacts", "{mapping}": "contacts", "{run}": run, "{id}": contact, "{action}": "stop", "{page...}": "access", "{part}": "worker"}
		switch {
		case strings.HasPrefix(route.Path, "/runs/"):
			with["{action}"] = "approve"
		case strings.HasPrefix(route.Path, "/quarantine/"):
			with["{action}"] = "release?which=all"
		}
		out = append(out, "/i/acme"+inAddress.ReplaceAllStringFunc(route.Path, func(name string) string { return with[name] }))
	}
	return out
}

// seen is how a page answered.
type seen struct {
	path, body string
	status     int
	took       time.Duration
}

// look asks for all pages at the same time, each also as a part of a page that is there.
func (r *reader) look(paths []string) []seen {
	out := make([]seen, 2*len(paths))
	var asking sync.WaitGroup
	for n := range out {
		asking.Go(func() {
			path, began := paths[n/2], time.Now()
			var header []string
			if n%2 == 1 {
				header = []string{"HX-Request", "true"}
			}
			body, status := r.get(path, header...)
			out[n] = seen{path, body, status, time.Since(began)}
		})
	}
	asking.Wait()
	return out
}

// wideTables are mappings of tables that the sandbox does not have: as many as one may have.
func wideTables(text string) string {
	var b strings.Builder
	for n := range 20 {
		fmt.Fprintf(&b, "    wide%02d:\n      dynamics: {table: new_wide%02d}\n      campaign: {resource: cusWide%02d, key: externalId}\n      fields: [{from: new_name, to: cusName}]\n", n, n, n)
	}
	return strings.Replace(text, "telemetry:\n", b.String()+"telemetry:\n", 1)
}

// hides requires that no page has a value of a person, or a secret. Who looks may do everything,
// and has revealed nothing.
func (w *world) hides(pages []seen) {
	w.t.Helper()
	hidden := map[string]string{"not-an-address-1": "a refused value"}
	for _, row := range w.contacts() {
		for _, column := range []string{"emailaddress1", "mobilephone"} {
			if v, ok := row[column].(string); ok && len(v) > 6 {
				hidden[v] = "a contact's " + column
			}
		}
	}
	for _, file := range []string{w.boxes.DynamicsSecretFile, w.boxes.CampaignSecretFile} {
		secret, err := os.ReadFile(file)
		require.NoError(w.t, err)
		hidden[strings.TrimSpace(string(secret))] = "a secret"
	}
	for _, page := range pages {
		for value, what := range hidden {
			assert.False(w.t, strings.Contains(page.body, value), "%s has %s", page.path, what)
		}
	}
}

// No page has a value of a person or a secret, a request to another origin or anything that
// the policies of a browser forbid. Every page says who does not answer, a worker or Temporal,
// before somebody gives up, and shows what it did before once that is back.
func TestEveryPageWithoutAWorkerAndWithoutTemporal(t *testing.T) {
	b := newBrowser(t)
	port := freePort(t)
	w := newWorld(t, worldOptions{contacts: 50, temporalPort: port, yaml: wideTables})
	refused := w.ids()[0]
	w.edit(refused, map[string]any{"emailaddress1": "not-an-address-1"})
	worker := w.startWorker()
	temporal, err := operator.Connect(t.Context(), operator.Address{File: w.cfg.Temporal, HostPort: w.address, Namespace: "default", By: "ada"})
	require.NoError(t, err)
	i := operator.New(w.cfg, temporal, operator.Options{File: w.cfgPath, By: "ada"})
	defer i.Close()
	for _, flow := range i.Flows() {
		_, err := i.Start(t.Context(), flow) // those of wide tables fail, and answer so
		require.NoError(t, err)
	}
	run := w.loaded().LastRun.Run
	link, origin := w.startConsole()
	r := signIn(t, link(), origin)
	paths := pageAddresses(t, run, refused)
	before := r.look(paths)

	const longest = 20 * time.Second // that somebody waits for a sentence
	says := func(who *regexp.Regexp, pages []seen, without *regexp.Regexp) {
		t.Helper()
		for n, now := range pages {
			t.Logf("%6s %3d → %3d %s", now.took.Round(10*time.Millisecond), before[n].status, now.status, now.path)
			assert.Less(t, now.took, longest, now.path)
			if now.body != before[n].body && !without.MatchString(now.path) { // else it needs nobody
				assert.True(t, who.MatchString(now.body), "%s does not say: %s", now.path, who)
			}
		}
	}
	w.hides(before)
	b.do(chromedp.Navigate(link()), b.shows("Workflows")) // the ledger knows that ada has acknowledged
	for n, path := range paths {
		if before[2*n].status == http.StatusOK && strings.Contains(before[2*n].body, "<main") { // else it is a file, or a refusal, of which a browser complains
			b.do(chromedp.Navigate(origin+path), b.shows("Causeway"))
		}
	}
	b.quiet(origin)
	worker.kill()
	b.do(chromedp.Navigate(origin+"/i/acme/quarantine"), b.shows("No worker answers"), b.shows("asked for again by itself"))
	b.accessible("no worker answers")
	// A confirmation goes without its figures, settings without what a worker would add, and
	// Temporal knows the lanes of a run.
	says(regexp.MustCompile(`No worker answer|No answer .*a worker asked for work`), r.look(paths), regexp.MustCompile(`/stop$|/settings|/lanes$`))
	w.temporalProcess.kill()
	says(regexp.MustCompile(`Temporal does not answer|No Temporal server answers|Temporal server at \S+ does not answer|Temporal has not answered`), r.look(paths), regexp.MustCompile(`/stop$|/settings`))

	w.temporalProcess = w.startTemporal(port)
	w.startWorker()
	b.do(b.shows("By reason")) // nobody has touched it
	for _, path := range paths {
		require.Eventually(t, func() bool {
			_, status := r.get(path)
			return status != http.StatusServiceUnavailable
		}, settleWithin, 50*time.Millisecond, path)
	}
}
