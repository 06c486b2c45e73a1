package pages

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/dustin/go-humanize"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// confirmView names what an action will touch.
type confirmView struct {
	Title, URL, Back, Label, After string
	Text                           []string
	Touches                        []touch
	IDs                            []string
	Reason                         bool
	Example                        string   // of a reason
	Hidden                         []hidden // what is sent along
}

// hidden is a value that a form sends along.
type hidden struct{ Name, Value string }

type touch struct{ Count, What string }

// show renders a confirmation: as a dialog where a page is there already.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, view confirmView) {
	view.URL, view.Back = r.URL.Path, cmp.Or(view.Back, home(r.PathValue("instance")))
	if inPart(r) {
		p.part(w, r, http.StatusOK, "confirm", "ask", view.Title, view)
		return
	}
	p.render(w, r, http.StatusOK, "confirm", view.Title, view)
}

// confirmable finds the verb of a request that asks first.
func (p *Pages) verb(w http.ResponseWriter, r *http.Request, asks bool) (verb, bool) {
	v, ok := verbs[r.PathValue("action")]
	if !ok || asks && !v.asks {
		p.Refuse(w, r, http.StatusNotFound, "There is no such page", "The address leads nowhere", "What you look for may have moved.")
		return v, false
	}
	return v, true
}

