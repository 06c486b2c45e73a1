package pages

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/histories"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// runView is what there is to know of one run.
type runView struct {
	Now       time.Time
	Every     int // seconds until it looks again; 0: it has ended
	Done      string
	Problem   *notice
	Crumbs    []link
	Run       string
	Name      string
	State     word
	Sub       []string
	Began     time.Time
	Failure   *notice
	Actions   []action
	Balance   *balance
	Deletes   *waitingRun
	Rollback  []touch
	RollText  string
	RollUntil time.Time // ends RollText, where it is known
	Steps     []stepRow
	Span      []string // marks of the time axis
	Lanes     string   // address of the list of lanes
	Asked     []askedRow
	NotFound  []string
	Missing   string // "1 of 42"
	Window    []fact
	Times     []timeFact // with Window
	Refused   int64
	UI        string
	Back      string
	FlowLabel string
}

// stepRow is a kind of step, and when it was at work.
type stepRow struct {
	Name, Note  string
	State       word
	Times       int64
	Attempts    int64
	X, Width    string // in percent
	Class       string
	LastFailure string
}

type askedRow struct {
	What, By string
	At       time.Time
}

// run shows one run.
func (p *Pages) run(w http.ResponseWriter, r *http.Request) { p.showRun(w, r, "layout") }

// runLive is the part that updates by itself.
func (p *Pages) runLive(w http.ResponseWriter, r *http.Request) { p.showRun(w, r, "live") }

func (p *Pages) showRun(w http.ResponseWriter, r *http.Request, part string) {
	name, instance := r.PathValue("run"), r.PathValue("instance")
	view := runView{Now: p.here(r), Run: name, Name: "Run", Done: doneText(r), Every: refreshEvery, State: word{"warn", "wait", "No answer"},
		Crumbs: []link{{URL: home(instance), Label: "Overview"}, {URL: home(instance) + "runs", Label: "Runs"}, {Label: name}}}
	i, err := p.operator(r)
	var report *operator.RunReport
	if err == nil {
		report, err = i.ShowRun(r.Context(), name)
	}
	switch operator.KindOf(err) {
	case operator.BadInput, operator.NotStarted:
		if err != nil {
			p.Refuse(w, r, http.StatusNotFound, "There is no such run", sentence(err.Error()))
			return
		}
	}
	if err != nil {
		n := explain(err)
		view.Problem = &n
		p.part(w, r, http.StatusOK, "run", part, name, view)
		return
	}
	may := p.may(r, access.Operator)
	view.steps(report.History)
	view.UI, view.Lanes = report.UI, lanesURL(instance, name)
	if report.Ledger != nil {
		view.ledger(r, i, report.Ledger, may)
	} else {
		view.plain(i, report, may)
	}
	p.part(w, r, http.StatusOK, "run", part, view.Name, view)
}

// plain is what is known of a run without the ledger.
func (v *runView) plain(i *operator.Instance, report *operator.RunReport, may bool) {
	v.Name, v.Every = "Run of "+title(cmp.Or(report.Table, "unknown")), 0
	if n := len(report.Executions); n > 0 {
		x := report.Executions[n-1]
		v.State, v.Began = word{"off", "stop", x.Status}, x.Started
		if x.Running() {
			v.State, v.Every = word{"busy", "sync", "Running"}, refreshEvery
			v.offer(i, may, "cancel", "Cancel", "stop")
		}
	}
	if report.Silent {
		n := explain(&operator.Error{Kind: operator.NoWorker, Text: "what the ledger knows of this run is left out; what you see is what Temporal keeps"})
		v.Problem, v.Every = &n, refreshEvery
	}
	v.Failure = v.failure("", report)
	if v.Failure == nil && !report.Silent {
		v.Failure = &notice{Class: "warn", Icon: "warn", Title: "What the ledger knows is left out", Text: []string{"The ledger does not know this run."}}
	}
}

