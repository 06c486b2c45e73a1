package dataverse_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
)

func TestReadsOnTheWire(t *testing.T) {
	t.Parallel()
	rows := `{"value":[],"@odata.deltaLink":"{origin}/x"}`
	query := func(q dataverse.Query) func(context.Context, *dataverse.Client) error {
		return func(ctx context.Context, c *dataverse.Client) error {
			_, err := c.Query(ctx, q)
			return err
		}
	}
	for name, tt := range map[string]struct {
		call        func(context.Context, *dataverse.Client) error
		reply       string
		uri, prefer string
	}{
		"a tracked baseline": {
			query(dataverse.Query{EntitySet: "contacts", KeyColumn: "contactid", Select: []string{"firstname", "lastname"}, Track: true}), rows,
			"/contacts?$select=firstname,lastname", "odata.track-changes,odata.maxpagesize=100",
		},
		"a filter with an apostrophe, a plus and an ampersand": {
			query(dataverse.Query{EntitySet: "contacts", KeyColumn: "contactid", Filter: "emailaddress1 eq 'O''B+x&y@z'", OrderBy: "modifiedon asc,contactid asc"}), rows,
			"/contacts?$filter=emailaddress1%20eq%20%27O%27%27B%2Bx%26y%40z%27&$orderby=modifiedon%20asc%2Ccontactid%20asc", "odata.maxpagesize=100",
		},
		"everything, with labels": {
			query(dataverse.Query{EntitySet: "contacts", KeyColumn: "contactid", Labels: true}), rows,
			"/contacts", `odata.maxpagesize=100,odata.include-annotations="OData.Community.Display.V1.FormattedValue"`,
		},
		"one row": {
			func(ctx context.Context, c *dataverse.Client) error { _, err := c.Get(ctx, contacts, ada); return err }, `{"contactid":"` + ada + `"}`,
			"/contacts(" + ada + ")?$select=firstname,emailaddress1", "",
		},
		"a count": {
			func(ctx context.Context, c *dataverse.Client) error {
				_, err := c.Count(ctx, "contacts", "statecode eq 0")
				return err
			}, "12",
			"/contacts/$count?$filter=statecode%20eq%200", "",
		},
		"the size of a table": {
			func(ctx context.Context, c *dataverse.Client) error {
				_, err := c.TotalRecordCount(ctx, "contact")
				return err
			}, `{"EntityRecordCountCollection":{"Values":[1]}}`,
			"/RetrieveTotalRecordCount(EntityNames=@p1)?@p1=%5B%22contact%22%5D", "",
		},
		"rows by id": {
			func(ctx context.Context, c *dataverse.Client) error {
				_, err := c.ByIDs(ctx, contacts, []string{ada, grace})
				return err
			}, rows,
			"/contacts?$select=firstname,emailaddress1&$filter=" + strings.ReplaceAll(url.QueryEscape(
				`Microsoft.Dynamics.CRM.In(PropertyName='contactid',PropertyValues=["`+ada+`","`+grace+`"])`), "+", "%20"), "odata.maxpagesize=100",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, answer(200, tt.reply))
			require.NoError(t, tt.call(t.Context(), rec.client(t, nil)))
			got := rec.one(t)
			require.Equal(t, "GET", got.Method)
			require.Equal(t, api+tt.uri, got.URI)
			require.Equal(t, tt.prefer, got.Header.Get("Prefer"))
			require.Equal(t, "null", got.Header.Get("If-None-Match"))
			require.Equal(t, "application/json", got.Header.Get("Accept"))
			require.Equal(t, "4.0", got.Header.Get("OData-Version"))
			require.Equal(t, "4.0", got.Header.Get("OData-MaxVersion"))
			require.Empty(t, got.Header.Get("Content-Type"))
		})
	}
}

