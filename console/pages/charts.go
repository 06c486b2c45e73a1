package pages

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// chartEvery is how many seconds charts wait before they look again.
const chartEvery = 30

// chartSpan is a time that charts can show: in points of a step, and in rows of a table.
type chartSpan struct {
	Name, Label, Text string
	Length, Step, Row time.Duration
	day               string // how a time in it is written
}

var chartSpans = []chartSpan{
	{"1h", "1 h", "the last hour", time.Hour, time.Minute, 5 * time.Minute, "15:04"},
	{"6h", "6 h", "the last 6 hours", 6 * time.Hour, 2 * time.Minute, 30 * time.Minute, "15:04"},
	{"24h", "24 h", "the last 24 hours", 24 * time.Hour, 5 * time.Minute, time.Hour, "2 Jan 15:04"},
	{"7d", "7 d", "the last 7 days", 7 * 24 * time.Hour, time.Hour, 6 * time.Hour, "2 Jan 15:04"},
	{"30d", "30 d", "the last 30 days", 30 * 24 * time.Hour, 4 * time.Hour, 24 * time.Hour, "2 Jan 15:04"},
}

// spanOf is the span that is asked for, or a day.
func spanOf(r *http.Request) chartSpan {
	for _, s := range chartSpans {
		if s.Name == r.FormValue("span") {
			return s
		}
	}
	return chartSpans[2]
}

// charts are the charts of a page, and the table of each.
type charts struct {
	URL   string // of the part that is refreshed
	Every int
	Spans []chartLink
	Plots []plot
}

// chartLink chooses a span.
type chartLink struct {
	URL, Label string
	Here       bool
}

// plot is one chart.
type plot struct {
	ID, Title, Says, Caption string
	Low                      bool
	Empty                    string // in place of all that follows
	JSON                     string // for charts.js
	Keys                     []chartKey
	Heads                    []string
	Rows                     []chartRow
}

type chartKey struct{ Class, Name, Value string }

type chartRow struct {
	At    string
	Cells []string
}

// line is a series as charts.js takes it: a value for each step, null where nobody knows.
type line struct {
	Unit   string     `json:"unit,omitempty"`
	Colour string     `json:"colour"`
	Now    string     `json:"now"`
	Values []*float64 `json:"values"`
}

// overviewCharts shows the charts of all flows alone, flowCharts those of one.
func (p *Pages) overviewCharts(w http.ResponseWriter, r *http.Request) { p.showCharts(w, r, "") }

func (p *Pages) flowCharts(w http.ResponseWriter, r *http.Request) {
	p.showCharts(w, r, r.PathValue("flow"))
}

func (p *Pages) showCharts(w http.ResponseWriter, r *http.Request, flow string) {
	i, err := p.operator(r)
	if err == nil && flow != "" {
		err = i.Known(flow)
		if err != nil && operator.KindOf(err) == operator.BadInput {
			p.Refuse(w, r, http.StatusNotFound, "There is no such workflow", "The configuration has none of this name", "Its mapping may have been removed.")
			return
		}
	}
	p.part(w, r, http.StatusOK, "overview", "charts-alone", "", chartsOf(r.Context(), i, err, r, flow, p.here(r)))
}

// chartsOf asks for what the charts of a flow show; of all flows with "".
func chartsOf(ctx context.Context, i *operator.Instance, err error, r *http.Request, flow string, now time.Time) charts {
	span, base := spanOf(r), home(r.PathValue("instance"))
	c := charts{URL: base + "overview/charts", Every: chartEvery}
	if flow != "" {
		c.URL = base + "flows/" + flow + "/charts?span=" + span.Name
		for _, s := range chartSpans {
			c.Spans = append(c.Spans, chartLink{URL: base + "flows/" + flow + "?span=" + s.Name, Label: s.Label, Here: s.Name == span.Name})
		}
	} else {
		span = chartSpans[2]
	}
	d := &drawing{span: span, now: now, from: now.Add(-span.Length + span.Step).Truncate(span.Step)}
	d.points = make([]*activities.SeriesPoint, int(span.Length/span.Step))
	if err == nil {
		var result activities.SeriesResult
		in := activities.SeriesInput{From: d.from.UTC(), To: d.from.UTC().Add(span.Length), Step: span.Step}
		if result, err = i.Series(ctx, flow, in); err == nil {
			d.put(result.Points)
		}
	}
	title := "Records and backlog"
	if flow == "" {
		title = "The last 24 hours"
	}
	c.Plots = append(c.Plots, d.records(title, err))
	if flow != "" {
		c.Plots = append(c.Plots, d.lag(err))
	}
	return c
}

