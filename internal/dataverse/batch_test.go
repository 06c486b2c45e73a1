package dataverse_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/transport"
)

// three are a create and an update in a change set, and a delete by itself.
func three() []dataverse.Operation {
	return []dataverse.Operation{
		{Kind: dataverse.OpCreate, ChangeSet: 1, Write: dataverse.Write{Row: dataverse.Row{EntitySet: "acme_emailevents"}, Body: []byte("{\n\"subject\": \"Opened\"}")}},
		{Kind: dataverse.OpUpdate, ChangeSet: 1, Write: dataverse.Write{Row: dataverse.Row{EntitySet: "acme_emailevents", Reference: 1}, Body: []byte(`{"statecode":1}`)}},
		{Kind: dataverse.OpDelete, Write: dataverse.Write{Row: contact(ada), IfMatch: "7"}},
	}
}

func plain(n int) []dataverse.Operation {
	ops := make([]dataverse.Operation, n)
	for i := range ops {
		ops[i] = dataverse.Operation{Kind: dataverse.OpUpdate, Write: dataverse.Write{Row: contact(ada), Body: []byte(`{}`)}}
	}
	return ops
}

func TestABatchOnTheWire(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(500, ""))
	_, err := rec.client(t, nil).Batch(t.Context(), append(three(),
		dataverse.Operation{Kind: dataverse.OpUpsert, ChangeSet: 2, Write: dataverse.Write{Row: contact(grace), Body: []byte(`{}`), CreateOnly: true, Return: []string{"contactid"}, KeyColumn: "contactid"}},
	), dataverse.BatchOptions{ContinueOnError: true})
	require.Error(t, err)
	got := rec.one(t)
	require.Equal(t, "POST", got.Method)
	require.Equal(t, api+"/$batch", got.URI)
	require.Equal(t, "odata.continue-on-error", got.Header.Get("Prefer"))
	boundary := regexp.MustCompile(`^multipart/mixed; boundary="(batch_[0-9a-f-]{36})"$`).FindStringSubmatch(got.Header.Get("Content-Type"))
	require.NotNil(t, boundary)
	set := regexp.MustCompile(`changeset_[0-9a-f-]{36}_0`).FindString(got.Body)
	require.NotEmpty(t, set)
	body := strings.NewReplacer(boundary[1], "B", set, "C").Replace(got.Body)
	want := `--B
Content-Type: multipart/mixed; boundary="C"

--C
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 1

POST /api/data/v9.2/acme_emailevents HTTP/1.1
Content-Type: application/json; type=entry

{"subject":"Opened"}
--C
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 2

PATCH $1 HTTP/1.1
Content-Type: application/json; type=entry
If-Match: *

{"statecode":1}
--C--

--B
Content-Type: application/http
Content-Transfer-Encoding: binary

DELETE /api/data/v9.2/contacts(` + ada + `) HTTP/1.1
If-Match: W/"7"


--B
Content-Type: application/http
Content-Transfer-Encoding: binary

PATCH /api/data/v9.2/contacts(` + grace + `)?$select=contactid HTTP/1.1
Content-Type: application/json; type=entry
If-None-Match: *
Prefer: return=representation

{}
--B--
`
	require.Equal(t, strings.ReplaceAll(want, "\n", "\r\n"), body, "CRLF throughout, the last line included")
	require.NotRegexp(t, `[^\r]\n`, got.Body)
}

// parts is a multipart answer: reply is text with LF, each a part of its own.
func parts(boundary string, replies ...string) string {
	var b strings.Builder
	for _, r := range replies {
		if !strings.HasPrefix(r, "Content-Type: multipart") {
			r = "Content-Type: application/http\nContent-Transfer-Encoding: binary\n" + r
		}
		b.WriteString("--" + boundary + "\n" + r + "\n")
	}
	return b.String() + "--" + boundary + "--\n"
}

const (
	noContent = "\nHTTP/1.1 204 No Content\nOData-Version: 4.0\n\n"
	missing   = "\nHTTP/1.1 404 Not Found\nREQ_ID: r-1\nContent-Type: application/json\n\n" + `{"error":{"code":"0x80040217","message":"contact With Id = x Does Not Exist"}}`
)