func TestADeltaPageHasRowsAndTombstones(t *testing.T) {
	t.Parallel()
	row := `{"@odata.etag":"W/\"919051\"","firstname":"Ada","emailaddress1":null,"contactid":"AAAAAAAA-2222-3333-4444-555555555555"}`
	body := `{"@odata.context":"x/$metadata#contacts/$delta","@odata.deltaLink":"{origin}/next","value":[` + row +
		`,{"@odata.context":"x/$metadata#contacts/$deletedEntity","id":"BBBBBBBB-2222-3333-4444-555555555555"},{"id":"33333333-2222-3333-4444-555555555555","reason":"deleted"}]}`
	rec := record(t, answer(200, body, "Date", "Mon, 02 Mar 2026 09:00:00 GMT"))
	page, err := rec.client(t, nil).Follow(t.Context(), contacts, rec.url+api+"/contacts?$deltatoken=1")
	require.NoError(t, err)
	require.Equal(t, &dataverse.Page{
		Changes: []dataverse.Change{
			{Key: "aaaaaaaa-2222-3333-4444-555555555555", Version: "919051", Raw: []byte(row)},
			{Key: "bbbbbbbb-2222-3333-4444-555555555555", Deleted: true},
			{Key: "33333333-2222-3333-4444-555555555555", Deleted: true},
		},
		DeltaLink: rec.url + "/next", ServerTime: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
	}, page)
}

func TestLinksAreFollowedByteForByte(t *testing.T) {
	t.Parallel()
	for _, link := range []string{
		"/contacts?$select=fullname&$skiptoken=%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%253ccookie%2520page%253d%25221%2522%253e%22%20istracking=%22False%22%20/%3E",
		"/contacts?$select=firstname&$deltatoken=919042%2108%2f22%2f2025%2008%3a10%3a44",
		"/contacts?$deltatoken=a+b%2Bc%20d;e&&f==g",
		"/contacts%28x%29?$deltatoken=%7e~",
	} {
		rec := record(t, answer(200, `{"value":[]}`))
		q := contacts
		q.Track = true // the link knows
		_, err := rec.client(t, nil).Follow(t.Context(), q, rec.url+api+link)
		require.NoError(t, err)
		require.Equal(t, api+link, rec.one(t).URI)
		require.Equal(t, "odata.maxpagesize=100", rec.one(t).Header.Get("Prefer"), "on every page")
	}
}

func TestALinkToAnotherOriginIsNotFollowed(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(200, `{"value":[]}`))
	host := strings.TrimPrefix(rec.url, "https://")
	for _, link := range []string{
		"https://evil.example.test" + api + "/contacts", "http://" + host + api + "/contacts", "https://127.0.0.1:1" + api,
		"https://u@" + host + api, "//" + host + api, api + "/contacts", "", "https://" + host + ".evil.example.test/", ":",
	} {
		_, err := rec.client(t, nil).Follow(t.Context(), contacts, link)
		require.Equal(t, apierr.ReasonLinkExpired, apierr.ReasonOf(err), link)
		require.Equal(t, apierr.Blocked, apierr.ClassOf(err))
	}
	require.Empty(t, rec.all())
}

// A page hands on no link to another origin, so that a link which was kept and leads
// elsewhere is known to be of an earlier address.
func TestAPageThatLeadsToAnotherOriginIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"nextLink", "deltaLink"} {
		rec := record(t, answer(200, `{"value":[],"@odata.`+name+`":"https://evil.example.test/x"}`))
		_, err := rec.client(t, nil).Query(t.Context(), contacts)
		require.Equal(t, apierr.ReasonForeignLink, apierr.ReasonOf(err), name)
		require.Equal(t, apierr.Retryable, apierr.ClassOf(err), "until it lasts: TestOneOddAnswerToAHandedOutLinkFailsNothing")
	}
}

func TestAnEmptyPageWithANextLinkIsNotTheEnd(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(200, `{"value":[],"@odata.nextLink":"{origin}/2"}`))
	page, err := rec.client(t, nil).
		Query(t.Context(), dataverse.Query{EntitySet: "contacts", KeyColumn: "contactid", Track: true})
	require.NoError(t, err)
	require.Empty(t, page.Changes)
	require.Equal(t, rec.url+"/2", page.NextLink)
	require.Empty(t, page.DeltaLink)
}

func TestATrackedReadWithoutALinkIsNotTracked(t *testing.T) {
	t.Parallel()
	c := record(t, answer(200, `{"value":[]}`)).client(t, nil)
	_, err := c.Query(t.Context(), dataverse.Query{EntitySet: "contacts", KeyColumn: "contactid", Track: true})
	require.Equal(t, apierr.ReasonNotTracked, failure(t, err).Reason)
	_, err = c.Query(t.Context(), contacts)
	require.NoError(t, err)
}

