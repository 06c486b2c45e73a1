package pages

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/google/uuid"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// backfillView is the form, and then what was asked for.
type backfillView struct {
	Problem *notice
	Crumbs  []link
	Tables  []option
	Table   string
	What    string // all, window, where, ids
	Since   string
	Until   string
	Column  string
	Is      string
	Value   string
	Ways    []option
	IDs     string
	Check   *backfillCheck
	Self    string
}

// backfillCheck is what a backfill would read, before it is asked for.
type backfillCheck struct {
	Title, Label string
	Touches      []touch
	Text         []string
	Beyond       []string // what it does not bring
	NotFound     []string // ids that Dynamics does not list
	None         bool     // there is nothing to read
}

// comparisons of a condition that may stand in Temporal's history.
var comparisons = []option{
	{Value: "equals", Label: "is"}, {Value: "not_equals", Label: "is not"}, {Value: "greater", Label: "is greater than"}, {Value: "less", Label: "is less than"},
	{Value: "empty", Label: "is empty"}, {Value: "not_empty", Label: "is not empty"},
}

func (p *Pages) backfillForm(r *http.Request, i *operator.Instance) backfillView {
	v := backfillView{Self: home(r.PathValue("instance")) + "backfill", What: "all", Table: r.FormValue("table"),
		Crumbs: []link{{URL: home(r.PathValue("instance")), Label: "Overview"}, {URL: home(r.PathValue("instance")) + "runs", Label: "Runs"}, {Label: "Backfill"}}}
	if what := r.PostFormValue("what"); what == "window" || what == "where" || what == "ids" {
		v.What = what
	}
	v.Since, v.Until, v.IDs = r.PostFormValue("since"), r.PostFormValue("until"), r.PostFormValue("ids")
	v.Column, v.Value = strings.TrimSpace(r.PostFormValue("column")), strings.TrimSpace(r.PostFormValue("value"))
	for _, c := range comparisons {
		c.Chosen = c.Value == r.PostFormValue("is")
		if c.Chosen {
			v.Is = c.Value
		}
		v.Ways = append(v.Ways, c)
	}
	if i != nil {
		for _, name := range i.Tables() {
			v.Tables = append(v.Tables, option{Value: name, Label: title(name), Chosen: name == v.Table})
		}
	}
	return v
}

// backfill shows the form.
func (p *Pages) backfill(w http.ResponseWriter, r *http.Request) {
	i, err := p.operator(r)
	view := p.backfillForm(r, i)
	if err != nil {
		n := explain(err)
		view.Problem = &n
	}
	p.render(w, r, http.StatusOK, "backfill", "Backfill", view)
}

// askBackfill says what it would read and cost and, when that was seen, asks for it.
func (p *Pages) askBackfill(w http.ResponseWriter, r *http.Request) {
	i, err := p.operator(r)
	view := p.backfillForm(r, i)
	var window activities.Window
	if err == nil {
		window, err = view.window()
	}
	if err == nil && !i.IsTable(view.Table) {
		err = &operator.Error{Kind: operator.BadInput, Text: "choose a table"}
	}
	if err == nil && r.PostFormValue("step") == "begin" {
		if _, err = i.Backfill(r.Context(), view.Table, window); err == nil {
			http.Redirect(w, r, flowURL(r.PathValue("instance"), view.Table)+"?"+url.Values{"done": {"backfill"}}.Encode(), http.StatusSeeOther)
			return
		}
	}
	status := http.StatusOK
	if err != nil {
		n := explain(err)
		view.Problem, status = &n, statusOf(err)
	} else {
		view.Check = view.check(r.Context(), i, window)
		view.Check.find(r.Context(), i, view.Table, window.IDs)
	}
	p.render(w, r, status, "backfill", "Backfill", view)
}

// window reads what was typed.
func (v *backfillView) window() (w activities.Window, err error) {
	bad := func(text string) error { return &operator.Error{Kind: operator.BadInput, Text: text} }
	switch v.What {
	case "window":
		if w.Since, err = moment(v.Since); err != nil {
			return w, err
		}
		if w.Until, err = moment(v.Until); err != nil {
			return w, err
		}
		if w.Since.IsZero() && w.Until.IsZero() {
			return w, bad("say since when, or until when")
		}
		if !w.Since.IsZero() && !w.Until.IsZero() && !w.Since.Before(w.Until) {
			return w, bad("the time since when is not before the time until when")
		}
	case "where":
		switch {
		case v.Column == "" || v.Is == "":
			return w, bad("say a column and a comparison")
		case v.Value == "" && v.Is != "empty" && v.Is != "not_empty":
			return w, bad("say a value to compare with")
		case v.Is == "empty" || v.Is == "not_empty":
			v.Value = ""
		}
		w.Where = []activities.Condition{{Column: v.Column, Is: v.Is, Value: v.Value}}
	case "ids":
		seen := map[string]bool{}
		for _, id := range strings.FieldsFunc(v.IDs, func(c rune) bool { return strings.ContainsRune(" ,;\r\n\t", c) }) {
			parsed, err := uuid.Parse(id)
			if err != nil {
				return w, bad("one of the ids is none: want ids of records in Dynamics, such as 6f0c1d2e-0000-4000-8000-000000000001")
			}
			if !seen[parsed.String()] {
				seen[parsed.String()] = true
				w.IDs = append(w.IDs, parsed.String())
			}
		}
		if len(w.IDs) == 0 || len(w.IDs) > activities.MostNamed {
			return w, bad("got " + phrase.Count(int64(len(w.IDs)), "id") + ", want 1 to " + humanize.Comma(activities.MostNamed))
		}
	}
	return w, nil
}

