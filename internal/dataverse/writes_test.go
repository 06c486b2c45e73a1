package dataverse_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/transport"
)

func contact(id string) dataverse.Row { return dataverse.Row{EntitySet: "contacts", ID: id} }

func byKey(parts ...dataverse.KeyPart) dataverse.Row {
	return dataverse.Row{EntitySet: "contacts", Key: parts}
}

func TestWritesOnTheWire(t *testing.T) {
	t.Parallel()
	create := (*dataverse.Client).Create
	update := (*dataverse.Client).Update
	upsert := (*dataverse.Client).Upsert
	remove := func(c *dataverse.Client, ctx context.Context, w dataverse.Write) (*dataverse.Result, error) {
		return nil, c.Delete(ctx, w)
	}
	for name, tt := range map[string]struct {
		call                                func(*dataverse.Client, context.Context, dataverse.Write) (*dataverse.Result, error)
		write                               dataverse.Write
		method, uri, body                   string
		ifMatch, ifNoneMatch, prefer, ctype string
	}{
		"a create": {create, dataverse.Write{Row: contact(""), Body: []byte(" {\n \"lastname\": \"O'B\\n\"} ")},
			"POST", "/contacts", `{"lastname":"O'B\n"}`, "", "", "", "json"},
		"an update never creates": {update, dataverse.Write{Row: contact("AAAAAAAA-2222-3333-4444-555555555555"), Body: []byte(`{"a":1}`)},
			"PATCH", "/contacts(aaaaaaaa-2222-3333-4444-555555555555)", `{"a":1}`, "*", "", "", "json"},
		"an update of a version": {update, dataverse.Write{Row: contact(ada), Body: []byte(`{"a":1}`), IfMatch: "919051"},
			"PATCH", "/contacts(" + ada + ")", `{"a":1}`, `W/"919051"`, "", "", "json"},
		"an update by key keeps its key column": {update, dataverse.Write{Row: byKey(dataverse.KeyPart{Column: "acme_id", Value: "P-1"}), Body: []byte(`{"acme_id":"P-2"}`)},
			"PATCH", "/contacts(acme_id='P-1')", `{"acme_id":"P-2"}`, "*", "", "", "json"},
		"an upsert by id": {upsert, dataverse.Write{Row: contact(ada), Body: []byte(`{}`)},
			"PATCH", "/contacts(" + ada + ")", `{}`, "", "", "", "json"},
		"an upsert that only creates": {upsert, dataverse.Write{Row: contact(ada), Body: []byte(`{}`), CreateOnly: true},
			"PATCH", "/contacts(" + ada + ")", `{}`, "", "*", "", "json"},
		"an upsert by a key of every type drops the key from the body": {upsert, dataverse.Write{
			Row: byKey(dataverse.KeyPart{Column: "acme_id", Value: "O'B é x"}, dataverse.KeyPart{Column: "n", Value: 7}, dataverse.KeyPart{Column: "m", Value: int64(-8)},
				dataverse.KeyPart{Column: "b", Value: true}, dataverse.KeyPart{Column: "_acme_campaign_value", Value: dataverse.GUID(ada)}),
			Body: []byte(`{"n":1,"first":{"n":2},"acme\u005fid":"x","last":[1, 2]}`)},
			"PATCH", "/contacts(acme_id='O%27%27B%20%C3%A9%20x',n=7,m=-8,b=true,_acme_campaign_value=" + ada + ")", `{"first":{"n":2},"last":[1,2]}`, "", "", "", "json"},
		"a delete": {remove, dataverse.Write{Row: contact(ada), Return: []string{"x"}},
			"DELETE", "/contacts(" + ada + ")", "", "", "", "", ""},
		"a delete of a version": {remove, dataverse.Write{Row: contact(ada), IfMatch: "12"},
			"DELETE", "/contacts(" + ada + ")", "", `W/"12"`, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := "https://o" + api + "/contacts(" + grace + ")"
			if tt.write.Row.ID != "" {
				id = "https://o" + api + "/contacts(" + tt.write.Row.ID + ")"
			}
			rec := record(t, answer(204, "", "OData-EntityId", id))
			_, err := tt.call(rec.client(t, nil), t.Context(), tt.write)
			require.NoError(t, err)
			got := rec.one(t)
			require.Equal(t, tt.method, got.Method)
			require.Equal(t, api+tt.uri, got.URI)
			require.Equal(t, tt.body, got.Body)
			require.Equal(t, tt.ifMatch, got.Header.Get("If-Match"))
			require.Equal(t, tt.ifNoneMatch, got.Header.Get("If-None-Match"))
			require.Equal(t, tt.prefer, got.Header.Get("Prefer"))
			require.Equal(t, "4.0", got.Header.Get("OData-Version"))
			if tt.ctype == "json" {
				require.Equal(t, "application/json; charset=utf-8", got.Header.Get("Content-Type"))
			} else {
				require.Empty(t, got.Header.Get("Content-Type"))
			}
		})
	}
}