func TestAPageThatCannotBeReadIsRetried(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"broken off":         `{"value":[{"contactid":"` + ada + `"}`,
		"a page of HTML":     `<html><body>ann@example.test signed out</body></html>`,
		"nothing":            ``,
		"no list":            `{"@odata.context":"x"}`,
		"a list of no rows":  `{"value":"ann@example.test"}`,
		"a row without key":  `{"value":[{"firstname":"ann@example.test"}]}`,
		"a deletion of none": `{"value":[{"reason":"deleted"}]}`,
		"a list":             `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := record(t, answer(200, body)).client(t, nil).Query(t.Context(), contacts)
			e := failure(t, err)
			require.Equal(t, apierr.Retryable, e.Class)
			require.Equal(t, apierr.ReasonBadResponse, e.Reason)
			require.NotContains(t, err.Error(), "ann@")
		})
	}
	t.Run("broken off on the wire", func(t *testing.T) {
		t.Parallel()
		_, err := record(t, breakOff(`{"value":[]}`)).client(t, nil).Query(t.Context(), contacts)
		require.Equal(t, apierr.ReasonNetwork, failure(t, err).Reason)
	})
}

func TestGetReadsOneRow(t *testing.T) {
	t.Parallel()
	body := `{"@odata.context":"x/$metadata#contacts/$entity","@odata.etag":"W/\"7\"","contactid":"` + ada + `","reason":null}`
	got, err := record(t, answer(200, body)).client(t, nil).Get(t.Context(), contacts, ada)
	require.NoError(t, err)
	require.Equal(t, &dataverse.Change{Key: ada, Version: "7", Raw: []byte(body)}, got)

	_, err = record(t, answer(404, `{"error":{"code":"0x80040217","message":"contact With Id = x Does Not Exist"}}`)).client(t, nil).Get(t.Context(), contacts, ada)
	require.Equal(t, apierr.ReasonNotFound, failure(t, err).Reason)

	for _, body := range []string{`{"contactid":"` + ada + `"`, `{}`, `{"id":"` + ada + `","reason":"deleted"}`, ``} {
		_, err = record(t, answer(200, body)).client(t, nil).Get(t.Context(), contacts, ada)
		require.Equal(t, apierr.ReasonBadResponse, failure(t, err).Reason, body)
	}
}

func TestIDsThatAreNoneAreNotSent(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(200, `{"value":[]}`))
	c := rec.client(t, nil)
	for _, id := range []string{"", "x", ada + ")", `"` + ada[2:] + `"`, "{" + ada + "}"} {
		_, err := c.Get(t.Context(), contacts, id)
		require.Equal(t, apierr.ReasonInvalidValue, failure(t, err).Reason)
		_, err = c.ByIDs(t.Context(), contacts, []string{ada, id})
		require.Equal(t, apierr.ReasonInvalidValue, failure(t, err).Reason)
	}
	require.Empty(t, rec.all())
}

func TestByIDsReadsInPortionsAndPages(t *testing.T) {
	t.Parallel()
	ids := make([]string, 401)
	for i := range ids {
		ids[i] = fmt.Sprintf("11111111-2222-3333-4444-%012d", i)
	}
	var rec *recorder
	row := func(id string) string { return `{"contactid":"` + id + `"}` }
	rec = record(t, script(t,
		func(w http.ResponseWriter, r *http.Request) {
			answer(200, `{"value":[`+row(ids[0])+`],"@odata.nextLink":"`+rec.url+api+`/contacts?page=2"}`)(w, r)
		},
		answer(200, `{"value":[`+row(ids[1])+`]}`),
		answer(200, `{"value":[`+row(ids[400])+`]}`),
	))
	page, err := rec.client(t, nil).ByIDs(t.Context(), contacts, ids)
	require.NoError(t, err)
	var keys []string
	for _, c := range page.Changes {
		keys = append(keys, c.Key)
	}
	require.Equal(t, []string{ids[0], ids[1], ids[400]}, keys)
	sent := rec.all()
	require.Len(t, sent, 3)
	require.NotContains(t, sent[0].URI, ids[400])
	require.Contains(t, sent[2].URI, ids[400])
	for _, s := range sent {
		require.Less(t, len(s.URI), 32_768)
	}

	none, err := rec.client(t, nil).ByIDs(t.Context(), contacts, nil)
	require.NoError(t, err)
	require.Empty(t, none.Changes)
}