// ledger adds what the ledger knows.
func (v *runView) ledger(r *http.Request, i *operator.Instance, l *activities.ShowRunResult, may bool) {
	info := l.Info
	v.Name, v.State, v.Began = whatRun(info), runWord(info.State), info.Started
	if info.State != "RUNNING" {
		v.Every = 0
	}
	if !info.Ended.IsZero() {
		v.Sub = append(v.Sub, "Took "+phrase.Span(info.Ended.Sub(info.Started)))
	}
	if info.Revision != "" {
		v.Sub = append(v.Sub, "Revision "+info.Revision)
	}
	if flow := cmp.Or(info.Table, info.Flow); flow != "" && i.Known(flow) == nil {
		v.Back, v.FlowLabel = flowURL(i.Config.Instance, flow), title(flow)
	}
	v.Balance = balanceOf(info.Flow, info.Counts)
	if info.State != "COMPLETED" && info.State != "RUNNING" && info.Reason != "" {
		v.Failure = &notice{Class: "bad", Icon: "bad", Title: stateTitle[info.State], Text: []string{sentence(info.Reason), stateThen[info.State]}}
	}
	for _, op := range l.Asked {
		v.Asked = append(v.Asked, askedRow{What: capital(string(op.What)), By: cmp.Or(operator.Who(op.By), "somebody"), At: op.At})
	}
	v.window(l)
	v.Refused = l.Quarantined
	v.undo(i, l, may)
	switch info.State {
	case "RUNNING":
		if info.Kind != activities.KindDelta {
			v.offer(i, may, "cancel", "Cancel", "stop")
		}
	case "FAILED", "INCOMPLETE", "CANCELLED", operator.Lost:
		v.offer(i, may, "replay", "Run again", "again")
	}
	v.waiting(r, i, may)
}

var stateTitle = map[string]string{"FAILED": "It stopped because of this", "INCOMPLETE": "It could not account for every record", "STOPPED": "It was stopped", "CANCELLED": "It was given up"}

var stateThen = map[string]string{
	"FAILED":     "What it had written stays, and is not written twice. When the cause is put right, run it again.",
	"INCOMPLETE": "What it had written stays. Run it again to account for the rest.",
	"STOPPED":    "It goes on by itself at the next start.",
	"CANCELLED":  "What it had written stays.",
}

// failure is what stopped a run that the ledger does not tell of.
func (v *runView) failure(reason string, report *operator.RunReport) *notice {
	if report.History != nil && reason == "" {
		reason = report.History.Failure
	}
	if reason = cmp.Or(reason, report.Problem); reason == "" {
		return nil
	}
	return &notice{Class: "bad", Icon: "bad", Title: "It stopped because of this", Text: []string{sentence(reason)}}
}

// timeFact is a fact that is a time.
type timeFact struct {
	Name string
	At   time.Time
}

// window says what it was asked to read, and what was not found of it.
func (v *runView) window(l *activities.ShowRunResult) {
	w := l.Window
	if w == nil {
		return
	}
	if !w.Since.IsZero() {
		v.Times = append(v.Times, timeFact{"Changed since", w.Since})
	}
	if !w.Until.IsZero() {
		v.Times = append(v.Times, timeFact{"Changed before", w.Until})
	}
	for _, c := range w.Where {
		v.Window = append(v.Window, fact{"Where", c.Column + " " + string(c.Is) + " " + c.Value})
	}
	if n := len(w.IDs); n > 0 {
		v.Window = append(v.Window, fact{"Records", "named by " + phrase.Count(int64(n), "id")})
		if v.NotFound = l.NotFound; l.Info.State != "RUNNING" {
			v.Missing = fmt.Sprintf("Found %d of %d", n-len(l.NotFound), n)
		}
	}
	if w.Whole() {
		v.Window = append(v.Window, fact{"Records", "all"})
	}
}

// undo says what undoing it would touch.
func (v *runView) undo(i *operator.Instance, l *activities.ShowRunResult, may bool) {
	u := l.Rollback
	switch {
	case l.UndoneBy != "":
		v.RollText = "It was undone by " + l.UndoneBy + " (" + runWord(l.UndoneState).Text + ")."
	case u == nil:
		v.RollText = sentence(l.NoRollback)
	case u.Created+u.Existed == 0:
		v.RollText = "It changed nothing, so there is nothing to undo."
	default:
		v.Rollback = undoTouches(*u)
		v.RollText = "It can be undone at any time."
		if !l.Until.IsZero() {
			v.RollText, v.RollUntil = "It can be undone until", l.Until
		}
		v.offer(i, may, "rollback", "Roll back", "undo")
	}
}

func undoTouches(u activities.MayRollbackResult) []touch {
	out := []touch{
		{humanize.Comma(u.Created), "records that it created are deleted in Campaign"},
		{humanize.Comma(u.Existed), "records that it changed or deleted get back what Campaign held before"},
	}
	if u.Since > 0 {
		out = append(out, touch{humanize.Comma(u.Since), "of them are left alone: a later run has written them since"})
	}
	return out
}

