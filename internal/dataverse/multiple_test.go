package dataverse_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
)

var contactTable = dataverse.Table{EntitySet: "contacts", LogicalName: "contact", KeyColumn: "contactid"}

func id(n int) string { return fmt.Sprintf("11111111-2222-3333-4444-%012d", n) }

func targets(n int) []dataverse.Target {
	rows := make([]dataverse.Target, n)
	for i := range rows {
		rows[i] = dataverse.Target{ID: id(i), Body: []byte(fmt.Sprintf(`{"n":%d}`, i))}
	}
	return rows
}

func TestBulkActionsOnTheWire(t *testing.T) {
	t.Parallel()
	kind := `{"@odata.type":"Microsoft.Dynamics.CRM.contact"`
	for name, tt := range map[string]struct {
		call       func(*dataverse.Client, context.Context, dataverse.Table, []dataverse.Target) ([]dataverse.Result, error)
		rows       []dataverse.Target
		status     int
		reply      string
		action     string
		body       string
		wantResult []dataverse.Result
	}{
		"create, with an id and without": {(*dataverse.Client).CreateMultiple,
			[]dataverse.Target{{ID: strings.ToUpper(ada), Body: []byte(`{"lastname": "A"}`)}, {Body: []byte(`{}`)}},
			200, `{"Ids":["` + strings.ToUpper(ada) + `","` + grace + `"]}`, "CreateMultiple",
			kind + `,"contactid":"` + ada + `","lastname":"A"},` + kind + `}`,
			[]dataverse.Result{{ID: ada, Created: true}, {ID: grace, Created: true}}},
		"update; what a body says of its address does not count": {(*dataverse.Client).UpdateMultiple,
			[]dataverse.Target{{ID: ada, Body: []byte(`{"contactid":"` + grace + `","@odata.type":"x","@odata.id":"y","a":1}`)}},
			204, "", "UpdateMultiple", kind + `,"contactid":"` + ada + `","a":1}`, []dataverse.Result{{ID: ada}}},
		"upsert by id and by key, which is left out of the body": {(*dataverse.Client).UpsertMultiple,
			[]dataverse.Target{{ID: ada, Body: []byte(`{"a":1}`)}, {Key: []dataverse.KeyPart{{Column: "acme_id", Value: "P 'x'"}}, Body: []byte(`{"acme_id":"P","b":[1, 2]}`)}},
			204, "", "UpsertMultiple",
			kind + `,"contactid":"` + ada + `","a":1},` + kind + `,"@odata.id":"contacts(acme_id='P%20%27%27x%27%27')","b":[1,2]}`,
			[]dataverse.Result{{ID: ada}, {}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, answer(tt.status, tt.reply))
			results, err := tt.call(rec.client(t, nil), t.Context(), contactTable, tt.rows)
			require.NoError(t, err)
			require.Equal(t, tt.wantResult, results)
			got := rec.one(t)
			require.Equal(t, "POST", got.Method)
			require.Equal(t, api+"/contacts/Microsoft.Dynamics.CRM."+tt.action, got.URI)
			require.Equal(t, `{"Targets":[`+tt.body+`]}`, got.Body)
			require.Equal(t, "application/json; charset=utf-8", got.Header.Get("Content-Type"))
		})
	}
}

