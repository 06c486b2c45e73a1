package pages

import (
	"net/http"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

// editNew begins a new mapping with what is proposed for two tables, and goes on with it.
func (p *Pages) editNew(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm() // a form that is cut short has no button
	if r.PostForm.Get("do") != "begin" {
		p.editDraft(w, r, draftFrom(r.PostForm, activities.Table{}, true))
		return
	}
	at, err := p.openFiles(r)
	var i *operator.Instance
	if err == nil {
		i, err = p.operator(r)
	}
	var got activities.ProposeResult
	if err == nil {
		got, err = propose(r, i, strings.TrimSpace(r.PostForm.Get("table")), strings.TrimSpace(r.PostForm.Get("resource")))
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	d := draftOf(got.Proposal.Table)
	d.New, d.Began = true, beganAnew(p.now(), at, activities.Table{})
	for n := range d.Pairs {
		if n < len(got.Proposal.Pairs) {
			d.Pairs[n].Doubt = strings.Join(got.Proposal.Pairs[n].Doubts, "; ")
		}
	}
	p.showEdit(w, r, http.StatusOK, d, editView{KeyDoubt: got.Proposal.Key})
}

// backToAdd leads to where a new mapping begins.
func (p *Pages) backToAdd(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, addURL(r.PathValue("instance")), http.StatusSeeOther)
}
