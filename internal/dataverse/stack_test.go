package dataverse_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/transport"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
)

// world is the client on the sandbox, over TLS, with real MSAL tokens.
type world struct {
	*testing.T
	boxes  *stack.Stack
	client *dataverse.Client
	gate   *transport.Gate
	roots  *x509.CertPool
	query  dataverse.Query
}

func newWorld(t *testing.T, contacts int) *world {
	t.Helper()
	boxes, err := stack.Start(t.Context(), stack.Options{Dir: t.TempDir(), Contacts: contacts, Seed: 5})
	require.NoError(t, err)
	t.Cleanup(func() { _ = boxes.Close(context.Background()) })
	pem, err := os.ReadFile(boxes.CAPath)
	require.NoError(t, err)
	w := &world{T: t, boxes: boxes, gate: transport.NewGate(), roots: x509.NewCertPool(),
		query: dataverse.Query{EntitySet: "contacts", KeyColumn: "contactid", Select: []string{"lastname", "gendercode"}}}
	require.True(t, w.roots.AppendCertsFromPEM(pem))
	w.client, err = dataverse.New(dataverse.Options{OrgURL: boxes.DynamicsURL, PageSize: 10,
		Transport: transport.New(transport.Options{Service: "dataverse", RootCAs: w.roots, Gate: w.gate, Tokens: w.tokens(dataverse.MSALOptions{Secret: w.file(boxes.DynamicsSecretFile)})})})
	require.NoError(t, err)
	return w
}

func (w *world) file(path string) string {
	w.Helper()
	data, err := os.ReadFile(path)
	require.NoError(w, err)
	return string(data)
}

func (w *world) tokens(o dataverse.MSALOptions) *dataverse.MSALTokens {
	w.Helper()
	o.Authority, o.ClientID, o.Scope = w.boxes.Authority+"/"+w.boxes.Tenant, w.boxes.DynamicsClientID, w.boxes.DynamicsURL+"/.default"
	o.HTTPClient = &http.Client{Transport: transport.NewBase(w.roots)}
	tokens, err := dataverse.NewMSALTokens(o)
	require.NoError(w, err)
	return tokens
}

func (w *world) fault(r kit.Rule) {
	w.Helper()
	_, err := w.boxes.Faults.Add(r)
	require.NoError(w, err)
}

// all follows pages to the delta link, or to the end.
func (w *world) all(page *dataverse.Page, err error) (changes []dataverse.Change, delta string) {
	w.Helper()
	for {
		require.NoError(w, err)
		changes = append(changes, page.Changes...)
		if page.NextLink == "" {
			return changes, page.DeltaLink
		}
		page, err = w.client.Follow(w.Context(), w.query, page.NextLink)
	}
}

// §3, §4: a baseline of several pages, then what changed, then a dead link.
func TestBaselineAndDelta(t *testing.T) {
	w := newWorld(t, 35)
	tracked := w.query
	tracked.Track = true
	rows, link := w.all(w.client.Query(t.Context(), tracked))
	require.Len(t, rows, 35)
	require.NotEmpty(t, link)
	for _, r := range rows {
		require.Regexp(t, `^[0-9a-f-]{36}$`, r.Key)
		require.Regexp(t, `^\d+$`, r.Version)
		require.NotEmpty(t, r.Raw)
	}
	require.NoError(t, w.boxes.Dynamics.Update("contacts", rows[0].Key, map[string]any{"lastname": "Holm"}))
	require.True(t, w.boxes.Dynamics.Delete("contacts", rows[1].Key))
	w.fault(kit.Rule{Service: "dataverse", Action: kit.Named, Name: "empty_page_with_next", Times: 1})
	changed, again := w.all(w.client.Follow(t.Context(), w.query, link))
	require.Len(t, changed, 2)
	require.Contains(t, string(changed[0].Raw), "Holm")
	require.Equal(t, dataverse.Change{Key: rows[1].Key, Deleted: true}, changed[1])
	nothing, _ := w.all(w.client.Follow(t.Context(), w.query, again))
	require.Empty(t, nothing)

	w.fault(kit.Rule{Service: "dataverse", Action: kit.Named, Name: "expired_delta_link", Status: 410, Times: 1})
	_, err := w.client.Follow(t.Context(), w.query, link)
	require.Equal(t, apierr.ReasonLinkExpired, apierr.ReasonOf(err))
	_, err = w.client.Follow(t.Context(), w.query, "https://elsewhere.example/api/data/v9.2/contacts?$skiptoken=1")
	require.Error(t, err, "a link of another host would carry the token away")
	w.boxes.Dynamics.SetTracking("contacts", false)
	_, err = w.client.Query(t.Context(), tracked)
	require.Equal(t, apierr.ReasonNotTracked, apierr.ReasonOf(err))
}

