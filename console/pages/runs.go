package pages

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
)

// runsPage is how many runs a page lists.
const runsPage = 50

// runsView is a list of runs.
type runsView struct {
	Problem  *notice
	Rows     []runRow
	Filters  []filter
	Narrowed bool
	Older    string // address of the next page
	Newest   string // of the first page; "" on it
	Backfill string
	Self     string
}

// filter is one thing to choose from a list.
type filter struct {
	Name, Label string
	Options     []option
}

type option struct {
	Value, Label string
	Chosen       bool
}

// windows are how far back a list goes.
var windows = []struct {
	value, label string
	back         time.Duration
}{{"1d", "24 hours", 24 * time.Hour}, {"7d", "7 days", 7 * 24 * time.Hour}, {"30d", "30 days", 30 * 24 * time.Hour}}

// runs lists runs, the newest first. What a query has that there is not is left out.
func (p *Pages) runs(w http.ResponseWriter, r *http.Request) {
	q, here := r.URL.Query(), home(r.PathValue("instance"))+"runs"
	view, now := runsView{Self: here}, p.here(r)
	if p.may(r, access.Operator) {
		view.Backfill = home(r.PathValue("instance")) + "backfill"
	}
	i, err := p.operator(r)
	if err != nil {
		n := explain(err)
		view.Problem = &n
		p.render(w, r, http.StatusOK, "runs", "Runs", view)
		return
	}
	in := view.filters(i, q, now)
	if at, err := time.Parse(time.RFC3339Nano, q.Get("before")); err == nil && q.Get("run") != "" {
		in.Before = &activities.RunPlace{Started: at, Run: q.Get("run")}
		view.Newest = here + "?" + narrowed(q).Encode()
	}
	list, err := i.ListRuns(r.Context(), in, false, false)
	if err != nil {
		n := explain(err)
		view.Problem = &n
	}
	if len(list.Runs) > runsPage {
		list.Runs = list.Runs[:runsPage]
		last, next := list.Runs[runsPage-1], narrowed(q)
		next.Set("before", last.Started.UTC().Format(time.RFC3339Nano))
		next.Set("run", last.Run)
		view.Older = here + "?" + next.Encode()
	}
	view.Rows = runRows(i, list.Runs, now)
	p.render(w, r, http.StatusOK, "runs", "Runs", view)
}

// narrowed is a query without its page.
func narrowed(q url.Values) url.Values {
	out := url.Values{}
	for _, name := range []string{"table", "kind", "state", "since"} {
		if value := q.Get(name); value != "" {
			out.Set(name, value)
		}
	}
	return out
}

// filters reads what the list is narrowed to.
func (v *runsView) filters(i *operator.Instance, q url.Values, now time.Time) activities.RunListInput {
	tables, kindsOf, states, since := filter{Name: "table", Label: "Workflow"}, filter{Name: "kind", Label: "What"}, filter{Name: "state", Label: "State"}, filter{Name: "since", Label: "Begun within"}
	for _, name := range i.Flows() {
		tables.Options = append(tables.Options, option{Value: name, Label: title(name)})
	}
	for _, kind := range operator.RunKinds {
		kindsOf.Options = append(kindsOf.Options, option{Value: kind, Label: kindText(activities.Kind(kind))})
	}
	for _, state := range runStates {
		states.Options = append(states.Options, option{Value: state, Label: runWord(state).Text})
	}
	for _, w := range windows {
		since.Options = append(since.Options, option{Value: w.value, Label: w.label})
	}
	chosen := func(c *filter) string {
		n := slices.IndexFunc(c.Options, func(o option) bool { return o.Value == q.Get(c.Name) })
		if n >= 0 {
			c.Options[n].Chosen, v.Narrowed = true, true
			return c.Options[n].Value
		}
		return ""
	}
	in := activities.RunListInput{}
	if table := chosen(&tables); table != "" {
		in = runsOf(table, 0)
	}
	in.Limit, in.Kind = runsPage+1, chosen(&kindsOf)
	if state := chosen(&states); state != "" {
		in.States = []string{state}
	}
	back := chosen(&since)
	for _, w := range windows {
		if w.value == back {
			in.Since = now.Add(-w.back)
		}
	}
	v.Filters = []filter{tables, kindsOf, states, since}
	return in
}