// allOrNone takes all rows of a request or, when one is bad, none.
func allOrNone(bad ...int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		for _, n := range bad {
			if strings.Contains(string(sent), fmt.Sprintf(`"n":%d}`, n)) {
				answer(400, `{"error":{"code":"0x80044331","message":"too long"}}`)(w, r)
				return
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// replay gives the body back, which the recorder has read.
func replay(rec **recorder, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = body((*rec).last().Body)
		h(w, r)
	}
}

func TestARefusedRowIsFoundAndTheOthersAreWritten(t *testing.T) {
	t.Parallel()
	var rec *recorder
	rec = record(t, replay(&rec, allOrNone(3, 6)))
	results, err := rec.client(t, nil).UpdateMultiple(t.Context(), contactTable, targets(8))
	require.NoError(t, err)
	for i, r := range results {
		if i == 3 || i == 6 {
			require.Equal(t, apierr.ReasonTooLong, r.Err.Reason, i)
			require.False(t, r.Skipped)
			continue
		}
		require.Equal(t, dataverse.Result{ID: id(i)}, r)
	}
	require.Equal(t, map[int]int{8: 1, 4: 2, 2: 4, 1: 4}, sizes(rec))
}

// sizes counts the requests by their number of rows.
func sizes(rec *recorder) map[int]int {
	out := map[int]int{}
	for _, s := range rec.all() {
		out[len(gjson.Get(s.Body, "Targets").Array())]++
	}
	return out
}

func TestRowsThatCannotBeSentKeepNobodyBack(t *testing.T) {
	t.Parallel()
	rows := targets(3)
	rows[0].ID = "ann"
	rows[2].Body = []byte(`["ann"]`)
	rows = append(rows, dataverse.Target{Body: []byte(`{}`)})
	rec := record(t, answer(204, ""))
	results, err := rec.client(t, nil).UpdateMultiple(t.Context(), contactTable, rows)
	require.NoError(t, err)
	require.Equal(t, apierr.Rejected, results[0].Err.Class)
	require.Equal(t, dataverse.Result{ID: id(1)}, results[1])
	require.Equal(t, apierr.Blocked, results[2].Err.Class)
	require.Equal(t, apierr.Rejected, results[3].Err.Class, "an update needs an id")
	require.NotContains(t, results[0].Err.Error()+results[2].Err.Error(), "ann")
	require.Equal(t, map[int]int{1: 1}, sizes(rec))

	rec = record(t, answer(204, ""))
	results, err = rec.client(t, nil).UpsertMultiple(t.Context(), contactTable, []dataverse.Target{{Key: []dataverse.KeyPart{{Column: "k", Value: "a+b"}}, Body: []byte(`{}`)}, {Body: []byte(`{}`)}})
	require.NoError(t, err)
	require.Equal(t, apierr.ReasonInvalidValue, results[0].Err.Reason)
	require.Equal(t, apierr.ReasonInvalidValue, results[1].Err.Reason)
	require.Empty(t, rec.all(), "nothing is left to send")
}

func TestAFaultEndsABulkActionAndIsNotHalved(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		h    http.HandlerFunc
		want string
	}{
		"a fault":             {answer(500, `{"error":{"code":"0x80040216","message":""}}`), "unknown ServiceFault"},
		"the connection":      {hangUp, "unknown Network"},
		"throttling":          {answer(429, ""), "Throttled"},
		"an unsupported call": {answer(501, ""), "Config"},
		"an unknown action":   {answer(404, `{"error":{"code":"0x8006088a","message":"Resource not found for the segment 'x'."}}`), "Schema"},
		"too few ids":         {answer(200, `{"Ids":["`+ada+`"]}`), "unknown BadResponse"},
		"ids that are none":   {answer(200, `{"Ids":["`+ada+`","quitten","x"]}`), "unknown BadResponse"},
		"a body broken off":   {answer(200, `{"Ids":["`+ada+`","`+grace+`","`+ada+`"`), "unknown BadResponse"},
		"an odd success":      {answer(202, ``), "unknown BadResponse"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, tt.h)
			results, err := rec.client(t, nil).CreateMultiple(t.Context(), contactTable, targets(3))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "quitten")
			require.Len(t, results, 3)
			for _, r := range results {
				require.Equal(t, tt.want, fate(r))
				require.Empty(t, r.ID)
			}
			rec.one(t)
		})
	}
}