// §2.5: filters with every character that has a meaning, and many ids.
func TestQueries(t *testing.T) {
	w := newWorld(t, 900)
	id, err := w.boxes.Dynamics.Insert("contacts", map[string]any{"lastname": "O'Brien & Sons +1 #2 %3"})
	require.NoError(t, err)
	q := w.query
	q.Filter = "lastname eq 'O''Brien & Sons +1 #2 %3'"
	rows, _ := w.all(w.client.Query(t.Context(), q))
	require.Len(t, rows, 1)
	require.Equal(t, id, rows[0].Key)
	n, err := w.client.Count(t.Context(), "contacts", q.Filter)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	q.Filter, q.OrderBy = "", "lastname desc,contactid asc"
	rows, _ = w.all(w.client.Query(t.Context(), q))
	require.Len(t, rows, 901)

	keys := append(w.boxes.Dynamics.Keys("contacts"), "99999999-9999-4999-8999-999999999999")
	found, err := w.client.ByIDs(t.Context(), w.query, keys)
	require.NoError(t, err)
	require.Len(t, found.Changes, 901)
	one, err := w.client.Get(t.Context(), w.query, id)
	require.NoError(t, err)
	require.Equal(t, id, one.Key)
	_, err = w.client.Get(t.Context(), w.query, keys[901])
	require.Equal(t, apierr.ReasonNotFound, apierr.ReasonOf(err))
	labelled := w.query
	labelled.Labels = true
	require.NoError(t, w.boxes.Dynamics.Update("contacts", id, map[string]any{"gendercode": 2}))
	one, err = w.client.Get(t.Context(), labelled, id)
	require.NoError(t, err)
	require.Contains(t, string(one.Raw), `"gendercode@OData.Community.Display.V1.FormattedValue":"Female"`)
	q = w.query
	q.Select = []string{"emailadress1"}
	_, err = w.client.Query(t.Context(), q)
	require.Equal(t, apierr.ReasonSchema, apierr.ReasonOf(err))
	require.ErrorContains(t, err, "emailadress1")
}

// §8: identity, counts, definitions.
func TestMetadata(t *testing.T) {
	w := newWorld(t, 3)
	me, err := w.client.WhoAmI(t.Context())
	require.NoError(t, err)
	require.Equal(t, 16, me.DOPHint)
	require.False(t, me.ServerTime.IsZero())
	total, err := w.client.TotalRecordCount(t.Context(), "contact")
	require.NoError(t, err)
	require.EqualValues(t, 3, total)
	days, err := w.client.TrackingWindow(t.Context())
	require.NoError(t, err)
	require.Equal(t, 7, days)
	e, err := w.client.Entity(t.Context(), "contact")
	require.NoError(t, err)
	require.Equal(t, "contacts", e.EntitySetName)
	require.Equal(t, 100, e.Attributes["emailaddress1"].MaxLength)
	require.Equal(t, "DateOnly", e.Attributes["birthdate"].DateTimeBehavior)
	require.Equal(t, map[int]string{1: "Male", 2: "Female"}, e.Attributes["gendercode"].Options)
	require.Equal(t, "Do Not Allow", e.Attributes["donotemail"].TrueLabel)
	_, err = w.client.Entity(t.Context(), "nothing")
	require.Error(t, err)
}

// §7.1, §1.4: a 429 closes the gate for all; an expired token is replaced once.
func TestThrottlingAndTokens(t *testing.T) {
	w := newWorld(t, 1)
	w.fault(kit.Rule{Service: "dataverse", Action: kit.Named, Name: "token_expired", Times: 1})
	_, err := w.client.WhoAmI(t.Context())
	require.NoError(t, err)
	w.fault(kit.Rule{Service: "dataverse", Action: kit.Named, Name: "token_expired", Times: 2})
	_, err = w.client.WhoAmI(t.Context())
	require.Equal(t, apierr.ReasonCredentials, apierr.ReasonOf(err))
	w.fault(kit.Rule{Service: "dataverse", Action: kit.Named, Name: "throttle_requests", Times: 1, Headers: map[string]string{"Retry-After": "30"}})
	_, err = w.client.WhoAmI(t.Context())
	require.Equal(t, apierr.Throttled, apierr.ClassOf(err))
	before := w.boxes.Dynamics.Requests()
	_, err = w.client.WhoAmI(t.Context())
	require.Equal(t, apierr.Throttled, apierr.ClassOf(err))
	require.Equal(t, before, w.boxes.Dynamics.Requests(), "nothing is sent while the gate is closed")
	require.Greater(t, time.Until(w.gate.Until()), 20*time.Second)
}

// §1.2, §1.3: secret and certificate, one flight for many callers, and errors
// that say what to do and no secret.
func TestTokens(t *testing.T) {
	w := newWorld(t, 0)
	certificate := w.tokens(dataverse.MSALOptions{CertificatePEM: []byte(w.file(w.boxes.DynamicsCertificateFile))})
	token, err := certificate.Token(t.Context())
	require.NoError(t, err)
	require.True(t, w.boxes.Entra.Valid(token))
	certificate.Invalidate(token)
	fresh, err := certificate.Token(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, token, fresh)

	secret := w.tokens(dataverse.MSALOptions{Secret: w.file(w.boxes.DynamicsSecretFile)})
	got := make(chan string, 20)
	var callers sync.WaitGroup
	for range cap(got) {
		callers.Go(func() {
			token, err := secret.Token(t.Context())
			if err != nil {
				token = err.Error()
			}
			got <- token
		})
	}
	callers.Wait()
	first := <-got
	for range cap(got) - 1 {
		require.Equal(t, first, <-got, "many callers on a cold cache share one request")
	}
	claimed, err := secret.TokenWithClaims(t.Context(), `{"access_token":{"nbf":{"essential":true,"value":"1"}}}`)
	require.NoError(t, err)
	require.NotEqual(t, first, claimed)

	_, err = w.tokens(dataverse.MSALOptions{Secret: "a wrong one"}).Token(t.Context())
	require.Equal(t, apierr.Retryable, apierr.ClassOf(err))
	require.NotContains(t, fmt.Sprint(err), "a wrong one")
	w.fault(kit.Rule{Service: "entra", Action: kit.Respond, Status: 503, Path: "/token", Times: 1})
	_, err = w.tokens(dataverse.MSALOptions{Secret: w.file(w.boxes.DynamicsSecretFile)}).Token(t.Context())
	require.Equal(t, apierr.Retryable, apierr.ClassOf(err))
	_, err = dataverse.NewMSALTokens(dataverse.MSALOptions{Authority: "https://x.example/t", CertificatePEM: []byte("no pem")})
	require.ErrorContains(t, err, "PEM")
}
