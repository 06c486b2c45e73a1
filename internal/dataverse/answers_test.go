package dataverse_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/transport"
	"causeway.dev/sandbox/kit"
)

// maintenance is what a gateway shows to everybody while it is being worked on.
const maintenance = `<!DOCTYPE html><html><body>We'll be back soon</body></html>`

// The writes there are, each with the failure of its one row.
var writes = map[string]func(context.Context, *dataverse.Client) *apierr.Error{
	"create": func(ctx context.Context, c *dataverse.Client) *apierr.Error {
		_, err := c.Create(ctx, dataverse.Write{Row: dataverse.Row{EntitySet: "contacts"}, Body: []byte(`{"a":1}`)})
		return of(err)
	},
	"update": func(ctx context.Context, c *dataverse.Client) *apierr.Error {
		_, err := c.Update(ctx, dataverse.Write{Row: contact(ada), Body: []byte(`{"a":1}`)})
		return of(err)
	},
	"update that returns": func(ctx context.Context, c *dataverse.Client) *apierr.Error {
		_, err := c.Update(ctx, dataverse.Write{Row: contact(ada), Body: []byte(`{"a":1}`), Return: []string{"contactid"}, KeyColumn: "contactid"})
		return of(err)
	},
	"upsert": func(ctx context.Context, c *dataverse.Client) *apierr.Error {
		_, err := c.Upsert(ctx, dataverse.Write{Row: contact(ada), Body: []byte(`{"a":1}`), CreateOnly: true})
		return of(err)
	},
	"delete": func(ctx context.Context, c *dataverse.Client) *apierr.Error {
		return of(c.Delete(ctx, dataverse.Write{Row: contact(ada)}))
	},
	"batch": func(ctx context.Context, c *dataverse.Client) *apierr.Error {
		results, _ := c.Batch(ctx, plain(1), dataverse.BatchOptions{})
		return results[0].Err
	},
	"create many": func(ctx context.Context, c *dataverse.Client) *apierr.Error {
		results, _ := c.CreateMultiple(ctx, contactTable, targets(1))
		return results[0].Err
	},
	"update many": func(ctx context.Context, c *dataverse.Client) *apierr.Error {
		results, _ := c.UpdateMultiple(ctx, contactTable, targets(1))
		return results[0].Err
	},
}

func of(err error) *apierr.Error {
	e, _ := err.(*apierr.Error)
	return e
}

func TestASuccessThatTheServiceDoesNotGiveIsNone(t *testing.T) {
	t.Parallel()
	for kind, write := range writes {
		for name, h := range map[string]http.HandlerFunc{
			"a page":                   answer(200, maintenance, "Content-Type", "text/html"),
			"a page that does not say": answer(200, maintenance, "Content-Type", "application/json"),
			"a page as 201":            answer(201, maintenance, "Content-Type", "text/html"),
			"another success":          answer(202, ``),
			"some other JSON":          answer(200, `{"status":"maintenance"}`, "Content-Type", "application/json"),
			"another row":              answer(200, `{"contactid":"`+grace+`"}`),
		} {
			t.Run(kind+" answered by "+name, func(t *testing.T) {
				t.Parallel()
				e := write(t.Context(), record(t, h).client(t, nil))
				require.NotNil(t, e)
				require.Equal(t, apierr.Retryable, e.Class)
				require.Equal(t, apierr.ReasonBadResponse, e.Reason)
				require.True(t, e.Ambiguous)
				require.NotContains(t, e.Error(), "back soon")
			})
		}
	}
}

