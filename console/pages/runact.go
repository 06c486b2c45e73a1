package pages

import (
	"net/http"

	"github.com/dustin/go-humanize"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// onRun asks for the instance of a request about a run, and shows why when it cannot be had.
func (p *Pages) onRun(w http.ResponseWriter, r *http.Request, do func(i *operator.Instance, run string) error) bool {
	i, err := p.operator(r)
	if err == nil {
		err = do(i, r.PathValue("run"))
	}
	if err != nil {
		p.cannot(w, r, err)
	}
	return err == nil
}

// confirmReplay says how a run would be done again.
func (p *Pages) confirmReplay(w http.ResponseWriter, r *http.Request) {
	p.onRun(w, r, func(i *operator.Instance, run string) error {
		plan, err := i.PlanReplay(r.Context(), run)
		if err == nil {
			p.show(w, r, confirmView{Title: "Run it again?", Label: "Run it again", Text: []string{sentence(plan.Sentence())}, After: "What was written already is not written twice."})
		}
		return err
	})
}

// replay does it again.
func (p *Pages) replay(w http.ResponseWriter, r *http.Request) {
	if p.onRun(w, r, func(i *operator.Instance, run string) error {
		plan, err := i.PlanReplay(r.Context(), run)
		if err != nil {
			return err
		}
		return i.Replay(r.Context(), plan)
	}) {
		p.doneAs(w, r, "replay", "")
	}
}

// confirmCancel asks before a run is given up.
func (p *Pages) confirmCancel(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, confirmView{Title: "Give this run up?", Label: "Give it up", Text: []string{"Records being written are finished. What it has written stays, and what it has not read is left out."},
		After: "The workflow goes on with the changes. To undo what the run has written, roll it back afterwards."})
}

// cancel gives a run up.
func (p *Pages) cancel(w http.ResponseWriter, r *http.Request) {
	if p.onRun(w, r, func(i *operator.Instance, run string) error {
		_, err := i.CancelRun(r.Context(), run)
		return err
	}) {
		p.doneAs(w, r, "cancel", "")
	}
}

// confirmRollback shows what undoing a run would touch, and what stays.
func (p *Pages) confirmRollback(w http.ResponseWriter, r *http.Request) {
	p.onRun(w, r, func(i *operator.Instance, run string) error {
		may, err := i.MayRollback(r.Context(), run)
		if err != nil {
			return err
		}
		records := may.Created + may.Existed - may.Since
		view := confirmView{
			Title: "Roll this run back?", Label: "Roll back " + humanize.Comma(records) + " records", Touches: undoTouches(may),
			Text:  []string{"Each record gets back what Campaign held before the run. It costs about " + humanize.Comma(2*records) + " engine calls. Nothing changes in Dynamics, and nobody is subscribed again who opted out."},
			After: "A rollback cannot be undone. What somebody has changed in Campaign since is left alone, and listed in quarantine.",
		}
		if report, err := i.Status(r.Context(), may.Table); err == nil && len(report.Flows) == 1 && report.Flows[0].Status != nil && report.Flows[0].Status.State == workflows.StateRunning {
			view.Text = append(view.Text, title(may.Table)+" is running: the next change in Dynamics writes a record again, with the same mapping. Stop it first if the mapping was wrong.")
		}
		p.show(w, r, view)
		return nil
	})
}

// rollback has the owner of the run's table undo it.
func (p *Pages) rollback(w http.ResponseWriter, r *http.Request) {
	if p.onRun(w, r, func(i *operator.Instance, run string) error {
		_, err := i.Rollback(r.Context(), run)
		return err
	}) {
		p.doneAs(w, r, "rollback", "")
	}
}
