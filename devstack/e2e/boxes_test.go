package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

func (w *world) contacts() map[string]map[string]any {
	out := map[string]map[string]any{}
	w.boxes.Dynamics.Each("contacts", func(id string, row map[string]any) bool {
		out[id] = row
		return true
	})
	return out
}

func (w *world) profiles() map[string]map[string]any {
	out := map[string]map[string]any{}
	w.boxes.Campaign.Each("profile", func(id string, p map[string]any) bool {
		out[id] = p
		return true
	})
	return out
}

func (w *world) profileCount() int64 { return w.boxes.Campaign.Count("profile") }

// keyProbe is the engine call that looks for a record before the first start (R10.3).
const keyProbe = 1

// engineCalls reads Campaign's own meter: inserts, updates, deletes and reads.
func (w *world) engineCalls() int64 {
	var n int64
	for kind, calls := range w.boxes.Campaign.Meter() {
		if kind != "metadata" {
			n += calls
		}
	}
	return n
}

// campaignRequests counts calls of every kind, including metadata.
func (w *world) campaignRequests() int64 {
	var n int64
	for _, calls := range w.boxes.Campaign.Meter() {
		n += calls
	}
	return n
}

func (w *world) ids() []string { return w.boxes.Dynamics.Keys("contacts") }

func (w *world) edit(id string, values map[string]any) {
	w.t.Helper()
	require.NoError(w.t, w.boxes.Dynamics.Update("contacts", id, values))
}

func (w *world) remove(id string) { require.True(w.t, w.boxes.Dynamics.Delete("contacts", id)) }

func (w *world) insert(lastname string) {
	w.t.Helper()
	_, err := w.boxes.Dynamics.Insert("contacts", map[string]any{"lastname": lastname, "emailaddress1": strings.ToLower(lastname) + "@example.test"})
	require.NoError(w.t, err)
}

// repeatedWrites counts the writes through the API that records got after their first.
func (w *world) repeatedWrites() int64 {
	var n int64
	for _, id := range w.ids() {
		c := w.boxes.Campaign.WriteCounts("profile", id)
		n += int64(c.Inserts) + int64(c.Updates) - 1
	}
	return n
}

func (w *world) quarantine() activities.QuarantineListResult {
	w.t.Helper()
	var out activities.QuarantineListResult
	h, err := w.client.ExecuteActivity(w.t.Context(), client.StartActivityOptions{
		ID: "list-quarantine", TaskQueue: workflows.QueueMain, ScheduleToCloseTimeout: time.Minute,
	}, activities.ListQuarantine, activities.QuarantineListInput{})
	require.NoError(w.t, err)
	require.NoError(w.t, h.Get(w.t.Context(), &out))
	return out
}

// noPersonalData searches every history and the workers' log for values of
// contacts (I4).
func (w *world) noPersonalData() {
	w.t.Helper()
	var hay strings.Builder
	log, err := os.ReadFile(w.log)
	require.NoError(w.t, err)
	hay.Write(log)
	hay.WriteString(w.histories())
	hay.WriteString(w.metrics())
	text := strings.ToLower(hay.String())
	for _, row := range w.contacts() {
		for _, column := range []string{"emailaddress1", "lastname", "mobilephone"} {
			if v, ok := row[column].(string); ok && len(v) > 6 {
				require.False(w.t, strings.Contains(text, strings.ToLower(v)), "a contact's %s is in a history or the log", column)
			}
		}
	}
}

func (w *world) histories() string {
	w.t.Helper()
	var out strings.Builder
	for _, history := range w.historiesByRun() {
		for _, event := range history.Events {
			data, err := json.Marshal(event)
			require.NoError(w.t, err)
			out.Write(data)
			out.WriteString(event.String()) // payloads as text
		}
	}
	return out.String()
}

var healthAddress = regexp.MustCompile(`health=(http://[0-9.:]+)/readyz`)

// metrics reads the metrics of the worker that was started last.
func (w *world) metrics() string {
	w.t.Helper()
	log, err := os.ReadFile(w.log)
	require.NoError(w.t, err)
	found := healthAddress.FindAllSubmatch(log, -1)
	require.NotEmpty(w.t, found, "the worker did not log where its metrics are")
	res, err := http.Get(string(found[len(found)-1][1]) + "/metrics")
	require.NoError(w.t, err)
	defer res.Body.Close()
	require.Equal(w.t, http.StatusOK, res.StatusCode)
	body, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	require.NotEmpty(w.t, body)
	return string(body)
}

// runsOf counts the executions of a run, one more than it continued as new.
func (w *world) runsOf(run string) int {
	w.t.Helper()
	id := workflows.TableFlow(w.cfg.Instance, "contacts").PassID(activities.KindInitial, run)
	n := 0
	require.Eventually(w.t, func() bool {
		list, err := w.client.ListWorkflow(w.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: "default", PageSize: 200, Query: "WorkflowId = '" + id + "'",
		})
		require.NoError(w.t, err)
		n = len(list.Executions)
		return n > 1
	}, settleWithin, 100*time.Millisecond, "visibility lags behind")
	return n
}