func TestAPageIsNoAnswerToARead(t *testing.T) {
	t.Parallel()
	for of, read := range map[string]func(context.Context, *dataverse.Client) error{
		"a list":  func(ctx context.Context, c *dataverse.Client) error { _, err := c.Query(ctx, contacts); return err },
		"one row": func(ctx context.Context, c *dataverse.Client) error { _, err := c.Get(ctx, contacts, ada); return err },
		"rows": func(ctx context.Context, c *dataverse.Client) error {
			_, err := c.ByIDs(ctx, contacts, []string{ada})
			return err
		},
		"a count": func(ctx context.Context, c *dataverse.Client) error {
			_, err := c.Count(ctx, "contacts", "")
			return err
		},
		"a total": func(ctx context.Context, c *dataverse.Client) error {
			_, err := c.TotalRecordCount(ctx, "contact")
			return err
		},
		"the window": func(ctx context.Context, c *dataverse.Client) error { _, err := c.TrackingWindow(ctx); return err },
		"a table":    func(ctx context.Context, c *dataverse.Client) error { _, err := c.Entity(ctx, "contact"); return err },
		"who we are": func(ctx context.Context, c *dataverse.Client) error { _, err := c.WhoAmI(ctx); return err },
		"its actions": func(ctx context.Context, c *dataverse.Client) error {
			_, err := c.SupportsMultiple(ctx, dataverse.OpCreate, "contact")
			return err
		},
	} {
		for name, h := range map[string]http.HandlerFunc{
			"a page":                     answer(200, maintenance, "Content-Type", "text/html"),
			"JSON that is called a page": answer(200, `{"value":[],"UserId":"u"}`, "Content-Type", "text/html"),
			"JSON without a value":       answer(200, `{"status":"maintenance"}`),
			"another success":            answer(202, `{"value":[],"UserId":"u"}`),
			"the wrong types":            answer(200, `{"value":{"a":1},"EntityRecordCountCollection":{"Values":["many"]}}`),
		} {
			t.Run(of+" answered by "+name, func(t *testing.T) {
				t.Parallel()
				e := failure(t, read(t.Context(), record(t, h).client(t, nil)))
				require.Equal(t, apierr.Retryable, e.Class)
				require.Equal(t, apierr.ReasonBadResponse, e.Reason)
				require.False(t, e.Ambiguous)
			})
		}
	}
	for name, body := range map[string]string{"another row": `{"contactid":"` + grace + `"}`, "a link that is none": `{"value":[],"@odata.nextLink":7}`} {
		c := record(t, answer(200, body)).client(t, nil)
		_, err := c.Get(t.Context(), contacts, ada)
		require.Equal(t, apierr.ReasonBadResponse, failure(t, err).Reason, name)
		_, err = c.Query(t.Context(), contacts)
		require.Equal(t, apierr.ReasonBadResponse, failure(t, err).Reason, name)
	}
}

func TestNoMoreThanAMebibyteIsReadOfTheAnswerToAWrite(t *testing.T) {
	t.Parallel()
	block := strings.Repeat("x", 1<<16)
	h := func(w http.ResponseWriter, _ *http.Request) {
		for range 1<<4 + 1 {
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
	}
	for _, kind := range []string{"create", "update", "delete", "create many"} {
		e := writes[kind](t.Context(), record(t, h).client(t, nil))
		require.Equal(t, apierr.ReasonResponseTooBig, e.Reason, kind)
		require.Equal(t, apierr.Retryable, e.Class)
		require.True(t, e.Ambiguous)
	}
}

func TestAFaultSaysHowLongItLasts(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]string{"in seconds": "60", "as a date": "Mon, 02 Mar 2026 09:01:00 GMT"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := transport.NewGate()
			rec := record(t, answer(503, maintenance, "Content-Type", "text/html", "Retry-After", wait, "Date", "Mon, 02 Mar 2026 09:00:00 GMT"))
			c := rec.client(t, gate)
			e := writes["update"](t.Context(), c)
			require.Equal(t, apierr.Retryable, e.Class)
			require.Equal(t, time.Minute, e.RetryAfter)
			_, err := c.Query(t.Context(), contacts)
			require.Equal(t, apierr.Throttled, failure(t, err).Class)
			require.Greater(t, failure(t, err).RetryAfter, 30*time.Second)
			rec.one(t) // nothing is sent meanwhile
		})
	}
}