func created(id string) string {
	return "\nHTTP/1.1 204 No Content\nOData-Version: 4.0\nOData-EntityId: https://o/acme_emailevents(" + id + ")\n\n"
}

func set(replies ...string) string {
	return "Content-Type: multipart/mixed; boundary=changesetresponse_77\n\n" + parts("changesetresponse_77", replies...)
}

// multi answers with the parts, in CRLF.
func multi(status int, body string) http.HandlerFunc {
	return answer(status, strings.ReplaceAll(body, "\n", "\r\n"), "Content-Type", "multipart/mixed; boundary=batchresponse_9f")
}

// fate is a result in short.
func fate(r dataverse.Result) string {
	switch {
	case r.Err == nil:
		return "ok " + r.ID
	case r.Skipped:
		return "skipped"
	case r.Err.Ambiguous:
		return "unknown " + r.Err.Reason
	}
	return r.Err.Reason
}

func TestWhatABatchGives(t *testing.T) {
	t.Parallel()
	all := parts("batchresponse_9f", set("Content-ID: 1\n"+created(ada), "Content-ID: 2\n"+noContent), noContent)
	unknown := "unknown BadResponse"
	for name, tt := range map[string]struct {
		ops       []dataverse.Operation
		h         http.HandlerFunc
		continued bool
		want      []string
		reason    string // of the error of the whole
	}{
		"everything": {three(), multi(200, all), false, []string{"ok " + ada, "ok ", "ok " + ada}, ""},
		"line feeds instead of CRLF": {three(), answer(200, all, "Content-Type", "multipart/mixed; boundary=batchresponse_9f"), false,
			[]string{"ok " + ada, "ok ", "ok " + ada}, ""},
		"a boundary in quotes, with words before and after": {three(), answer(200, "hello\n"+all+"bye\n", "Content-Type", `multipart/mixed; charset=x; boundary="batchresponse_9f"`), false,
			[]string{"ok " + ada, "ok ", "ok " + ada}, ""},
		"replies of a set out of order": {three(), multi(200, parts("batchresponse_9f", set("Content-ID: 2\n"+noContent, "Content-ID: 1\n"+created(ada)), noContent)), false,
			[]string{"ok " + ada, "ok ", "ok " + ada}, ""},
		"the id of an operation inside the reply": {three(), multi(200, parts("batchresponse_9f",
			set("\nHTTP/1.1 204 No Content\nContent-ID: 2\n\n", "\nHTTP/1.1 204 No Content\nContent-ID: 1\nOData-EntityId: x/acme_emailevents("+ada+")\n\n"), noContent)), false,
			[]string{"ok " + ada, "ok ", "ok " + ada}, ""},
		"one error stands for a set": {three(), multi(200, parts("batchresponse_9f", missing, noContent)), true,
			[]string{"NotFound", "NotFound", "ok " + ada}, ""},
		"one error of a set says whose it is": {three(), multi(200, parts("batchresponse_9f", "Content-ID: 2\n"+missing, noContent)), true,
			[]string{"skipped", "NotFound", "ok " + ada}, ""},
		"a failed set ends the batch": {three(), multi(404, parts("batchresponse_9f", missing)), false,
			[]string{"NotFound", "NotFound", "skipped"}, ""},
		"a failed operation ends the batch": {plain(4), multi(404, parts("batchresponse_9f", noContent, missing)), false,
			[]string{"ok " + ada, "NotFound", "skipped", "skipped"}, ""},
		"the batch goes on after errors": {plain(4), multi(200, parts("batchresponse_9f", missing, noContent, missing, noContent)), true,
			[]string{"NotFound", "ok " + ada, "NotFound", "ok " + ada}, ""},
		"operations that nobody answered for": {plain(3), multi(200, parts("batchresponse_9f", noContent)), false,
			[]string{"ok " + ada, unknown, unknown}, apierr.ReasonBadResponse},
		"operations left out though the batch goes on": {plain(3), multi(200, parts("batchresponse_9f", missing)), true,
			[]string{"NotFound", unknown, unknown}, apierr.ReasonBadResponse},
		"the answer breaks off in an operation": {plain(3), multi(200, strings.TrimSuffix(parts("batchresponse_9f", noContent, missing), "--batchresponse_9f--\n")), false,
			[]string{"ok " + ada, unknown, unknown}, apierr.ReasonBadResponse},
		"the answer breaks off after a refusal": {plain(3), multi(200, strings.TrimSuffix(parts("batchresponse_9f", noContent, missing), "--\n")+"\nContent-Type: application/http\n\nHTTP/1.1 2"), false,
			[]string{"ok " + ada, "NotFound", unknown}, apierr.ReasonBadResponse},
		"no parts at all": {plain(2), multi(200, ""), false, []string{unknown, unknown}, apierr.ReasonBadResponse},
		"a set that breaks off": {three(), multi(200, parts("batchresponse_9f", strings.TrimSuffix(set("Content-ID: 1\n"+created(ada), "Content-ID: 2\n"+noContent), "--changesetresponse_77--\n"), noContent)), false,
			[]string{"ok " + ada, unknown, "ok " + ada}, apierr.ReasonBadResponse},
		"an empty set": {three(), multi(200, parts("batchresponse_9f", set(), noContent)), false,
			[]string{unknown, unknown, "ok " + ada}, apierr.ReasonBadResponse},
		"one success for a set": {three(), multi(200, parts("batchresponse_9f", noContent, noContent)), false,
			[]string{unknown, unknown, "ok " + ada}, apierr.ReasonBadResponse},
		"a part that is no reply": {plain(2), multi(200, parts("batchresponse_9f", "\nhello", noContent)), false,
			[]string{unknown, "ok " + ada}, apierr.ReasonBadResponse},
		"a set for a single operation": {plain(1), multi(200, parts("batchresponse_9f", set("Content-ID: 9\n"+noContent))), false, []string{"ok " + ada}, ""},
		"more parts than operations":   {plain(1), multi(200, parts("batchresponse_9f", noContent, missing)), false, []string{"ok " + ada}, ""},
		"refused as a whole": {plain(2), answer(400, `{"error":{"code":"0x80048d19","message":"Stream was not readable."}}`, "Content-Type", "application/json"), false,
			[]string{"Config", "Config"}, apierr.ReasonConfig},
		"throttled as a whole": {plain(2), answer(429, `{"error":{"code":"0x80072322","message":""}}`, "Content-Type", "application/json"), true,
			[]string{"Throttled", "Throttled"}, apierr.ReasonThrottled},
		"a fault of a gateway": {plain(2), answer(502, `<html>`, "Content-Type", "text/html"), true,
			[]string{"unknown ServiceFault", "unknown ServiceFault"}, apierr.ReasonServiceFault},
		"a success of a gateway": {plain(2), answer(200, `<html>`, "Content-Type", "text/html"), true, []string{unknown, unknown}, apierr.ReasonBadResponse},
		"no boundary":            {plain(1), answer(200, all, "Content-Type", "multipart/mixed"), true, []string{unknown}, apierr.ReasonBadResponse},
		"the connection breaks":  {plain(2), hangUp, true, []string{"unknown Network", "unknown Network"}, apierr.ReasonNetwork},
		"a fault of one": {plain(2), multi(200, parts("batchresponse_9f", "\nHTTP/1.1 500 Internal Server Error\n\n"+`{"error":{"code":"0x80044151"}}`, noContent)), true,
			[]string{"unknown ServiceFault", "ok " + ada}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results, err := record(t, tt.h).client(t, nil).Batch(t.Context(), tt.ops, dataverse.BatchOptions{ContinueOnError: tt.continued})
			got := make([]string, len(results))
			for i, r := range results {
				got[i] = fate(r)
				require.Equal(t, r.Err == nil, !r.Skipped && strings.HasPrefix(got[i], "ok"))
			}
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.reason, apierr.ReasonOf(err))
		})
	}
}