func TestWhatAWriteGives(t *testing.T) {
	t.Parallel()
	upper := "AAAAAAAA-2222-3333-4444-555555555555"
	lower := "aaaaaaaa-2222-3333-4444-555555555555"
	body := `{"@odata.etag":"W/\"5\"","contactid":"` + upper + `"}`
	row := contact(lower)
	for name, tt := range map[string]struct {
		kind   dataverse.OpKind
		write  dataverse.Write
		status int
		body   string
		id     string
		want   dataverse.Result
	}{
		"a create gives the id":               {dataverse.OpCreate, dataverse.Write{Row: contact("")}, 204, "", "https://o/contacts(" + upper + ")", dataverse.Result{ID: lower, Created: true}},
		"a create gives the row":              {dataverse.OpCreate, dataverse.Write{Row: contact(""), Return: []string{"contactid"}, KeyColumn: "contactid"}, 201, body, "", dataverse.Result{ID: lower, Created: true, Version: "5", Raw: []byte(body)}},
		"an update knows its id":              {dataverse.OpUpdate, dataverse.Write{Row: row}, 204, "", "", dataverse.Result{ID: lower}},
		"an update gives the row":             {dataverse.OpUpdate, dataverse.Write{Row: row, Return: []string{"contactid"}, KeyColumn: "contactid"}, 200, body, "", dataverse.Result{ID: lower, Version: "5", Raw: []byte(body)}},
		"an upsert by key may not know":       {dataverse.OpUpsert, dataverse.Write{Row: byKey(dataverse.KeyPart{Column: "k", Value: "v"})}, 204, "", "https://o/contacts(k='v')", dataverse.Result{}},
		"an upsert that gives the row knows":  {dataverse.OpUpsert, dataverse.Write{Row: byKey(dataverse.KeyPart{Column: "k", Value: "v"}), Return: []string{"contactid"}, KeyColumn: "contactid"}, 201, body, "", dataverse.Result{ID: lower, Created: true, Version: "5", Raw: []byte(body)}},
		"an upsert that only creates created": {dataverse.OpUpsert, dataverse.Write{Row: row, CreateOnly: true}, 204, "", "", dataverse.Result{ID: lower, Created: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.write.Body = []byte(`{}`)
			rec := record(t, answer(tt.status, tt.body, "OData-EntityId", tt.id))
			got, err := write(t, rec.client(t, nil), tt.kind, tt.write)
			require.NoError(t, err)
			require.Equal(t, &tt.want, got)
			if len(tt.write.Return) > 0 {
				require.Contains(t, rec.one(t).URI, "?$select=contactid")
				require.Equal(t, "return=representation", rec.one(t).Header.Get("Prefer"))
			}
		})
	}
}

func write(t *testing.T, c *dataverse.Client, kind dataverse.OpKind, w dataverse.Write) (*dataverse.Result, error) {
	t.Helper()
	switch kind {
	case dataverse.OpCreate:
		return c.Create(t.Context(), w)
	case dataverse.OpUpdate:
		return c.Update(t.Context(), w)
	case dataverse.OpUpsert:
		return c.Upsert(t.Context(), w)
	}
	return nil, c.Delete(t.Context(), w)
}

func TestAWriteThatMayHaveHappenedIsAmbiguous(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		h      http.HandlerFunc
		reason string
	}{
		"the connection breaks":                 {hangUp, apierr.ReasonNetwork},
		"the answer breaks off":                 {breakOff("x"), apierr.ReasonNetwork},
		"a gateway gives up":                    {answer(504, "<html>"), apierr.ReasonServiceFault},
		"a fault of the database":               {answer(500, `{"error":{"code":"0x80044151","message":""}}`), apierr.ReasonServiceFault},
		"a success without an id":               {answer(204, ""), apierr.ReasonBadResponse},
		"a success nobody knows":                {answer(202, "", "OData-EntityId", "https://o/contacts("+ada+")"), apierr.ReasonBadResponse},
		"a success whose id is not one":         {answer(204, "", "OData-EntityId", "https://o/contacts(k='v')"), apierr.ReasonBadResponse},
		"a success with a broken body":          {answer(201, `{"contactid":"`+ada+`"`), apierr.ReasonBadResponse},
		"a page of a gateway with a success":    {answer(200, `<html>ann@example.test`), apierr.ReasonBadResponse},
		"a body without what was asked to come": {answer(201, `{}`), apierr.ReasonBadResponse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, tt.h)
			w := dataverse.Write{Row: contact(""), Body: []byte(`{"a":1}`)}
			if tt.reason == apierr.ReasonBadResponse && name[len(name)-2:] != "id" && name != "a success nobody knows" && name != "a success whose id is not one" {
				w.Return, w.KeyColumn = []string{"contactid"}, "contactid"
			}
			_, err := rec.client(t, nil).Create(t.Context(), w)
			e := failure(t, err)
			require.Equal(t, tt.reason, e.Reason)
			require.Equal(t, apierr.Retryable, e.Class)
			require.True(t, e.Ambiguous)
			rec.one(t) // not repeated
		})
	}
}

