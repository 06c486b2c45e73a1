package pages

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

const (
	recentRuns = 8
	flowIDs    = 12 // of waiting deletes that are shown at once; the dialog shows more
)

// flowView is what there is to know of one workflow.
type flowView struct {
	texts     bool // those of filters and replacements are for who looks
	Now       time.Time
	Every     int
	Done      string
	Problem   *notice
	Crumbs    []link
	Flow      string
	Name      string
	State     word
	Sub       []string
	Since     time.Time
	Attention []attention
	Main      *action
	More      []action
	Figures   []figure
	Revision  *revision
	Run       *runInHand
	Totals    *balance
	Runs      []runRow
	NoRuns    string // in place of Runs
	Deletes   []waitingRun
	Waits     []word
	Facts     []fact
	RunsURL   string
	UI        string
	Charts    charts
}

type figure struct {
	Name, Tip, Value, Note string
	At                     time.Time
}

type fact struct{ Name, Value string }

// revision is what runs, against what is on file.
type revision struct {
	Runs, Filed string
	Text        string
	Differences []string // what the filed one says and the running one does not
}

// runInHand is what the workflow does now.
type runInHand struct {
	What, URL, Phase string
	Done             int64 // in percent; -1: not known
	Width            string
	Read, Expected   int64
	Balance          *balance
	Since            time.Time
}

// waitingRun are the deletes of a run that wait.
type waitingRun struct {
	Run, URL, Title, Text string
	Gone, Filtered        int64
	IDs                   []string
	Rest                  int64
	Approve, Reject       *action
}

// flow shows one workflow.
func (p *Pages) flow(w http.ResponseWriter, r *http.Request) { p.showFlow(w, r, "layout") }

// flowLive is the part that updates by itself.
func (p *Pages) flowLive(w http.ResponseWriter, r *http.Request) { p.showFlow(w, r, "refreshed") }

func (p *Pages) showFlow(w http.ResponseWriter, r *http.Request, part string) {
	name := r.PathValue("flow")
	view := flowView{
		Now: p.here(r), Every: refreshEvery, Flow: name, Name: title(name), Done: doneText(r), RunsURL: home(r.PathValue("instance")) + "runs?table=" + name,
		Crumbs: []link{{URL: home(r.PathValue("instance")), Label: "Overview"}, {Label: title(name)}}, State: word{"warn", "wait", "No answer"}, texts: p.may(r, access.Support),
	}
	i, err := p.operator(r)
	if err == nil {
		err = i.Known(name)
		if operator.KindOf(err) == operator.BadInput && err != nil {
			p.Refuse(w, r, http.StatusNotFound, "There is no such workflow", "The configuration has none of this name", "Its mapping may have been removed.")
			return
		}
	}
	var asking sync.WaitGroup
	if part == "layout" {
		failed := err
		asking.Go(func() { view.Charts = chartsOf(r.Context(), i, failed, r, name, view.Now) })
	}
	if err == nil {
		err = view.look(r.Context(), i, p.may(r, access.Operator))
	}
	asking.Wait()
	if err != nil {
		n := explain(err)
		view.Problem = &n
	}
	p.part(w, r, http.StatusOK, "flow", part, view.Name, view)
}

// look asks for everything at once: where nobody answers, the wait for one is the wait for
// all.
func (v *flowView) look(ctx context.Context, i *operator.Instance, may bool) error {
	var runs activities.RunListResult
	var runsErr error
	var asking sync.WaitGroup
	asking.Go(func() {
		runs, runsErr = i.ListRuns(ctx, runsOf(v.Flow, recentRuns), false, false)
	})
	report, err := i.Status(ctx, v.Flow)
	asking.Wait()
	if err != nil {
		return err
	}
	f := report.Flows[0]
	v.frame(i, f, may, report)
	if f.Status != nil {
		v.status(i, f)
		v.deletes(ctx, i, f.Status, may)
	}
	if v.Runs = runRows(i, runs.Runs, v.Now); len(v.Runs) == 0 {
		v.NoRuns = "It has not run yet. The first start reads everything."
	}
	if runsErr != nil {
		v.Runs, v.NoRuns = nil, sentence(runsErr.Error())
	}
	if !f.Answered && f.Stuck == nil {
		n := explain(&operator.Error{Kind: operator.NoWorker, Text: f.Problem})
		v.Problem = &n
	}
	return nil
}

// runsOf selects the runs of a flow.
func runsOf(flow string, limit int) activities.RunListInput {
	if flow == activities.FlowEgress || flow == activities.FlowOptOut {
		return activities.RunListInput{Flow: flow, Limit: limit}
	}
	return activities.RunListInput{Table: flow, Limit: limit}
}

func (v *flowView) frame(i *operator.Instance, f operator.FlowReport, may bool, report operator.Report) {
	rows := rowsOf{report: report, instance: i, now: v.Now, may: may}
	v.State = state(f)
	if may {
		v.Main, v.More = rows.actions(f)
		large(v.Main, v.More)
	}
	for _, a := range attend(i, report, v.Now, may) {
		if a.about == deletesWait {
			continue // they have a panel of their own here
		}
		v.Attention = append(v.Attention, a)
	}
	if t, ok := i.Config.Ingress.Tables[v.Flow]; ok {
		v.Name = title(v.Flow)
		v.Facts = append(v.Facts, fact{"Reads", t.Dynamics.Table + " in Dynamics 365"}, fact{"Writes", t.Campaign.Resource + " in Campaign"}, fact{"Key", t.Campaign.Key})
	} else {
		v.Facts = append(v.Facts, fact{"Carries", detail[v.Flow]})
	}
	v.Facts = append(v.Facts, fact{"Workflow", f.WorkflowID})
	v.UI = i.Link(f.WorkflowID, "")
}