// waiting adds its deletes that wait for approval.
func (v *runView) waiting(r *http.Request, i *operator.Instance, may bool) {
	if i.TableOf(v.Run) == "" {
		return
	}
	list, err := i.ListDeletes(r.Context(), activities.DeleteListInput{Run: v.Run, Limit: shownIDs})
	if err != nil || list.Total == 0 {
		return
	}
	n := phrase.Count(list.Total, "delete")
	d := &waitingRun{Run: v.Run, Title: n + " wait for approval", Text: "That is more than a run may delete unasked. Everything else of the run is written."}
	for _, one := range list.Deletes {
		d.IDs = append(d.IDs, one.ID)
		if one.Why == activities.DeleteFiltered {
			d.Filtered++
		} else {
			d.Gone++
		}
	}
	d.Rest = max(0, list.Total-int64(len(d.IDs)))
	if may {
		d.Approve = deciding(i, v.Run, "approve", "Approve "+n, "primary")
		d.Reject = deciding(i, v.Run, "reject", "Reject", "")
	}
	v.Deletes = d
}

// offer adds a button that asks first.
func (v *runView) offer(i *operator.Instance, may bool, name, label, icon string) {
	if may {
		v.Actions = append(v.Actions, action{ID: name + "-run", Label: label, Icon: icon, Asks: true, Title: label + ", run " + v.Run, URL: home(i.Config.Instance) + "runs/" + url.PathEscape(v.Run) + "/" + name})
	}
}

// stepNames are steps as people call them.
var stepNames = map[string]string{
	activities.Preflight: "Check the set-up", activities.PreflightEvents: "Check the set-up", activities.PreflightOptOut: "Check the set-up",
	activities.OpenRun: "Begin", activities.OpenEventRun: "Begin", activities.OpenOptOutRun: "Begin",
	activities.AwaitParents: "Wait for parents",
	activities.FetchPage:    "Read pages", activities.FetchEvents: "Read pages", activities.FetchOptOuts: "Read pages",
	activities.WriteLane: "Write lanes", activities.WriteTimeline: "Write lanes", activities.WriteOptOuts: "Write lanes",
	activities.SaveWatermark: "Keep the position", activities.SaveEventPosition: "Keep the position", activities.SaveOptOutPosition: "Keep the position",
	activities.EndRun: "End", activities.EndEventRun: "End", activities.EndOptOutRun: "End",
}

// steps adds what its workflow did, on one axis of time.
func (v *runView) steps(h *histories.Summary) {
	if h == nil || len(h.Steps) == 0 {
		return
	}
	first, last := h.Steps[0].First, h.Steps[0].Last
	for _, s := range h.Steps {
		if s.First.Before(first) {
			first = s.First
		}
		if s.Last.After(last) {
			last = s.Last
		}
	}
	span := max(last.Sub(first), time.Millisecond)
	for _, s := range h.Steps {
		row := stepRow{Name: cmp.Or(stepNames[s.Name], s.Name), Times: int64(s.Times), Attempts: int64(s.Attempts), Class: "updated", LastFailure: phrase.OneLine(s.LastFailure), State: word{"ok", "ok", "done"}}
		switch {
		case s.Failed > 0:
			row.State, row.Class = word{"bad", "bad", humanize.Comma(int64(s.Failed)) + " failed"}, "quarantined"
		case s.Open() > 0:
			row.State = word{"busy", "sync", humanize.Comma(int64(s.Open())) + " at work"}
		case s.Cancelled > 0:
			row.State = word{"off", "stop", humanize.Comma(int64(s.Cancelled)) + " given up"}
		}
		if s.Attempts > s.Times {
			row.Note = phrase.Count(int64(s.Attempts), "attempt")
		}
		x := 100 * float64(s.First.Sub(first)) / float64(span)
		row.X, row.Width = fmt.Sprintf("%.2f", x), fmt.Sprintf("%.2f", max(0.5, min(100-x, 100*float64(s.Last.Sub(s.First))/float64(span))))
		v.Steps = append(v.Steps, row)
	}
	v.Span = []string{"0 s", phrase.Span(span)}
	if span >= 4*time.Second {
		v.Span = slices.Insert(v.Span, 1, phrase.Span(span/2))
	}
}
