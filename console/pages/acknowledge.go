package pages

import (
	"net/http"
	"net/url"

	"causeway.dev/console/session"
	"causeway.dev/console/signin"
)

// privacyText is the edition of the text in templates/acknowledge.html. A new one is asked
// for anew.
const privacyText = "privacy-1"

type acknowledgeView struct {
	Next    string
	Problem *notice
}

// Acknowledged says whether a request may go on: who is signed in has acknowledged the
// privacy text for the instance. Else it leads there.
func (p *Pages) Acknowledged(w http.ResponseWriter, r *http.Request) bool {
	current, name := session.Of(r), r.PathValue("instance")
	if current.Has(name) {
		return true
	}
	if i, err := p.operator(r); err == nil {
		if done, err := i.Acknowledged(r.Context()); err == nil && done && p.sessions.Acknowledge(w, current, name) == nil {
			return true
		}
	}
	next := home(name)
	if r.Method == http.MethodGet && !inPart(r) {
		next = r.URL.Path
	}
	http.Redirect(w, r, "/i/"+name+"/acknowledge?next="+url.QueryEscape(next), http.StatusSeeOther)
	return false
}

// askAcknowledgement shows what people are responsible for, before anything else.
func (p *Pages) askAcknowledgement(w http.ResponseWriter, r *http.Request) { // R6.6, R6.7
	p.part(w, r, http.StatusOK, "acknowledge", "door", "Before you begin", acknowledgeView{Next: signin.Local(r.URL.Query().Get("next"))})
}

// acknowledge keeps it in the ledger, and in the session.
func (p *Pages) acknowledge(w http.ResponseWriter, r *http.Request) { // R6.8
	view := acknowledgeView{Next: signin.Local(r.PostFormValue("next"))}
	if r.PostFormValue("read") != "yes" {
		view.Problem = &notice{Class: "warn", Icon: "warn", Title: "Tick that you have read it", Text: []string{"Nothing else opens before."}}
		p.part(w, r, http.StatusBadRequest, "acknowledge", "door", "Before you begin", view)
		return
	}
	i, err := p.operator(r)
	if err == nil {
		err = i.Acknowledge(r.Context(), privacyText)
	}
	if err == nil {
		err = p.sessions.Acknowledge(w, session.Of(r), r.PathValue("instance"))
	}
	if err != nil {
		problem := explain(err)
		view.Problem = &problem
		p.part(w, r, statusOf(err), "acknowledge", "door", "Before you begin", view)
		return
	}
	http.Redirect(w, r, view.Next, http.StatusSeeOther)
}