// still is a client of a service that always answers what answer holds, without a
// network, so that a test can own the clock.
func still(t *testing.T, gate *transport.Gate, answer *transport.Response) *dataverse.Client {
	t.Helper()
	c, err := dataverse.New(dataverse.Options{OrgURL: "https://acme.example.test", PageSize: 10,
		Transport: transport.New(transport.Options{Service: "dataverse", Gate: gate, Base: canned(func() *http.Response {
			return &http.Response{StatusCode: answer.Status, Header: answer.Header, ContentLength: int64(len(answer.Body)), Body: io.NopCloser(strings.NewReader(string(answer.Body)))}
		})})})
	require.NoError(t, err)
	return c
}

type canned func() *http.Response

func (f canned) RoundTrip(*http.Request) (*http.Response, error) { return f(), nil }

// One answer that nobody explains is tried again; one that stays is for an operator.
func TestOneOddAnswerFailsNothing(t *testing.T) {
	for name, odd := range map[string]transport.Response{
		"307":                  {Status: 307},
		"403 without a reason": {Status: 403, Body: []byte(maintenance)},
		"404 of a gateway":     {Status: 404, Body: []byte(maintenance)},
		"405":                  {Status: 405},
		"400 without a reason": {Status: 400, Body: []byte(maintenance)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				good := transport.Response{Status: 200, Body: []byte(`{"value":[]}`)}
				now := odd
				c := still(t, nil, &now)
				class := func() apierr.Class {
					_, err := c.Query(t.Context(), contacts)
					return apierr.ClassOf(err)
				}
				for range 2 {
					now = odd
					require.Equal(t, apierr.Retryable, class())
					time.Sleep(time.Minute)
					require.Equal(t, apierr.Retryable, class())
					now = good
					require.Empty(t, class())
					time.Sleep(time.Hour)
				}
				now = odd
				require.Equal(t, apierr.Retryable, class())
				time.Sleep(2 * time.Minute)
				require.Equal(t, apierr.Blocked, class())
			})
		})
	}
}

