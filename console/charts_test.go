package console_test

import (
	"cmp"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// drawnOn is what a page gives charts.js to draw, by chart.
func drawnOn(t *testing.T, body string) map[string]struct {
	From, Step int64
	Series     []struct {
		Now    string
		Values []*float64
	}
} {
	t.Helper()
	out := map[string]struct {
		From, Step int64
		Series     []struct {
			Now    string
			Values []*float64
		}
	}{}
	for _, m := range regexp.MustCompile(`data-plot="([^"]+)" data-says="[^"]*" data-series="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		one := out[m[1]]
		require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(m[2])), &one))
		out[m[1]] = one
	}
	return out
}

func lagOf(seconds int64) *int64 { return &seconds }

// carried is what a worker answers: 600 records in five minutes at 09:00, and a few now.
func carried() activities.SeriesResult {
	return activities.SeriesResult{Points: []activities.SeriesPoint{
		{At: noon.Add(-3 * time.Hour), Counts: activities.Counts{Read: 600, Created: 500, Unchanged: 90, Quarantined: 10}, Looked: true, Backlog: 5_212, Lag: lagOf(75)},
		{At: noon, Counts: activities.Counts{Read: 4, Updated: 4}, Looked: true, Lag: lagOf(3)},
	}}
}

// The overview draws a day of all flows, and says the same in a sentence and in a table.
func TestTheOverviewDrawsADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	w.acme.On("Run "+activities.Series, carried())
	body := w.signIn().get("/i/acme/").body
	text := html.UnescapeString(body)
	for _, want := range []string{
		`aria-label="Records a minute and backlog in the last 24 hours. Records a minute: 4 now, at most 120 at 2 Mar 09:00. Backlog: 0 now, at most 5,212 at 2 Mar 09:00."`,
		`Records a minute <b>4</b>`, `<summary>As a table</summary>`, `<th scope="row" class="nowrap">2 Mar 09:00</th><td class="num">600</td><td class="num">500</td><td class="num">0</td><td class="num">90</td><td class="num">0</td><td class="num">10</td><td class="num">0</td><td class="num">5,212</td>`,
		`/static/uplot.min.js`, `hx-get="/i/acme/overview/charts"`,
	} {
		require.Contains(t, text, want)
	}
	drawn := drawnOn(t, body)["chart-records"]
	require.EqualValues(t, 300, drawn.Step)
	require.Len(t, drawn.Series, 2)
	require.Len(t, drawn.Series[0].Values, 24*12)
	require.InDelta(t, 120.0, *drawn.Series[0].Values[24*12-1-36], 0)
	require.Zero(t, *drawn.Series[0].Values[5], "nothing was carried")
	require.Nil(t, drawn.Series[1].Values[5], "nobody looked")
	asked := w.acme.Requests["Run "+activities.Series][0].(activities.SeriesInput)
	require.Equal(t, activities.SeriesInput{From: noon.Add(-24*time.Hour + 5*time.Minute), To: noon.Add(5 * time.Minute), Step: 5 * time.Minute}, asked)

	part := w.get("/i/acme/overview/charts", "HX-Request", "true")
	require.Equal(t, http.StatusOK, part.status)
	require.NotContains(t, part.body, "<html")
	require.Equal(t, drawnOn(t, body), drawnOn(t, part.body))
	require.NotContains(t, w.get("/i/acme/runs").body, "uplot", "pages without charts do not load it")
}

// A workflow has its records and its lag, for an hour up to 30 days.
func TestAWorkflowDrawsTheTimeThatIsChosen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	w.acme.On("Run "+activities.Series, carried())
	w.signIn()
	for span, want := range map[string]activities.SeriesInput{
		"":          {From: noon.Add(-24*time.Hour + 5*time.Minute), To: noon.Add(5 * time.Minute), Step: 5 * time.Minute},
		"1h":        {From: noon.Add(-59 * time.Minute), To: noon.Add(time.Minute), Step: time.Minute},
		"7d":        {From: noon.Add(-7*24*time.Hour + time.Hour), To: noon.Add(time.Hour), Step: time.Hour},
		"30d":       {From: noon.Add(-30*24*time.Hour + 4*time.Hour), To: noon.Add(4 * time.Hour), Step: 4 * time.Hour},
		"9 years\"": {From: noon.Add(-24*time.Hour + 5*time.Minute), To: noon.Add(5 * time.Minute), Step: 5 * time.Minute},
	} {
		body := w.get("/i/acme/flows/contacts?" + url.Values{"span": {span}}.Encode()).body
		asked := w.acme.Requests["Run "+activities.Series]
		want.Flow, want.Table = activities.FlowIngress, "contacts"
		require.Equal(t, want, asked[len(asked)-1], span)
		label := map[string]string{"1h": "1 h", "7d": "7 d", "30d": "30 d"}[span]
		require.Contains(t, body, `aria-current="true">`+cmp.Or(label, "24 h")+`</a>`, span)
	}
	body := html.UnescapeString(w.get("/i/acme/flows/contacts?span=24h").body)
	require.Contains(t, body, `aria-label="Lag in the last 24 hours: 3 s now, at most 1 min at 2 Mar 09:00."`)
	require.Contains(t, body, `hx-get="/i/acme/flows/contacts/charts?span=24h"`)
	require.Equal(t, http.StatusNotFound, w.get("/i/acme/flows/none/charts").status)
	w.get("/i/acme/flows/egress/charts")
	asked := w.acme.Requests["Run "+activities.Series]
	require.Equal(t, activities.FlowEgress, asked[len(asked)-1].(activities.SeriesInput).Table)
}

// Where there is nothing to draw, or nobody answers, the page says so.
func TestChartsSayWhyTheyAreEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	w.acme.On("Run "+activities.Series, activities.SeriesResult{})
	body := w.signIn().get("/i/acme/flows/contacts").body
	require.Contains(t, body, "Nothing was carried in the last 24 hours.")
	require.Contains(t, body, "It did not run in the last 24 hours.")
	require.NotContains(t, body, "data-series")
	w.acme.On("Run "+activities.Series, operator.ErrNoWorker)
	p := w.get("/i/acme/overview/charts")
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.body, "orker")
	require.NotContains(t, p.body, "Nothing was carried")
}

// Times are in the zone of the reader, with UTC on hover; what is no zone is UTC.
func TestTimesAreInTheZoneOfTheReader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(func(st *workflows.Status) {
		st.Approvals = []activities.Approval{{Run: "contacts-20260302T100000.000Z", Deletes: 7}}
	})
	w.acme.On("Run "+activities.Series, carried())
	const run = "contacts-20260302T100000.000Z"
	w.acme.On("Run "+activities.ShowRun, activities.ShowRunResult{
		Found: true, Info: activities.RunInfo{Run: run, Flow: activities.FlowIngress, Table: "contacts", Kind: activities.KindBackfill, State: "COMPLETED", Started: noon.Add(-time.Hour), Ended: noon},
		Rollback: &activities.MayRollbackResult{Created: 5}, Window: &activities.Window{Since: noon.Add(-48 * time.Hour)}, Until: noon.Add(14 * 24 * time.Hour),
	})
	w.signIn()
	require.Contains(t, w.get("/i/acme/runs/"+run).body, `It can be undone until <time datetime="2026-03-16T12:00:00Z" title="2026-03-16 12:00:00 UTC" data-clock>16 March 2026, 12:00 UTC</time>.`)
	in := func(zone, path string) string {
		return w.get(path, "Cookie", "causeway_zone="+url.QueryEscape(zone)).body
	}
	body := in("Asia/Kolkata", "/i/acme/runs/"+run)
	require.Contains(t, body, `data-zone="Asia/Kolkata"`)
	require.Contains(t, body, `title="16 March 2026, 17:30 IST · 2026-03-16 12:00:00 UTC" data-clock>16 March 2026, 17:30 IST</time>`)
	require.Contains(t, body, `title="2 March 2026, 16:30 IST · 2026-03-02 11:00:00 UTC">`)
	require.Contains(t, in("Asia/Kolkata", "/i/acme/overview/charts"), "at most 120 at 2 Mar 14:30.")
	for _, zone := range []string{"../../etc/passwd", "Local", "Europe/Nowhere", `x"><script>`, strings.Repeat("A", 200)} {
		require.Contains(t, in(zone, "/i/acme/runs"), `data-zone="UTC"`, zone)
	}
}

// All that a first visit loads is less than 250 kB, uncompressed.
func TestTheFirstPageIsLight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	full := activities.SeriesResult{}
	for n := range 288 {
		full.Points = append(full.Points, activities.SeriesPoint{At: noon.Add(-time.Duration(n) * 5 * time.Minute), Counts: activities.Counts{Read: 12_345, Created: 12_345}, Looked: true, Backlog: 123_456, Lag: lagOf(12_345)})
	}
	w.acme.On("Run "+activities.Series, full)
	body := w.signIn().get("/i/acme/").body
	total := len(body)
	for _, m := range regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`).FindAllStringSubmatch(body, -1) {
		p := w.get(html.UnescapeString(m[1]))
		require.Equal(t, http.StatusOK, p.status, m[1])
		total += len(p.body)
		t.Logf("%s: %d", m[1], len(p.body))
	}
	t.Logf("page: %d, in all: %d", len(body), total)
	require.Less(t, total, 250_000)
}