// drawing is what is known of a span.
type drawing struct {
	span   chartSpan
	now    time.Time // in the reader's zone
	from   time.Time
	points []*activities.SeriesPoint // one for each step; nil: nothing is known
	any    bool
}

func (d *drawing) put(points []activities.SeriesPoint) {
	for n := range points {
		if at := int(points[n].At.Sub(d.from) / d.span.Step); at >= 0 && at < len(d.points) {
			d.points[at], d.any = &points[n], true
		}
	}
}

// at is when a step begins, as a reader writes it.
func (d *drawing) at(step int) string {
	return d.from.Add(time.Duration(step) * d.span.Step).In(d.now.Location()).Format(d.span.day)
}

// rate is records a minute in a step, in tenths below ten; the last step is not over.
func (d *drawing) rate(step int) float64 {
	p := d.points[step]
	if p == nil {
		return 0
	}
	lasted := min(d.span.Step, max(time.Minute, d.now.Sub(d.from.Add(time.Duration(step)*d.span.Step))))
	rate := float64(max(0, p.Counts.Read)) / lasted.Minutes()
	if rate < 10 {
		return math.Round(10*rate) / 10
	}
	return math.Round(rate)
}

func (d *drawing) empty(err error, otherwise string) string {
	switch {
	case err != nil:
		return sentence(err.Error())
	case !d.any:
		return otherwise
	}
	return ""
}

// records draws how much was carried, and how much waited.
func (d *drawing) records(title string, err error) plot {
	p := plot{ID: "chart-records", Title: title, Caption: d.span.Text, Empty: d.empty(err, "Nothing was carried in "+d.span.Text+". When records change, this shows how many a minute.")}
	if p.Empty != "" {
		return p
	}
	rates, backlogs := make([]*float64, len(d.points)), make([]*float64, len(d.points))
	high, highest, most, mostAt := 0.0, 0, int64(0), 0
	for n, point := range d.points {
		rate := d.rate(n)
		if rates[n] = &rate; rate > high {
			high, highest = rate, n
		}
		if point != nil && point.Looked {
			b := float64(point.Backlog)
			if backlogs[n] = &b; point.Backlog > most {
				most, mostAt = point.Backlog, n
			}
		}
	}
	last := len(d.points) - 1
	rate, backlog := humanize.Commaf(*rates[last]), latest(backlogs, "")
	p.JSON = d.encode(line{Colour: "--c-created", Now: rate, Values: rates}, line{Colour: "--c-deleted", Now: backlog, Values: backlogs})
	p.Keys = []chartKey{{"s1", "Records a minute", rate}, {"s2", "Backlog", backlog}}
	p.Says = fmt.Sprintf("Records a minute and backlog in %s. Records a minute: %s now, at most %s", d.span.Text, rate, humanize.Commaf(high))
	if high > 0 {
		p.Says += " at " + d.at(highest)
	}
	p.Says += fmt.Sprintf(". Backlog: %s now, at most %s", backlog, humanize.Comma(most))
	if most > 0 {
		p.Says += " at " + d.at(mostAt)
	}
	p.Says += "."
	p.Heads = []string{"Records", "Created", "Updated", "Unchanged", "Deleted", "Refused", "Others", "Backlog at most"}
	d.rows(&p, func(part []*activities.SeriesPoint) []string {
		var c activities.Counts
		backlog := int64(-1)
		for _, one := range part {
			c.Add(one.Counts)
			if one.Looked {
				backlog = max(backlog, one.Backlog)
			}
		}
		return []string{
			humanize.Comma(c.Read), humanize.Comma(c.Created), humanize.Comma(c.Updated), humanize.Comma(c.Unchanged), humanize.Comma(c.Deleted), humanize.Comma(c.Quarantined),
			humanize.Comma(c.Read - c.Created - c.Updated - c.Unchanged - c.Deleted - c.Quarantined), known(backlog, humanize.Comma(backlog)),
		}
	})
	return p
}