func TestARefusedWriteIsNotAmbiguous(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status       int
		body, reason string
		version      string
	}{
		"no such row":                            {404, `{"error":{"code":"0x80040217","message":"x"}}`, apierr.ReasonNotFound, ""},
		"another version":                        {412, `{"error":{"code":"0x80060882","message":"x"}}`, apierr.ReasonConflict, "7"},
		"another version, without a code":        {412, `{"error":{"code":"","message":"x"}}`, apierr.ReasonConflict, "7"},
		"taken, without a code":                  {412, `{"error":{"code":"","message":"x"}}`, apierr.ReasonExists, ""},
		"a key that is taken, whatever we asked": {412, `{"error":{"code":"0x80060892","message":"x"}}`, apierr.ReasonExists, "7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := record(t, answer(tt.status, tt.body)).client(t, nil).Update(t.Context(), dataverse.Write{Row: contact(ada), Body: []byte(`{}`), IfMatch: tt.version})
			e := failure(t, err)
			require.Equal(t, tt.reason, e.Reason)
			require.Equal(t, apierr.Rejected, e.Class)
			require.False(t, e.Ambiguous)
		})
	}
}

func TestWritesThatCannotBeMeantAreNotSent(t *testing.T) {
	t.Parallel()
	body := []byte(`{}`)
	key := func(v any) dataverse.Row { return byKey(dataverse.KeyPart{Column: "k", Value: v}) }
	for name, tt := range map[string]struct {
		kind  dataverse.OpKind
		write dataverse.Write
		class apierr.Class
	}{
		"no row":                      {dataverse.OpUpdate, dataverse.Write{Row: contact(""), Body: body}, apierr.Rejected},
		"a delete of nothing":         {dataverse.OpDelete, dataverse.Write{Row: contact("")}, apierr.Rejected},
		"an id that is none":          {dataverse.OpDelete, dataverse.Write{Row: contact("k='ann'")}, apierr.Rejected},
		"an id in braces":             {dataverse.OpDelete, dataverse.Write{Row: contact("{" + ada + "}")}, apierr.Rejected},
		"an e-mail with a plus":       {dataverse.OpUpsert, dataverse.Write{Row: key("ann+x@example.test"), Body: body}, apierr.Rejected},
		"a key with a slash":          {dataverse.OpUpsert, dataverse.Write{Row: key("ann/b"), Body: body}, apierr.Rejected},
		"a key with a line end":       {dataverse.OpUpsert, dataverse.Write{Row: key("ann\r\nX: y"), Body: body}, apierr.Rejected},
		"an empty key":                {dataverse.OpUpsert, dataverse.Write{Row: key(""), Body: body}, apierr.Rejected},
		"a key that is no GUID":       {dataverse.OpUpsert, dataverse.Write{Row: key(dataverse.GUID("ann")), Body: body}, apierr.Rejected},
		"a key of an unknown type":    {dataverse.OpUpsert, dataverse.Write{Row: key(1.5), Body: body}, apierr.Blocked},
		"a key column that is none":   {dataverse.OpUpsert, dataverse.Write{Row: byKey(dataverse.KeyPart{Column: "k=1,x", Value: 1}), Body: body}, apierr.Blocked},
		"a set that is none":          {dataverse.OpCreate, dataverse.Write{Row: dataverse.Row{EntitySet: "contacts/x"}, Body: body}, apierr.Blocked},
		"a create with an address":    {dataverse.OpCreate, dataverse.Write{Row: contact(ada), Body: body}, apierr.Blocked},
		"a create of a version":       {dataverse.OpCreate, dataverse.Write{Row: contact(""), Body: body, IfMatch: "1"}, apierr.Blocked},
		"an update that only creates": {dataverse.OpUpdate, dataverse.Write{Row: contact(ada), Body: body, CreateOnly: true}, apierr.Blocked},
		"a version that is none":      {dataverse.OpUpdate, dataverse.Write{Row: contact(ada), Body: body, IfMatch: "1\"\r\nX: ann"}, apierr.Blocked},
		"a body that is no object":    {dataverse.OpUpdate, dataverse.Write{Row: contact(ada), Body: []byte(`["ann"]`)}, apierr.Blocked},
		"a broken body":               {dataverse.OpUpdate, dataverse.Write{Row: contact(ada), Body: []byte(`{"ann":`)}, apierr.Blocked},
		"no body":                     {dataverse.OpCreate, dataverse.Write{Row: contact("")}, apierr.Blocked},
		"a row without its key named": {dataverse.OpCreate, dataverse.Write{Row: contact(""), Body: body, Return: []string{"x"}}, apierr.Blocked},
		"a reference outside a batch": {dataverse.OpUpdate, dataverse.Write{Row: dataverse.Row{EntitySet: "contacts", Reference: 1}, Body: body}, apierr.Blocked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, answer(204, ""))
			_, err := write(t, rec.client(t, nil), tt.kind, tt.write)
			e := failure(t, err)
			require.Equal(t, tt.class, e.Class)
			require.False(t, e.Ambiguous)
			require.NotContains(t, err.Error(), "ann")
			require.Empty(t, rec.all())
		})
	}
}