// status adds what a worker answered.
func (v *flowView) status(i *operator.Instance, f operator.FlowReport) {
	st := f.Status
	v.Since = st.Since
	if st.Phase != "" {
		v.Sub = append(v.Sub, capital(st.Phase))
	}
	if st.StartedBy != "" {
		v.Sub = append(v.Sub, "Started by "+operator.Somebody(st.StartedBy))
	}
	backlog := int64(0)
	if st.Progress != nil {
		backlog = st.Progress.Backlog
	}
	lag := "–"
	if f.LagSeconds != nil {
		lag = phrase.Span(time.Duration(*f.LagSeconds) * time.Second)
	}
	v.Figures = []figure{
		{Name: "Backlog", Tip: "Records that were read and are not written yet. It grows during a load and falls by itself.", Value: humanize.Comma(backlog)},
		{Name: "Lag", Tip: "How far the other side is behind. 3 s means: what changed 3 seconds ago has arrived.", Value: lag},
		{Name: "Last checked", At: f.LastChecked},
		{Name: "Deletes that wait", Value: humanize.Comma(waitingDeletes(st))},
		{Name: "Quarantine", Tip: quarantineTip, Value: humanize.Comma(st.Quarantined)},
	}
	v.Totals = balanceOf(v.Flow, st.Totals)
	v.Revision = revisionOf(f, v.texts)
	if st.Run != "" {
		v.Run = inHand(i, v.Flow, st)
	}
	for _, w := range f.Waiting {
		v.Waits = append(v.Waits, word{"warn", "wait", sentence(w.Sentence(v.Now))})
	}
	if !st.RetryAt.IsZero() {
		v.Waits = append(v.Waits, word{"warn", "wait", "The next try, " + phrase.Until(v.Now, st.RetryAt) + "."})
	}
	for _, q := range st.Queue {
		if !q.Begun {
			v.Waits = append(v.Waits, word{"off", "wait", "Run " + q.Run + " waits for its turn."})
		}
	}
	if st.Parked > 0 {
		v.Waits = append(v.Waits, word{"off", "wait", phrase.Count(st.Parked, "record") + " wait for their parents, and go on by themselves."})
	}
}

// revisionOf compares what runs with what is on file.
func revisionOf(f operator.FlowReport, texts bool) *revision {
	st := f.Status
	if st.Revision == "" {
		return nil
	}
	r := &revision{Runs: st.Revision, Filed: st.Revision, Text: "What runs is what is on file."}
	switch {
	case st.ChangesPending():
		r.Filed, r.Text = st.FiledRevision, "Saved edits are not running yet. They start to run after Stop and Start."
	case f.FileRevision != "" && f.FileRevision != st.Revision:
		r.Filed, r.Text = f.FileRevision, "The configuration of this console says something else than what runs. The next start applies it."
	}
	r.Differences = differing(f.Differences, texts)
	return r
}

func inHand(i *operator.Instance, flow string, st *workflows.Status) *runInHand {
	out := &runInHand{What: kindText(st.RunKind), URL: runURL(i.Config.Instance, st.Run), Phase: capital(st.Phase), Done: -1}
	if st.RunTitle != "" {
		out.What = capital(st.RunTitle)
	}
	if p := st.Progress; p != nil {
		out.Done, out.Read, out.Expected, out.Since, out.Balance = percent(p), p.Read, p.Expected, p.Started, balanceOf(flow, p.Counts)
		out.Width = humanize.Ftoa(float64(max(0, out.Done)))
	}
	return out
}

// deletes adds the deletes that wait, with their ids.
func (v *flowView) deletes(ctx context.Context, i *operator.Instance, st *workflows.Status, may bool) {
	for _, a := range st.Approvals {
		d := waitingRun{Run: a.Run, URL: runURL(i.Config.Instance, a.Run), Title: phrase.Count(a.Deletes, "delete") + " wait for approval", Text: "That is more than a run may delete unasked. Everything else of the run is written."}
		if a.Deletes == 1 {
			d.Title = "1 delete waits for approval"
		}
		list, err := i.ListDeletes(ctx, activities.DeleteListInput{Run: a.Run, Limit: flowIDs})
		if err != nil {
			d.Text += " " + sentence(err.Error())
		}
		for _, one := range list.Deletes {
			d.IDs = append(d.IDs, one.ID)
		}
		d.Rest = max(0, list.Total-int64(len(d.IDs)))
		if may {
			d.Approve = deciding(i, a.Run, "approve", "Approve "+phrase.Count(a.Deletes, "delete"), "primary")
			d.Reject = deciding(i, a.Run, "reject", "Reject", "")
		}
		v.Deletes = append(v.Deletes, d)
	}
}

// deciding is the button of a decision about the deletes of a run.
func deciding(i *operator.Instance, run, decision, label, class string) *action {
	return &action{ID: decision + "-" + run, Label: label, Class: class, Icon: "warn", Asks: true, Title: label + " of run " + run, URL: runURL(i.Config.Instance, run) + "/" + decision}
}
