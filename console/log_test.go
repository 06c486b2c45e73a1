package console_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

func TestTheOperationsLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, as(access.Viewer))
	w.signIn()
	const total = 120
	w.acme.On("Run "+activities.ListOperations, func(request any) any {
		in := request.(activities.OperationsInput)
		from := int64(total)
		if in.Before != nil && in.Before.Seq > 0 {
			from = in.Before.Seq - 1
		}
		out := activities.OperationsResult{}
		for seq := max(1, from-int64(in.Limit)+1); seq <= from; seq++ {
			out.Operations = append(out.Operations, activities.Operation{Seq: seq, At: noon.Add(time.Duration(seq-total) * time.Minute), By: "Ada Lovelace <6f0c>", Verified: true, What: activities.OpPause,
				Flow: activities.FlowIngress, Table: "contacts", Reason: fmt.Sprintf("release no. %d", seq)})
		}
		return out
	})
	seen, at := 0, "/i/acme/log"
	for pages := 1; ; pages++ {
		p := w.get(at)
		require.Equal(t, http.StatusOK, p.status, p.body)
		seen += strings.Count(p.body, "Release no. ")
		_, next, more := strings.Cut(p.body, `aria-label="Pages"><a class="btn small" href="`)
		if !more {
			require.Equal(t, 3, pages)
			break
		}
		at, _, _ = strings.Cut(strings.ReplaceAll(next, "&amp;", "&"), `"`)
	}
	require.Equal(t, total, seen)
	body := w.get("/i/acme/log").body
	require.Less(t, strings.Index(body, "Release no. 120"), strings.Index(body, "Release no. 119"), "the newest stands first")
	require.Contains(t, body, "signed in")

	w.get("/i/acme/log?by=bob&what=stop&table=contacts&from=2026-03-01&to=2026-03-02")
	requests := w.acme.Requests["Run "+activities.ListOperations]
	require.Equal(t, activities.OperationsInput{By: "bob", What: "stop", Table: "contacts", Since: noon.Truncate(24*time.Hour).AddDate(0, 0, -1),
		Before: &activities.OperationPlace{At: noon.Truncate(24*time.Hour).AddDate(0, 0, 1)}, Limit: 50}, requests[len(requests)-1])
	w.get("/i/acme/log?table=optout")
	requests = w.acme.Requests["Run "+activities.ListOperations]
	require.Equal(t, activities.FlowOptOut, requests[len(requests)-1].(activities.OperationsInput).Flow)
	p := w.get("/i/acme/log?from=yesterday")
	require.Equal(t, http.StatusBadRequest, p.status)
	require.Contains(t, p.body, "want a day such as 2026-03-01")
	require.Equal(t, http.StatusBadRequest, w.get("/i/acme/log?before=a-b").status)

	// A name that nobody verified, and words that are no markup.
	w.acme.On("Run "+activities.ListOperations, activities.OperationsResult{Operations: []activities.Operation{{Seq: 1, At: noon, By: `<script>alert(1)</script>`, What: "stop", Reason: `<img src=x>`}}})
	body = w.get("/i/acme/log").body
	require.Contains(t, body, "not verified")
	require.NotContains(t, body, "<script>alert")
	require.NotContains(t, body, "<img")
	w.acme.On("Run "+activities.ListOperations, activities.OperationsResult{})
	require.Contains(t, w.get("/i/acme/log").body, "Nobody has asked for anything yet")
	require.Contains(t, w.get("/i/acme/log?by=nobody").body, "Nothing fits")
	w.acme.On("Run "+activities.ListOperations, operator.ErrNoWorker)
	p = w.get("/i/acme/log")
	require.Equal(t, http.StatusServiceUnavailable, p.status)
	require.Contains(t, p.body, "No worker answers")
}

func TestTheChainOfTheLogIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, as(access.Viewer))
	w.runs(func(st *workflows.Status) { st.LogEnd = &activities.LogEnd{Seq: 7, At: noon} })
	w.signIn()
	require.Contains(t, w.get("/i/acme/log").body, `hx-get="/i/acme/log/chain"`)
	for want, found := range map[string]any{
		"Nothing was changed or removed":                 activities.VerifyLogResult{Agrees: true, Entries: 7, From: noon.Add(-time.Hour), To: noon, Remembered: []string{"contacts"}},
		"The log was changed or cut":                     activities.VerifyLogResult{Fault: "entry 3 does not agree with its hash", FaultSeq: 3},
		"Contacts remembers the entry 7":                 activities.VerifyLogResult{Lacking: []activities.RememberedEnd{{Flow: "contacts", LogEnd: activities.LogEnd{Seq: 7, At: noon}}}},
		"That is explained: somebody who says to be bob": activities.VerifyLogResult{Agrees: true, Restored: &activities.Operation{By: "bob", At: noon}},
		"The log could not be checked":                   operator.ErrNoWorker,
	} {
		w.acme.On("Run "+activities.VerifyLog, found)
		p := w.get("/i/acme/log/chain", "HX-Request", "true")
		require.Equal(t, http.StatusOK, p.status)
		require.Contains(t, p.body, want)
		require.NotContains(t, p.body, "<html")
	}
	asked := w.acme.Requests["Run "+activities.VerifyLog]
	require.Len(t, asked[0].(activities.VerifyLogInput).Remembered, 1, "with what the workflows remember")
}