// lag draws how far the other side was behind.
func (d *drawing) lag(err error) plot {
	p := plot{ID: "chart-lag", Title: "Lag", Caption: d.span.Text, Low: true}
	values, high, highest := make([]*float64, len(d.points)), int64(-1), 0
	for n, point := range d.points {
		if point == nil || point.Lag == nil {
			continue
		}
		v := float64(*point.Lag)
		if values[n] = &v; *point.Lag > high {
			high, highest = *point.Lag, n
		}
	}
	if p.Empty = d.empty(err, "It did not run in "+d.span.Text+"."); p.Empty == "" && high < 0 {
		p.Empty = "Nobody knows the lag in " + d.span.Text + ": it is known while the workflow runs, after its first load."
	}
	if p.Empty != "" {
		return p
	}
	now := latest(values, "s")
	p.JSON = d.encode(line{Unit: "s", Colour: "--c-deleted", Now: now, Values: values})
	p.Keys = []chartKey{{"s3", "Seconds behind", now}}
	p.Says = fmt.Sprintf("Lag in %s: %s now, at most %s at %s.", d.span.Text, now, phrase.Span(time.Duration(high)*time.Second), d.at(highest))
	p.Heads = []string{"Lag at most"}
	d.rows(&p, func(part []*activities.SeriesPoint) []string {
		high := int64(-1)
		for _, one := range part {
			if one.Lag != nil {
				high = max(high, *one.Lag)
			}
		}
		return []string{known(high, phrase.Span(time.Duration(high)*time.Second))}
	})
	return p
}

// rows are those of the table that have anything, the latest first: of whole hours, or of
// days as the reader has them.
func (d *drawing) rows(p *plot, cells func([]*activities.SeriesPoint) []string) {
	begins := func(step int) string {
		t := d.from.Add(time.Duration(step) * d.span.Step)
		if d.span.Row < 24*time.Hour {
			return t.Truncate(d.span.Row).In(d.now.Location()).Format(d.span.day)
		}
		return t.In(d.now.Location()).Format("2 Jan")
	}
	var part []*activities.SeriesPoint
	for n := len(d.points) - 1; n >= 0; n-- {
		if d.points[n] != nil {
			part = append(part, d.points[n])
		}
		if len(part) > 0 && (n == 0 || begins(n-1) != begins(n)) {
			p.Rows, part = append(p.Rows, chartRow{At: begins(n), Cells: cells(part)}), nil
		}
	}
}

func (d *drawing) encode(lines ...line) string {
	doc, _ := json.Marshal(struct { // numbers always can be
		From   int64  `json:"from"`
		Step   int64  `json:"step"`
		Series []line `json:"series"`
	}{d.from.Unix(), int64(d.span.Step / time.Second), lines})
	return string(doc)
}

func known(n int64, text string) string {
	if n < 0 {
		return "–"
	}
	return text
}

// latest is the last value that is known: nobody may have looked in the step in hand.
func latest(values []*float64, unit string) string {
	for n := len(values) - 1; n >= max(0, len(values)-2); n-- {
		if v := values[n]; v != nil {
			text := humanize.Commaf(*v)
			if unit != "" {
				text += " " + unit
			}
			return text
		}
	}
	return "–"
}
