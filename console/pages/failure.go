package pages

import (
	"net/http"
	"strings"

	"causeway.dev/internal/operator"
)

// notice is a sentence or two that stand out.
type notice struct {
	Class, Icon, Title string
	Text               []string
}

// failureView is a page in place of one that there is no answer for.
type failureView struct {
	Title           string
	Note            notice
	Back, BackLabel string
	Retry           string // address that is asked for again by itself; "": none
}

// explain says who did not answer or refused, and what to do.
func explain(err error) notice {
	n := notice{Class: "bad", Icon: "bad", Text: []string{sentence(err.Error())}}
	switch operator.KindOf(err) {
	case operator.NoWorker:
		n.Title = "No worker answers"
		n.Text = []string{"The console asked, and no worker took the question. Nothing is lost: the workflows wait, and go on when a worker is back.",
			"What to do: see whether the worker runs on its machine, and start it. Its log says why it ended.", sentence(err.Error())}
	case operator.Unreachable:
		n.Title = "Temporal does not answer"
		n.Text = []string{"Nothing is lost: the workflows are kept by Temporal, and go on when it is back.",
			"What to do: see whether the Temporal server runs, and start it.", sentence(err.Error())}
	case operator.BadInput:
		n.Title, n.Class, n.Icon = "That was refused, and nothing was done", "warn", "warn"
	case operator.NotStarted:
		n.Title, n.Class, n.Icon = "The workflow is not running", "warn", "warn"
	case operator.Failed:
		n.Title = "That did not work"
		if strings.HasPrefix(err.Error(), "nothing was done yet") { // access.four_eyes
			n.Title, n.Class, n.Icon = "A second person has to confirm it", "warn", "wait"
		}
	default:
		n.Title = "That did not work"
	}
	return n
}

// statusOf is the HTTP status that goes with an error.
func statusOf(err error) int {
	switch operator.KindOf(err) {
	case operator.NoWorker, operator.Unreachable:
		return http.StatusServiceUnavailable
	case operator.BadInput:
		return http.StatusBadRequest
	case operator.NotStarted:
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

// cannot shows why there is no answer, and leads back.
func (p *Pages) cannot(w http.ResponseWriter, r *http.Request, err error) {
	view := failureView{Title: "No answer", Note: explain(err), Back: home(r.PathValue("instance")), BackLabel: "Back to the overview"}
	switch k := operator.KindOf(err); {
	case k != operator.NoWorker && k != operator.Unreachable:
		view.Title = "Not done"
	case r.Method == http.MethodGet && !inPart(r):
		view.Retry = r.URL.RequestURI()
	}
	p.render(w, r, statusOf(err), "failure", view.Title, view)
}

// cannotThere is cannot for what may have been asked for in a dialog, which then says why.
func (p *Pages) cannotThere(w http.ResponseWriter, r *http.Request, err error) {
	if !inPart(r) || r.Method != http.MethodGet {
		p.cannot(w, r, err)
		return
	}
	n := explain(err)
	p.part(w, r, http.StatusOK, "confirm", "told", n.Title, failureView{Title: n.Title, Note: n, Back: home(r.PathValue("instance"))})
}

// noSuchPage says that an address leads nowhere.
func (p *Pages) noSuchPage(w http.ResponseWriter, r *http.Request) {
	p.Refuse(w, r, http.StatusNotFound, "There is no such page", "The address leads nowhere", "What you look for may have moved.")
}

// Refuse shows that there is no such page, or that somebody may not see it.
func (p *Pages) Refuse(w http.ResponseWriter, r *http.Request, status int, title string, text ...string) {
	p.render(w, r, status, "failure", title, failureView{Title: title, Note: notice{Class: "warn", Icon: "warn", Title: text[0], Text: text[1:]}, Back: "/", BackLabel: "Back to the start"})
}

// DoorView is the page for people who are not signed in.
type DoorView struct {
	Title, Text string
	Notes       []string
	Door        any
}

// Door shows the page for people who are not signed in.
func (p *Pages) Door(w http.ResponseWriter, r *http.Request, status int, view DoorView) {
	p.part(w, r, status, "signin", "door", view.Title, view)
}