func TestThePartOfABatchIsClassifiedAsAnAnswer(t *testing.T) {
	t.Parallel()
	gate := transport.NewGate()
	c := record(t, multi(200, parts("batchresponse_9f",
		"\nHTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 3\n\n"+`{"@odata.etag":"W/\"5\"","contactid":"`+ada+`","fullname":"Ada"}`+"\n",
		missing,
		"\nHTTP/1.1 429 Too Many Requests\nRetry-After: 35\n\n"+`{"error":{"code":"0x80072322","message":""}}`,
	))).client(t, gate)
	ops := plain(3)
	ops[0].Return, ops[0].KeyColumn = []string{"fullname"}, "contactid"
	results, err := c.Batch(t.Context(), ops, dataverse.BatchOptions{ContinueOnError: true})
	require.NoError(t, err)
	require.Equal(t, dataverse.Result{ID: ada, Version: "5", Raw: []byte(`{"@odata.etag":"W/\"5\"","contactid":"` + ada + `","fullname":"Ada"}`)}, results[0])
	require.Equal(t, apierr.Rejected, results[1].Err.Class)
	require.Equal(t, "0x80040217", results[1].Err.Code)
	require.Equal(t, "r-1", results[1].Err.RequestID)
	require.Equal(t, 404, results[1].Err.Status)
	require.Equal(t, "update one of contacts", results[1].Err.Op)
	require.Equal(t, apierr.Throttled, results[2].Err.Class)
	require.NotNil(t, gate.Err("dataverse", "op"), "the gate is closed")
}

