package pages

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// refreshEvery is how many seconds the overview waits before it looks again.
const refreshEvery = 5

// overviewView is what there is to know of an instance at a glance.
type overviewView struct {
	Now       time.Time
	Every     int
	Done      string  // what was just done
	Problem   *notice // who does not answer
	Summary   string
	Attention []attention
	Groups    [][]row // a workflow and its tables
	All       []action
	Calls     *calls
	Workers   []workerRow
	Charts    charts
}

// calls are the engine calls of the hour in hand.
type calls struct {
	Used, Budget   int64
	Changes, Loads share
	Left           string // of the hour
}

// share is a part of a bar.
type share struct {
	Count int64
	Width string // in percent
}

// overview shows the three workflows, what needs attention, and the engine calls.
func (p *Pages) overview(w http.ResponseWriter, r *http.Request) {
	var asking sync.WaitGroup
	var charts charts
	asking.Go(func() {
		i, err := p.operator(r)
		charts = chartsOf(r.Context(), i, err, r, "", p.here(r))
	})
	view := p.look(r)
	asking.Wait()
	view.Done, view.Charts = doneText(r), charts
	p.render(w, r, http.StatusOK, "overview", "Overview", view)
}

// overviewLive is the part that updates by itself.
func (p *Pages) overviewLive(w http.ResponseWriter, r *http.Request) {
	p.part(w, r, http.StatusOK, "overview", "refreshed", "", p.look(r))
}

// look asks; a question without an answer is told in the view, which then updates by itself.
func (p *Pages) look(r *http.Request) overviewView {
	view := overviewView{Now: p.here(r), Every: refreshEvery}
	i, err := p.operator(r)
	if err != nil {
		return view.without(err)
	}
	var meter *operator.Meter
	var asking sync.WaitGroup
	asking.Go(func() { meter = i.Meter(r.Context()) })
	report, err := i.Status(r.Context(), "")
	asking.Wait()
	if err != nil {
		return view.without(err)
	}
	report.WithMeter(meter)
	rows := rowsOf{report: report, instance: i, now: view.Now, may: p.may(r, access.Operator)}
	view.Groups, view.All = rows.groups(), rows.all()
	view.Attention = attend(i, report, view.Now, rows.may)
	view.Calls, view.Workers = callsOf(meter, view.Now), workersOf(report.Workers)
	view.Problem = silence(report)
	view.Summary = summary(view)
	return view
}

func (v overviewView) without(err error) overviewView {
	n := explain(err)
	v.Problem, v.Summary = &n, "There is nothing to show without an answer."
	return v
}

// silence says that nobody answers for some flows; nil when somebody does for each.
func silence(report operator.Report) *notice {
	silent := unanswered(report)
	if silent == 0 {
		return nil
	}
	n := explain(&operator.Error{Kind: operator.NoWorker, Text: fmt.Sprintf("%s did not answer; what you see of them is what Temporal recorded last", phrase.Count(int64(silent), "workflow"))})
	return &n
}

// unanswered counts the flows that nobody answers for.
func unanswered(report operator.Report) (n int) {
	for _, f := range report.Flows {
		if !f.Answered && f.Stuck == nil {
			n++
		}
	}
	return n
}

func summary(v overviewView) string {
	decisions := int64(0)
	for _, a := range v.Attention {
		if a.Action != nil {
			decisions++
		}
	}
	switch {
	case v.Problem != nil:
		return "What you see may not be up to date."
	case decisions == 1:
		return "One thing needs a decision."
	case decisions > 1:
		return phrase.Count(decisions, "thing") + " need a decision."
	case len(v.Attention) > 0:
		return "Nothing needs a decision. Look at what is listed."
	}
	return "Everything is in step, or on its way."
}

func callsOf(m *operator.Meter, now time.Time) *calls {
	if m == nil {
		return nil
	}
	c := &calls{Used: m.Changes + m.Loads, Budget: m.Budget, Left: phrase.Span(m.Hour.Add(time.Hour).Sub(now))}
	of := max(c.Budget, c.Used, 1)
	width := func(n int64) string { return fmt.Sprintf("%.2f", 100*float64(n)/float64(of)) }
	c.Changes, c.Loads = share{m.Changes, width(m.Changes)}, share{m.Loads, width(m.Loads)}
	return c
}

// workerRow is a worker that lives, with its share of the limits that all keep together.
type workerRow struct {
	Name                                 string
	Since                                time.Time
	Campaign, PerSecond, Dynamics, Lanes string
}

func workersOf(workers []activities.WorkerState) (rows []workerRow) {
	for _, w := range workers {
		of := func(limit string) string {
			share, limited := w.Shares[limit]
			if !limited {
				return "no limit"
			}
			return strconv.FormatFloat(math.Round(10*share)/10, 'f', -1, 64)
		}
		lanes := "–"
		if len(workers) > 1 {
			lanes = strconv.Itoa(w.Lanes)
		}
		rows = append(rows, workerRow{w.Name, w.Since, of("campaign.concurrency"), of("campaign.rate"), of("dynamics.concurrency"), lanes})
	}
	return rows
}

// percent is how far a load is.
func percent(p *workflows.Progress) int64 {
	if p == nil || p.Expected <= 0 {
		return -1
	}
	return min(100, 100*p.Counts.Settled()/p.Expected)
}
