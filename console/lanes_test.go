package console_test

import (
	"fmt"
	"html"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/histories"
	"causeway.dev/internal/operator"
)

// recordedRun is the run of the recorded history of a backfill.
const recordedRun = "contacts-20261130T120400.340Z"

// hasLanes has Temporal keep the history of a run, up to an event; 0: all of it.
func (w *world) hasLanes(h *historypb.History, events int, status string) {
	if events > 0 {
		h = &historypb.History{Events: h.Events[:events]}
	}
	w.acme.Runs = []operator.Execution{{WorkflowID: contactsFlow + "/backfill/" + recordedRun, RunID: "x1", Type: "Backfill", Status: status, Started: noon}}
	w.acme.Histories = map[string]*historypb.History{"x1": h}
}

func recordedBackfill(t *testing.T) *historypb.History {
	t.Helper()
	f, err := os.Open("../workflows/testdata/histories/backfill.json")
	require.NoError(t, err)
	defer f.Close()
	h, err := histories.Read(f)
	require.NoError(t, err)
	return h
}

func TestLanesAreListedOneByOne(t *testing.T) {
	t.Parallel()
	const at = "/i/acme/runs/" + recordedRun + "/lanes"
	w := newWorld(t, as(access.Viewer))
	w.acme.On("Run "+activities.ShowRun, activities.ShowRunResult{Found: true, Info: activities.RunInfo{Run: recordedRun, Flow: activities.FlowIngress, Table: "contacts", Kind: activities.KindBackfill, State: "COMPLETED", Started: noon}})
	h := recordedBackfill(t)
	w.hasLanes(h, 0, "Completed")
	w.signIn()
	require.Contains(t, w.get("/i/acme/runs/"+recordedRun).body, `href="`+at+`"`)
	p := w.get(at)
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.Contains(t, p.body, "24 of 24 written")
	require.Equal(t, 24, strings.Count(p.body, "<th scope=\"row\">"))
	require.Less(t, strings.Index(p.body, "Page 1, lane 1"), strings.Index(p.body, "Page 1, lane 2"), "in the order of pages")
	require.Contains(t, p.body, `<td class="num" data-l="Attempts">1</td>`)

	// One at work has lanes that are not written yet.
	w.hasLanes(h, len(h.Events)-60, "Running")
	p = w.get(at)
	require.Regexp(t, `<span>\d+ at work</span>`, p.body)
	require.Contains(t, p.body, "</svg>at work</span>")

	w.acme.Runs, w.acme.Histories = nil, nil
	require.Contains(t, html.UnescapeString(w.get(at).body), "There are no lanes to show")
	w.acme.On("Run "+activities.ShowRun, activities.ShowRunResult{})
	require.Equal(t, http.StatusNotFound, w.get("/i/acme/runs/none-of-it/lanes").status)
}

// The lanes of a long run are paged, each once; one that was begun again is one lane.
func TestLanesArePaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h, id := &historypb.History{}, int64(0)
	add := func(e *historypb.HistoryEvent) int64 {
		id++
		e.EventId, e.EventTime = id, timestamppb.New(noon)
		h.Events = append(h.Events, e)
		return id
	}
	payloads := func(text string) *commonpb.Payloads {
		return &commonpb.Payloads{Payloads: []*commonpb.Payload{{Data: []byte(text)}}}
	}
	add(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{}}})
	write := func(page, lane int, outcome string) {
		began := add(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityType: &commonpb.ActivityType{Name: activities.WriteLane}, Input: payloads(fmt.Sprintf(`{"run":%q,"page":%d,"lane":%d}`, recordedRun, page, lane))}}})
		add(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED, Attributes: &historypb.HistoryEvent_ActivityTaskStartedEventAttributes{ActivityTaskStartedEventAttributes: &historypb.ActivityTaskStartedEventAttributes{ScheduledEventId: began, Attempt: 2}}})
		if outcome == "cancelled" {
			add(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED, Attributes: &historypb.HistoryEvent_ActivityTaskCanceledEventAttributes{ActivityTaskCanceledEventAttributes: &historypb.ActivityTaskCanceledEventAttributes{ScheduledEventId: began}}})
			return
		}
		add(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, Attributes: &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{
			ScheduledEventId: began, Result: payloads(`{"counts":{"updated":600,"unchanged":11,"quarantined":3}}`)}}})
	}
	for page := range 40 {
		for lane := range 8 {
			if page == 0 && lane == 0 {
				write(1, 0, "cancelled")
			}
			write(page+1, lane, "done")
		}
	}
	w.hasLanes(h, 0, "Completed")
	w.acme.On("Run "+activities.ShowRun, activities.ShowRunResult{Found: true, Info: activities.RunInfo{Run: recordedRun, Flow: activities.FlowIngress, Table: "contacts", Kind: activities.KindBackfill, State: "COMPLETED", Started: noon}})
	w.signIn()
	path, seen := "/i/acme/runs/"+recordedRun+"/lanes", map[string]bool{}
	first := w.get(path).body
	require.Contains(t, first, `<td class="num" data-l="Records">614</td><td class="num" data-l="Refused">3</td><td class="num" data-l="Attempts">4</td>`, "both times count")
	for pages := 0; path != ""; pages++ {
		require.Less(t, pages, 10)
		body := html.UnescapeString(w.get(path).body)
		for _, row := range strings.Split(body, `<th scope="row"><span>`)[1:] {
			name, _, _ := strings.Cut(row, "<")
			require.False(t, seen[name], name)
			seen[name] = true
		}
		path = ""
		if before, _, more := strings.Cut(body, `">Later lanes`); more {
			path = before[strings.LastIndex(before, `href="`)+6:]
		}
	}
	require.Len(t, seen, 320)
	for _, odd := range []string{"-1", "x", "320", "99999999999999999999"} {
		require.Contains(t, w.get("/i/acme/runs/"+recordedRun+"/lanes?from="+odd).body, "1–48 of 320")
	}
}