// confirm asks before a flow is stopped, paused, or stopped and started.
func (p *Pages) confirm(w http.ResponseWriter, r *http.Request) {
	v, ok := p.verb(w, r, true)
	if !ok {
		return
	}
	flow := r.PathValue("flow")
	i, err := p.operator(r)
	if err == nil {
		err = i.Known(flow)
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	view := confirmView{Label: v.label}
	switch r.PathValue("action") {
	case "stop":
		view.Title, view.Text = "Stop "+title(flow)+"?", []string{"Records being written are finished. Then nothing flows until somebody starts it again."}
		view.After = "What changes meanwhile is kept by both systems, and read after the next start."
	case "pause":
		view.Title, view.Text, view.Reason, view.Label = "Pause "+title(flow)+"?", []string{"Records being written are finished. Then it waits, with what it has in hand, until somebody resumes it."}, true, "Pause"
	case "restart":
		view.Title, view.Text = "Stop "+title(flow)+", then start it?", []string{"Records being written are finished. Then the flow stops, and starts with what the configuration says now."}
		view.After = "What changes meanwhile is read afterwards."
	}
	if report, err := i.Status(r.Context(), flow); err == nil && len(report.Flows) == 1 {
		view.Touches = touches(report.Flows[0].Status)
	}
	p.show(w, r, view)
}

// touches are the figures of a flow that is to be stopped.
func touches(st *workflows.Status) (out []touch) {
	if st == nil {
		return nil
	}
	backlog := int64(0)
	if st.Progress != nil {
		backlog = st.Progress.Backlog
	}
	out = append(out, touch{humanize.Comma(backlog), "records in the backlog, which are kept"})
	if n := waitingDeletes(st); n > 0 {
		out = append(out, touch{humanize.Comma(n), "deletes that go on waiting for approval"})
	}
	if st.Quarantined > 0 {
		out = append(out, touch{humanize.Comma(st.Quarantined), "refused records, which stay in quarantine"})
	}
	return out
}

// act does something with one flow.
func (p *Pages) act(w http.ResponseWriter, r *http.Request) {
	v, ok := p.verb(w, r, false)
	if !ok {
		return
	}
	flow := r.PathValue("flow")
	i, err := p.operator(r)
	if err == nil {
		err = i.Known(flow)
	}
	if err == nil {
		err = v.do(r, i, flow)
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	p.done(w, r, flow)
}

// done goes back to the page that it was asked for on, which says what was done.
func (p *Pages) done(w http.ResponseWriter, r *http.Request, what string) {
	p.doneAs(w, r, r.PathValue("action"), what)
}

func (p *Pages) doneAs(w http.ResponseWriter, r *http.Request, action, what string) {
	back := home(r.PathValue("instance"))
	if from, err := url.Parse(r.Referer()); err == nil && from.Host == r.Host && p.tells(r, from.Path) {
		back = from.EscapedPath()
	}
	http.Redirect(w, r, back+"?"+url.Values{"done": {action}, "of": {what}}.Encode(), http.StatusSeeOther)
}

// tells says whether a path is that of a page that says what was done.
func (p *Pages) tells(r *http.Request, path string) bool {
	rest, below := strings.CutPrefix(path, home(r.PathValue("instance")))
	if below && rest == "events" {
		return true
	}
	kind, name, named := strings.Cut(rest, "/")
	return below && named && name != "" && !strings.Contains(name, "/") && (kind == "flows" || kind == "runs")
}

// everything stands for all flows in the address of what was done.
const everything = "everything"

// doneText says what was done, from a fixed choice of sentences.
func doneText(r *http.Request) string {
	q := r.URL.Query()
	switch v, ok := verbs[q.Get("done")]; {
	case q.Get("done") == "approve":
		return "The deletes were approved, and are being made."
	case q.Get("done") == "backfill":
		return "The backfill was accepted. It begins as soon as the workflow has its hands free."
	case q.Get("done") == "rollback":
		return "The rollback was accepted. The run is being undone."
	case q.Get("done") == "replay":
		return "The run is done again."
	case q.Get("done") == "cancel":
		return "The run is being given up. What it has written stays."
	case q.Get("done") == "reject":
		return "The deletes were rejected. The records stay in Campaign."
	case !ok:
		return ""
	case q.Get("of") == everything:
		return v.label + " was asked for of all workflows."
	case len(q.Get("of")) > 0 && len(q.Get("of")) <= 80:
		return title(q.Get("of")) + " " + v.done
	}
	return ""
}

// forAll are the verbs that are there for all flows at once.
var forAll = map[string]bool{"start": true, "stop": true, "sync-now": true}

// confirmAll asks before all flows are stopped.
func (p *Pages) confirmAll(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("action") != "stop" {
		p.Refuse(w, r, http.StatusNotFound, "There is no such page", "The address leads nowhere", "What you look for may have moved.")
		return
	}
	i, err := p.operator(r)
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	view := confirmView{Title: "Stop all workflows?", Label: "Stop all", Text: []string{"Records being written are finished. Then nothing flows, in either direction, until somebody starts it again. Opt-outs are not carried either."}}
	for _, flow := range i.Flows() {
		view.Touches = append(view.Touches, touch{"1", title(flow)})
	}
	p.show(w, r, view)
}

// actAll does something with all flows. One that refuses does not keep the others from it;
// where nobody answers, the others are not asked.
func (p *Pages) actAll(w http.ResponseWriter, r *http.Request) {
	v, ok := p.verb(w, r, false)
	if !ok {
		return
	}
	if !forAll[r.PathValue("action")] {
		p.Refuse(w, r, http.StatusNotFound, "There is no such page", "The address leads nowhere", "What you look for may have moved.")
		return
	}
	i, err := p.operator(r)
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	report, err := i.Status(r.Context(), "")
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	wanted := map[string]bool{}
	for _, f := range report.Flows {
		wanted[f.Flow] = fits(r.PathValue("action"), f)
	}
	for _, flow := range i.ParentsFirst() {
		if !wanted[flow] {
			continue
		}
		if failed := v.do(r, i, flow); failed != nil {
			err = &operator.Error{Kind: operator.KindOf(failed), Text: title(flow) + ": " + failed.Error()}
			if k := operator.KindOf(failed); k == operator.NoWorker || k == operator.Unreachable {
				break
			}
		}
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	p.done(w, r, everything)
}

// fits says whether a verb for all flows is for this one.
func fits(action string, f operator.FlowReport) bool {
	stopped := f.Status == nil || operator.Stopped(*f.Status)
	switch action {
	case "start":
		return stopped
	case "sync-now":
		return !stopped && f.Status.State == workflows.StateRunning
	}
	return !stopped
}