// tokens gives t1, t2, …, one after each that was refused.
type tokens struct{ n int }

func (s *tokens) Token(context.Context) (string, error) { return "t" + string(rune('1'+s.n)), nil }
func (s *tokens) Invalidate(string)                     { s.n++ }

func TestAWriteIsSentAgainInFullWithAFreshToken(t *testing.T) {
	t.Parallel()
	rec := record(t, script(t, answer(401, "HTTP Error 401"), answer(204, "", "OData-EntityId", "https://o/contacts("+ada+")")))
	c, err := dataverse.New(dataverse.Options{OrgURL: rec.url, PageSize: 100, Transport: transport.New(transport.Options{RootCAs: rec.pool, Tokens: &tokens{}})})
	require.NoError(t, err)
	got, err := c.Create(t.Context(), dataverse.Write{Row: contact(""), Body: []byte(`{"a":1}`)})
	require.NoError(t, err)
	require.Equal(t, ada, got.ID)
	sent := rec.all()
	require.Len(t, sent, 2)
	require.Equal(t, `{"a":1}`, sent[1].Body)
	require.Equal(t, "Bearer t2", sent[1].Header.Get("Authorization"))
}

// The answer to a write names the row that was written.
func TestAnAnswerAboutAnotherRowConfirmsNothing(t *testing.T) {
	t.Parallel()
	for link, fits := range map[string]bool{
		"": true,
		"https://o/api/data/v9.2/contacts(" + ada + ")":                  true,
		"https://o/api/data/v9.2/contacts(" + strings.ToUpper(ada) + ")": true,
		"https://o/api/data/v9.2/contacts(contactid=" + ada + ")":        true,
		"https://gateway.internal/x/contacts%28" + ada + "%29/":          true,
		"https://o/api/data/v9.2/contacts(" + ada + ")?x=(y)":            true,
		"https://o/api/data/v9.2/contacts(" + grace + ")":                false,
		"https://o/api/data/v9.2/contacts(acme_id='P-1')":                false,
		"https://o/api/data/v9.2/accounts(" + ada + ")":                  false,
		"https://o/api/data/v9.2/contacts":                               false,
	} {
		rec := record(t, answer(204, "", "OData-EntityId", link))
		for _, kind := range []dataverse.OpKind{dataverse.OpUpdate, dataverse.OpUpsert, dataverse.OpDelete} {
			w := dataverse.Write{Row: contact(ada)}
			if kind != dataverse.OpDelete {
				w.Body = []byte(`{}`)
			}
			_, err := write(t, rec.client(t, nil), kind, w)
			if fits {
				require.NoError(t, err, "%s %s", kind, link)
				continue
			}
			require.Equal(t, apierr.ReasonBadResponse, apierr.ReasonOf(err), "%s %s", kind, link)
			require.Equal(t, apierr.Retryable, apierr.ClassOf(err))
			var e *apierr.Error
			require.ErrorAs(t, err, &e)
			require.True(t, e.Ambiguous)
		}
	}
	_, err := write(t, record(t, answer(204, "", "OData-EntityId", "https://o/accounts("+ada+")")).client(t, nil), dataverse.OpCreate, dataverse.Write{Row: contact(""), Body: []byte(`{}`)})
	require.Equal(t, apierr.ReasonBadResponse, apierr.ReasonOf(err))
}
