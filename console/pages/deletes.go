package pages

import (
	"net/http"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// shownIDs bounds the ids that a confirmation lists.
const shownIDs = 200

// confirmDeletes shows which records would be deleted, before that is approved or rejected.
func (p *Pages) confirmDeletes(w http.ResponseWriter, r *http.Request) {
	run, i, ok := p.waiting(w, r)
	if !ok {
		return
	}
	list, err := i.ListDeletes(r.Context(), activities.DeleteListInput{Run: run, Limit: shownIDs})
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	n := phrase.Count(list.Total, "delete")
	view := confirmView{Title: "Approve " + n + "?", Label: "Approve " + n, Text: []string{"Campaign loses these records for good, and so their history there.", "They are of the run " + run + "."},
		After: "All other changes of the run are written already.", Touches: []touch{{humanize.Comma(list.Total), "records that would be deleted in Campaign"}}}
	if r.PathValue("action") == "reject" {
		view.Title, view.Label = "Reject "+n+"?", "Reject "+n
		view.Text = []string{"The records stay in Campaign, though Dynamics does not have them any more, or leaves them out.", "They are of the run " + run + "."}
		view.Touches[0].What = "records that stay in Campaign"
	}
	for _, d := range list.Deletes {
		view.IDs = append(view.IDs, d.ID)
	}
	p.show(w, r, view)
}

// actDeletes approves or rejects them.
func (p *Pages) actDeletes(w http.ResponseWriter, r *http.Request) {
	run, i, ok := p.waiting(w, r)
	if !ok {
		return
	}
	decide := i.Approve
	if r.PathValue("action") == "reject" {
		decide = i.Reject
	}
	if _, err := decide(r.Context(), run); err != nil {
		p.cannot(w, r, err)
		return
	}
	p.done(w, r, "")
}

func (p *Pages) waiting(w http.ResponseWriter, r *http.Request) (string, *operator.Instance, bool) {
	if a := r.PathValue("action"); a != "approve" && a != "reject" {
		p.Refuse(w, r, http.StatusNotFound, "There is no such page", "The address leads nowhere", "What you look for may have moved.")
		return "", nil, false
	}
	i, err := p.operator(r)
	if err != nil {
		p.cannot(w, r, err)
		return "", nil, false
	}
	return r.PathValue("run"), i, true
}