// moment reads what a browser's field of date and time gives, in UTC.
func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"2006-01-02T15:04", time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, &operator.Error{Kind: operator.BadInput, Text: "a time is not one: want a day and a time, such as 2026-01-31T08:00, in UTC"}
}

// check says what it would read, and what that costs at most.
func (v *backfillView) check(ctx context.Context, i *operator.Instance, w activities.Window) *backfillCheck {
	c := &backfillCheck{Title: "Read " + title(v.Table) + " again?", Label: "Read them again"}
	if n := len(w.IDs); n > 0 {
		c.Title, c.Label = "Read "+phrase.Count(int64(n), "record")+" again?", "Read "+phrase.Count(int64(n), "record")+" again"
		c.Touches = []touch{{humanize.Comma(int64(n)), "records are read from Dynamics"}, {humanize.Comma(int64(2 * n)), "engine calls at most"}}
		c.Text = []string{"Only what differs from what was written last is written."}
		return c
	}
	r := i.EstimateBackfill(ctx, v.Table)
	switch {
	case r == nil:
		c.Text = []string{"What it costs is not known: no worker answers."}
		return c
	case r.Records == 0:
		c.Text = []string{"What it costs is not known: no run has read the table yet."}
		return c
	}
	if w.Whole() {
		c.Label = "Read about " + humanize.Comma(r.Records) + " records again"
		c.Touches = append(c.Touches, touch{humanize.Comma(r.Records), "records, about, are read from Dynamics"})
	} else {
		c.Touches = append(c.Touches, touch{"≤ " + humanize.Comma(r.Records), "records; how many fit is known when they are read"})
	}
	if r.Calls != nil && w.Whole() {
		c.Touches = append(c.Touches, touch{humanize.Comma(*r.Calls), "engine calls, about, as the last runs did"})
	}
	c.Touches = append(c.Touches, touch{"≤ " + humanize.Comma(r.Records), "engine calls, if every record differs"})
	c.Text = append(c.Text, "Only what differs from what was written last is written.")
	if r.PerHour > 0 {
		c.Text = append(c.Text, "Loads may make "+humanize.Comma(r.PerHour)+" engine calls an hour; what is more waits for the next.")
	}
	if r.Runs > 0 && w.Whole() {
		span := phrase.Span(time.Duration(r.Quick) * time.Second)
		if slow := phrase.Span(time.Duration(r.Slow) * time.Second); slow != span {
			span += " to " + slow
		}
		c.Text = append(c.Text, "It takes about "+span+" at the pace of the last "+phrase.Count(int64(r.Runs), "run")+" over the whole table.")
	}
	return c
}

// find says how many of the named records Dynamics has, before they are read. Without an
// answer the backfill can still be asked for.
func (c *backfillCheck) find(ctx context.Context, i *operator.Instance, table string, ids []string) {
	if len(ids) == 0 {
		return
	}
	found, err := i.CheckNamed(ctx, table, ids)
	if err != nil {
		c.Text = append(c.Text, "How many of them Dynamics has, is not known: "+sentence(err.Error()))
		return
	}
	n := int64(found.Found)
	c.NotFound, c.None = found.NotFound, n == 0
	c.Title = "Found " + humanize.Comma(n) + " of " + humanize.Comma(int64(len(ids))) + ". Read " + phrase.Count(n, "record") + " again?"
	c.Label = "Read " + phrase.Count(n, "record") + " again"
	c.Touches = []touch{{humanize.Comma(n), "records are read from Dynamics"}, {"≤ " + humanize.Comma(2*n), "engine calls"}}
	switch {
	case c.None:
		c.Title = "Dynamics has none of them"
		c.Text = []string{"There is nothing to read. See whether the ids are of this table, and whether the application user may read its records."}
	case len(found.NotFound) > 0:
		c.Text = append(c.Text, "Nothing is done about those that were not found: they are gone from Dynamics, or hidden from the application user.")
	}
}