func TestAFaultAmongTheHalvesLeavesTheRestUnsent(t *testing.T) {
	t.Parallel()
	rec := record(t, script(t, answer(400, coded400), answer(204, ""), answer(400, coded400), answer(503, "")))
	results, err := rec.client(t, nil).UpdateMultiple(t.Context(), contactTable, targets(8))
	require.Equal(t, apierr.ReasonServiceFault, apierr.ReasonOf(err))
	var got []string
	for _, r := range results {
		got = append(got, fate(r))
	}
	require.Equal(t, []string{"ok " + id(0), "ok " + id(1), "ok " + id(2), "ok " + id(3), "unknown ServiceFault", "unknown ServiceFault", "skipped", "skipped"}, got)
}

const coded400 = `{"error":{"code":"0x80044331","message":"x"}}`

func TestABulkActionThatIsGivenUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	rec := record(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	results, err := rec.client(t, nil).UpdateMultiple(ctx, contactTable, targets(2))
	require.Equal(t, context.Canceled, err)
	for _, r := range results {
		require.Equal(t, "unknown Network", fate(r))
	}
}

func TestATableThatIsNone(t *testing.T) {
	t.Parallel()
	for _, table := range []dataverse.Table{{}, {EntitySet: "contacts/x", LogicalName: "contact", KeyColumn: "contactid"},
		{EntitySet: "contacts", LogicalName: `x","y`, KeyColumn: "contactid"}, {EntitySet: "contacts", LogicalName: "contact"}} {
		rec := record(t, answer(204, ""))
		_, err := rec.client(t, nil).UpdateMultiple(t.Context(), table, targets(1))
		require.Equal(t, apierr.ReasonConfig, apierr.ReasonOf(err))
		require.Empty(t, rec.all())
	}
}

func TestNoRowsNeedNoRequest(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(204, ""))
	results, err := rec.client(t, nil).UpdateMultiple(t.Context(), contactTable, nil)
	require.NoError(t, err)
	require.Empty(t, results)
	require.Empty(t, rec.all())
}

func TestSupportsMultiple(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]bool{`{"value":[{"sdkmessagefilterid":"x"}]}`: true, `{"value":[]}`: false} {
		rec := record(t, answer(200, reply))
		got, err := rec.client(t, nil).SupportsMultiple(t.Context(), dataverse.OpUpsert, "contact")
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, api+"/sdkmessagefilters?$select=sdkmessagefilterid&$filter=sdkmessageid%2Fname%20eq%20%27UpsertMultiple%27%20and%20primaryobjecttypecode%20eq%20%27contact%27", rec.one(t).URI)
	}
	rec := record(t, answer(200, `{}`))
	_, err := rec.client(t, nil).SupportsMultiple(t.Context(), dataverse.OpUpsert, "contact")
	require.Equal(t, apierr.ReasonBadResponse, apierr.ReasonOf(err))
	_, err = rec.client(t, nil).SupportsMultiple(t.Context(), dataverse.OpDelete, "contact")
	require.Equal(t, apierr.ReasonConfig, apierr.ReasonOf(err))
	_, err = rec.client(t, nil).SupportsMultiple(t.Context(), dataverse.OpCreate, "x' or 'y")
	require.Equal(t, apierr.ReasonConfig, apierr.ReasonOf(err))
	rec.one(t)
}

// Every target that goes out is JSON, whatever the body holds.
func FuzzTargetsAreJSON(f *testing.F) {
	f.Add(`{"a":1}`, "P-1")
	f.Add(`{"a\"b":{"contactid":1},"contactid":2}`, "x'y\"z\\")
	f.Add(` { } `, "é")
	var rec *recorder
	rec = record(f, func(w http.ResponseWriter, r *http.Request) {
		if !json.Valid([]byte(rec.last().Body)) {
			f.Errorf("not JSON: %q", rec.last().Body)
		}
		w.WriteHeader(204)
	})
	c := rec.client(f, nil)
	f.Fuzz(func(t *testing.T, row, key string) {
		results, err := c.UpsertMultiple(t.Context(), contactTable, []dataverse.Target{{Key: []dataverse.KeyPart{{Column: "k", Value: key}}, Body: []byte(row)}})
		if err != nil || len(results) != 1 {
			t.Fatal(err)
		}
	})
}
