package console_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

// The list of mappings says that nobody answers, and does not wait for each mapping to say so.
func TestMappingsWithoutAWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		var b strings.Builder
		b.WriteString("      fields: [{from: emailaddress1, to: email}]\n")
		for n := range 20 {
			fmt.Fprintf(&b, "    wide%02d:\n      dynamics: {table: new_wide%02d}\n      campaign: {resource: cusWide%02d, key: externalId}\n      fields: [{from: new_name, to: cusName}]\n", n, n, n)
		}
		w.mapping = b.String()
	})
	w.signIn()
	w.acme.On("Describe "+contactsFlow, operator.Description{Running: true, State: "RUNNING"})
	w.acme.On("Query "+contactsFlow+" Status", operator.ErrNoWorker)
	w.acme.On("Run "+activities.DescribeMapping, operator.ErrNoWorker)
	for _, header := range [][]string{nil, {"HX-Request", "true"}} {
		p := w.get("/i/acme/mappings", header...)
		require.Equal(t, http.StatusOK, p.status)
		require.Contains(t, p.body, "No worker answers")
	}
	w.acme.Lost = &operator.Error{Kind: operator.Unreachable, Text: "it is gone"}
	p := w.get("/i/acme/mappings", "HX-Request", "true")
	require.Contains(t, p.body, "Temporal does not answer")
	require.NotContains(t, p.body, "No worker answers")
	w.acme.Lost = nil
	asked := len(w.acme.Requests["Run "+activities.DescribeMapping])
	require.Positive(t, asked)
	require.LessOrEqual(t, asked, 2*4, "those that were asked at the same time, twice")
}

// A page without an answer says who is to give it, and asks again by itself. An action that
// was not done is not done again.
func TestAPageWithoutAnAnswerAsksAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t).signIn()
	w.acme.On("Run "+activities.ListQuarantine, operator.ErrNoWorker, activities.QuarantineListResult{})
	p := w.get("/i/acme/quarantine?table=contacts")
	require.Equal(t, http.StatusServiceUnavailable, p.status)
	require.Contains(t, p.body, "No worker answers")
	require.Contains(t, p.body, `data-retry hx-get="/i/acme/quarantine?table=contacts"`)
	require.NotContains(t, w.get("/i/acme/quarantine?table=contacts").body, "data-retry")

	w.acme.On("Update "+contactsFlow+" Stop", operator.ErrNoWorker)
	p = w.post("/i/acme/flows/contacts/stop", nil)
	require.Equal(t, http.StatusServiceUnavailable, p.status)
	require.NotContains(t, p.body, "data-retry")
}
