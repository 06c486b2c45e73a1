package pages

import (
	"net/http"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

// planView is what a run would do by a mapping: counts, ids and names of fields, no values.
type planView struct {
	Now      time.Time
	Crumbs   []link
	Back     string
	Of       string // what was read
	Plan     activities.PlanResult
	Balance  *balance
	Calls    string
	Approval bool
	Examples []planExample
}

type planExample struct {
	ID, Outcome, Why string
	Changes          []fact
}

// samples are how many records a plan may read; 0 is all.
var samples = map[string]int{"100": 100, "1000": 1000, "all": 0}

// planMapping asks what the mapping would do. Nothing is written.
func (p *Pages) planMapping(w http.ResponseWriter, r *http.Request) {
	t, ok := p.mappingOnFile(w, r)
	if !ok {
		return
	}
	instance := r.PathValue("instance")
	sample, ok := samples[r.PostFormValue("sample")]
	i, err := p.operator(r)
	if err == nil && !ok {
		err = &operator.Error{Kind: operator.BadInput, Text: "say how many records to read: 100, 1,000 or all"}
	}
	var got activities.PlanResult
	if err == nil {
		got, err = i.PlanDraft(r.Context(), t, activities.PlanInput{Sample: sample})
	}
	if err != nil {
		n := explain(err)
		if operator.KindOf(err) == operator.NoWorker {
			n.Title = "No answer yet"
			n.Text = []string{"A page waits some 20 seconds, and a plan of many records takes longer. Ask for fewer, or run: causeway plan " + t.Name + ".", sentence(err.Error())}
		}
		p.render(w, r, statusOf(err), "failure", n.Title, failureView{Title: n.Title, Note: n, Back: mappingURL(instance, t.Name), BackLabel: "Back to the mapping"})
		return
	}
	view := planOf(t.Name, sample, got)
	view.Now, view.Crumbs, view.Back = p.here(r), mappingCrumbs(instance, t.Name, "What it would do"), mappingURL(instance, t.Name)
	p.render(w, r, http.StatusOK, "mappingplan", "What it would do", view)
}

// planOf says what a plan found.
func planOf(table string, sample int, got activities.PlanResult) planView {
	view := planView{Plan: got, Balance: balanceOf(table, got.Counts), Calls: humanize.Comma(got.EngineCalls), Approval: got.NeedApproval, Of: "all " + humanize.Comma(got.Counts.Read) + " records"}
	if got.Sampled {
		view.Of = "the first " + strconv.Itoa(sample) + " records"
	}
	for _, e := range got.Examples {
		one := planExample{ID: e.ID, Outcome: e.Outcome, Why: e.Why}
		for _, field := range sortedKeys(e.Changes) {
			one.Changes = append(one.Changes, fact{field, e.Changes[field]})
		}
		view.Examples = append(view.Examples, one)
	}
	return view
}