// What a page leads to is the service's own word: a refusal of it that no protocol
// names, and a page that leads elsewhere, may pass like any odd answer.
func TestOneOddAnswerToAHandedOutLinkFailsNothing(t *testing.T) {
	const link = "https://acme.example.test/api/data/v9.2/contacts?$deltatoken=1"
	for name, odd := range map[string]transport.Response{
		"a row is not there":     {Status: 404, Body: []byte(`{"error":{"code":"0x80040217","message":"gone"}}`)},
		"a plug-in refuses":      {Status: 400, Body: []byte(`{"error":{"code":"0x80040265","message":"no"}}`)},
		"no code":                {Status: 400, Body: []byte(`{"error":{"code":"0x0","message":"strange"}}`)},
		"a delta link elsewhere": {Status: 200, Body: []byte(`{"value":[],"@odata.deltaLink":"https://evil.example.test/x"}`)},
		"a next link elsewhere":  {Status: 200, Body: []byte(`{"value":[],"@odata.nextLink":"https://evil.example.test/x"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := odd
				c := still(t, nil, &now)
				class := func() apierr.Class {
					_, err := c.Follow(t.Context(), contacts, link)
					return apierr.ClassOf(err)
				}
				require.Equal(t, apierr.Retryable, class())
				time.Sleep(time.Minute)
				now = transport.Response{Status: 200, Body: []byte(`{"value":[],"@odata.deltaLink":"` + link + `"}`)}
				require.Empty(t, class())
				time.Sleep(time.Hour)
				now = odd
				require.Equal(t, apierr.Retryable, class())
				time.Sleep(2 * time.Minute)
				require.Equal(t, apierr.Blocked, class())
			})
		})
	}
}

// An organisation that is disabled is waited for, however long; nothing is sent in
// the pauses.
func TestADisabledOrganisationIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := transport.NewGate()
		now := transport.Response{Status: 403, Body: []byte(`{"error":{"code":"0x8004a104","message":"The organisation is disabled."}}`)}
		c := still(t, gate, &now)
		for range 100 {
			_, err := c.Query(t.Context(), contacts)
			e := failure(t, err)
			require.Equal(t, apierr.Retryable, e.Class)
			require.Equal(t, 10*time.Second, e.RetryAfter)
			_, err = c.Query(t.Context(), contacts)
			require.Equal(t, apierr.Throttled, failure(t, err).Class)
			require.NoError(t, gate.Wait(t.Context()))
		}
		now = transport.Response{Status: 200, Body: []byte(`{"value":[]}`)}
		_, err := c.Query(t.Context(), contacts)
		require.NoError(t, err)
	})
}

func TestARefusedTokenWithinABatchIsTriedAgain(t *testing.T) {
	t.Parallel()
	const refused = "\nHTTP/1.1 401 Unauthorized\n\nHTTP Error 401 - Unauthorized: Access is denied"
	body := parts("b", noContent, refused)
	results, err := record(t, answer(200, body, "Content-Type", "multipart/mixed; boundary=b")).client(t, nil).Batch(t.Context(), plain(2), dataverse.BatchOptions{ContinueOnError: true})
	require.NoError(t, err)
	require.Nil(t, results[0].Err)
	require.Equal(t, apierr.Retryable, results[1].Err.Class)
	require.Equal(t, apierr.ReasonCredentials, results[1].Err.Reason)
	require.False(t, results[1].Err.Ambiguous, "nothing was written")

	body = parts("b", refused, noContent)
	results, err = record(t, answer(200, body, "Content-Type", "multipart/mixed; boundary=b")).client(t, nil).Batch(t.Context(), three(), dataverse.BatchOptions{ContinueOnError: true})
	require.NoError(t, err)
	for _, r := range results[:2] { // of the change set
		require.Equal(t, apierr.Retryable, r.Err.Class)
		require.Equal(t, apierr.ReasonCredentials, r.Err.Reason)
	}
}

func TestAPageThatNamesItselfEndsWithTheReason(t *testing.T) {
	t.Parallel()
	var rec *recorder
	rec = record(t, func(w http.ResponseWriter, r *http.Request) {
		answer(200, `{"value":[{"contactid":"`+ada+`"}],"@odata.nextLink":"`+rec.url+strings.ReplaceAll(r.RequestURI, `"`, `\"`)+`"}`)(w, r)
	})
	c := rec.client(t, nil)
	for _, read := range []func() error{
		func() error { _, err := c.Query(t.Context(), contacts); return err },
		func() error {
			_, err := c.Follow(t.Context(), contacts, rec.url+api+"/contacts?$skiptoken=a")
			return err
		},
		func() error { _, err := c.ByIDs(t.Context(), contacts, []string{ada}); return err },
	} {
		before := len(rec.all())
		e := failure(t, read())
		require.Equal(t, apierr.Blocked, e.Class)
		require.Equal(t, apierr.ReasonLinkRepeated, e.Reason)
		require.Equal(t, before+2, len(rec.all()), "a cache may have it from before: one more look")
	}
	var round *recorder
	round = record(t, func(w http.ResponseWriter, r *http.Request) {
		next := map[bool]string{true: "a", false: "b"}[strings.HasSuffix(r.RequestURI, "=b")]
		answer(200, `{"value":[],"@odata.nextLink":"`+round.url+api+`/contacts?$skiptoken=`+next+`"}`)(w, r)
	})
	_, err := round.client(t, nil).ByIDs(t.Context(), contacts, []string{ada})
	require.Equal(t, apierr.ReasonLinkRepeated, apierr.ReasonOf(err), "two pages that name each other")
}

func TestWhatWasSentIsNotInTheTextOfAnError(t *testing.T) {
	t.Parallel()
	body := `{"error":{"code":"0x80041234","message":"Nobody called Quitten of BERLIN\u001b[31m with \u202eeman\u202c"}}`
	sent := []byte(`{"lastname":"Quitten","address1_city":"Berlin"}`)
	c := record(t, answer(400, body)).client(t, nil)
	_, err := c.Update(t.Context(), dataverse.Write{Row: contact(ada), Body: sent})
	alone := failure(t, err)
	results, _ := c.Batch(t.Context(), []dataverse.Operation{{Kind: dataverse.OpUpdate, Write: dataverse.Write{Row: contact(ada), Body: sent}}}, dataverse.BatchOptions{})
	many, _ := c.UpdateMultiple(t.Context(), contactTable, []dataverse.Target{{ID: ada, Body: sent}})
	for _, e := range []*apierr.Error{alone, results[0].Err, many[0].Err} {
		require.Equal(t, apierr.Rejected, e.Class)
		require.Contains(t, e.Message, "Nobody called … of …")
		for _, hidden := range []string{"Quitten", "BERLIN", "\x1b", "\u202e", "\u202c"} {
			require.NotContains(t, e.Error()+e.Message, hidden)
		}
	}
}

// A gateway in front of Dataverse answers with its page, whether the write was
// carried out or not: nobody counts it as written.
func TestTheMaintenancePageOfTheSandboxLosesNothing(t *testing.T) {
	w := newWorld(t, 1)
	for _, action := range []kit.Action{kit.Respond, kit.Replace} {
		w.fault(kit.Rule{Service: "dataverse", Action: action, Times: 1, Status: 200, Headers: map[string]string{"Content-Type": "text/html"}, Body: maintenance})
		_, err := w.client.Query(t.Context(), contacts)
		require.Equal(t, apierr.ReasonBadResponse, failure(t, err).Reason)
		page, err := w.client.Query(t.Context(), contacts)
		require.NoError(t, err)
		update := dataverse.Write{Row: contact(page.Changes[0].Key), Body: []byte(`{"lastname":"` + string(action) + `"}`)}
		w.fault(kit.Rule{Service: "dataverse", Method: http.MethodPatch, Action: action, Times: 1, Status: 200, Headers: map[string]string{"Content-Type": "text/html"}, Body: maintenance})
		_, err = w.client.Update(t.Context(), update)
		require.True(t, failure(t, err).Ambiguous)
		_, err = w.client.Update(t.Context(), update)
		require.NoError(t, err)
	}
}

// A page in place of an answer is told of while it lasts, also when its status is 200 and
// the request was a write.
func TestAPageWithAGoodStatusIsToldOf(t *testing.T) {
	t.Parallel()
	scope := tally.NewTestScope("", nil)
	watch := transport.NewWatch(scope, slog.New(slog.DiscardHandler), "dataverse")
	odd := func() bool {
		return scope.Snapshot().Gauges()["odd_answers_since_timestamp_seconds+service=dataverse"].Value() > 0
	}
	page := true
	c, err := dataverse.New(dataverse.Options{OrgURL: "https://acme.example.test", PageSize: 10,
		Transport: transport.New(transport.Options{Service: "dataverse", Watch: watch, Base: canned(func() *http.Response {
			body, kind := `{"value":[]}`, "application/json"
			if page {
				body, kind = maintenance, "text/html"
			}
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {kind}}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
		})})})
	require.NoError(t, err)
	_, err = c.Query(t.Context(), contacts)
	require.Error(t, err)
	require.True(t, odd(), "of a read")
	page = false
	_, err = c.Query(t.Context(), contacts)
	require.NoError(t, err)
	require.False(t, odd())

	page = true
	_, err = c.Update(t.Context(), dataverse.Write{Row: dataverse.Row{EntitySet: "contacts", ID: "6f0c1d2e-0000-4000-8000-000000000001"}, Body: []byte(`{"a":true}`), IfMatch: "1"})
	require.Error(t, err)
	require.True(t, odd(), "of a write: %v", err)
}