func TestOperationsThatCannotBeMeantKeepTheBatchBack(t *testing.T) {
	t.Parallel()
	ref := func(n, set int) dataverse.Operation {
		return dataverse.Operation{Kind: dataverse.OpUpdate, ChangeSet: set, Write: dataverse.Write{Row: dataverse.Row{EntitySet: "contacts", Reference: n}, Body: []byte(`{}`)}}
	}
	ok := plain(1)[0]
	inSet := ok
	inSet.ChangeSet = 1
	bad := ok
	bad.Row.ID = "ann"
	for name, ops := range map[string][]dataverse.Operation{
		"a bad id":                           {ok, bad},
		"a reference to itself":              {ok, ref(2, 1)},
		"a reference to what comes":          {ok, ref(3, 1), inSet},
		"a reference from outside a set":     {inSet, ref(1, 0)},
		"a reference into another set":       {inSet, ref(1, 2)},
		"a reference to a set that was left": {inSet, ok, inSet, ref(1, 1)},
		"no such write":                      {ok, {Kind: "merge", Write: ok.Write}},
		"a reference to nobody":              {ok, ref(-1, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, answer(200, ""))
			results, err := rec.client(t, nil).Batch(t.Context(), ops, dataverse.BatchOptions{})
			require.Len(t, results, len(ops))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "ann")
			unsent := 0
			for _, r := range results {
				require.NotNil(t, r.Err)
				require.False(t, r.Err.Ambiguous)
				if !r.Skipped {
					unsent++
					require.Equal(t, err, error(r.Err))
				}
			}
			require.Equal(t, 1, unsent)
			require.Empty(t, rec.all())
		})
	}
}

func TestTheSizeOfABatch(t *testing.T) {
	t.Parallel()
	replies := make([]string, 1000)
	for i := range replies {
		replies[i] = noContent
	}
	rec := record(t, multi(200, parts("batchresponse_9f", replies...)))
	c := rec.client(t, nil)
	results, err := c.Batch(t.Context(), plain(1000), dataverse.BatchOptions{})
	require.NoError(t, err)
	require.Len(t, results, 1000)
	results, err = c.Batch(t.Context(), plain(1001), dataverse.BatchOptions{})
	require.Equal(t, apierr.ReasonConfig, apierr.ReasonOf(err))
	require.Len(t, results, 1001)
	results, err = c.Batch(t.Context(), nil, dataverse.BatchOptions{})
	require.NoError(t, err)
	require.Empty(t, results)
	rec.one(t)
}

func TestABatchThatIsGivenUpIsAmbiguous(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	rec := record(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	results, err := rec.client(t, nil).Batch(ctx, plain(2), dataverse.BatchOptions{})
	require.Equal(t, context.Canceled, err)
	for _, r := range results {
		require.Equal(t, "unknown Network", fate(r))
		require.ErrorIs(t, r.Err, context.Canceled)
	}
}
