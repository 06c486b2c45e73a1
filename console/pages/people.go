package pages

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

// peopleView is a search, and who fits. What was looked for is not in it.
type peopleView struct {
	Now    time.Time
	URL    string
	Done   string
	Asked  bool
	By     string // what was looked for: e-mail address, name
	More   bool
	At     time.Time
	Fields []string // of Campaign, by which people are told apart
	Hits   []personHit
}

type personHit struct {
	ID, URL string
	Where   word
	Fields  []activities.FoundField
}

func peopleURL(instance string) string { return home(instance) + "people" }

func personURL(instance, id string) string { return peopleURL(instance) + "/" + url.PathEscape(id) }

// people shows the form.
func (p *Pages) people(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, http.StatusOK, "people", "Find a person", peopleView{Now: p.here(r), URL: peopleURL(r.PathValue("instance"))})
}

// findPeople looks for who was typed: an id, an e-mail address or a name. It is asked for by
// a form, because addresses of pages are kept by browsers and proxies.
func (p *Pages) findPeople(w http.ResponseWriter, r *http.Request) {
	instance, text := r.PathValue("instance"), strings.TrimSpace(r.PostFormValue("q"))
	if uuid.Validate(text) == nil {
		http.Redirect(w, r, personURL(instance, uuid.MustParse(text).String()), http.StatusSeeOther)
		return
	}
	how, by := activities.ByName, "name"
	if strings.Contains(text, "@") {
		how, by = activities.ByEmail, "e-mail address"
	}
	i, err := p.operator(r)
	var found activities.Found
	if err == nil {
		found, err = i.Find(r.Context(), i.People(), how, text)
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	if len(found.Hits) == 1 && !found.More && found.Hits[0].ID != "" {
		http.Redirect(w, r, personURL(instance, found.Hits[0].ID), http.StatusSeeOther)
		return
	}
	view := peopleView{Now: p.here(r), URL: peopleURL(instance), Asked: true, By: by, More: found.More, At: found.At}
	for _, h := range found.Hits {
		hit := personHit{ID: h.ID, Fields: h.Fields, Where: whereIs(h.InDynamics, h.InCampaign)}
		if h.ID != "" {
			hit.URL = personURL(instance, h.ID)
		}
		for n := range h.Fields {
			if len(view.Hits) == 0 {
				view.Fields = append(view.Fields, h.Fields[n].To)
			}
		}
		view.Hits = append(view.Hits, hit)
	}
	p.render(w, r, http.StatusOK, "people", "Find a person", view)
}

func whereIs(inDynamics, inCampaign bool) word {
	switch {
	case inDynamics && inCampaign:
		return word{"ok", "ok", "in both systems"}
	case inDynamics:
		return word{"warn", "warn", "in Dynamics 365 alone"}
	case inCampaign:
		return word{"warn", "warn", "in Campaign alone"}
	}
	return word{"off", "cross", "in neither system"}
}

// confirmForget names what would be erased of a person.
func (p *Pages) confirmForget(w http.ResponseWriter, r *http.Request) {
	i, err := p.operator(r)
	var found activities.TracesResult
	if err == nil {
		found, err = i.Traces(r.Context(), "", r.PathValue("id"))
	}
	if err == nil {
		err = stillThere(found)
	}
	if err != nil {
		p.cannotThere(w, r, err)
		return
	}
	view := confirmView{
		Title: "Forget the person " + found.ID + "?", Label: "Erase it", Back: personURL(r.PathValue("instance"), found.ID),
		Text:  []string{"Neither system has the person. Every value that the ledger holds of the person is erased. It cannot be brought back."},
		After: "The operations log keeps that somebody was forgotten, by a hash and not by the id. Backups hold what they held.",
	}
	slices.SortStableFunc(found.Ledger, func(a, b activities.Trace) int { return cmp.Compare(b.Rows, a.Rows) })
	for _, t := range found.Ledger {
		what := "of " + cmp.Or(traceWords[t.Where], t.Where)
		if t.Kept {
			what += ", which stay where an opt-out was chosen: ids and choices"
		}
		view.Touches = append(view.Touches, touch{number(t.Rows), what})
	}
	if len(found.Ledger) == 0 {
		view.Text = append(view.Text, "The ledger holds nothing of the person now.")
	}
	p.show(w, r, view)
}

// traceWords are the tables of the ledger, for people.
var traceWords = map[string]string{
	"record": "what was written last", "before_image": "what Campaign held before a run", "quarantine": "refused records and events", "lane_data": "records on their way",
	"parked": "records that wait", "doubt": "requests without an answer", "audit": "what an audit saw", "returned": "records that came back", "link": "links to other records",
	"event": "events, whose contact is left out then", "optout": "known opt-outs", "optout_decision": "evidence about opt-outs", "optout_owed": "opt-outs of merged contacts",
}

// stillThere says what has to happen in the two systems first.
func stillThere(t activities.TracesResult) error {
	text := ""
	switch {
	case t.InDynamics:
		text = "nothing is erased while Dynamics has the person, because the next run would write it again. Set the opt-out, wait until the evidence shows it on both sides, delete the contact in Dynamics, and let a run delete it in Campaign"
	case t.InCampaign:
		text = "nothing is erased while Campaign has the person. With apply_deletes the next run deletes it there; otherwise delete it there"
	default:
		return nil
	}
	return &operator.Error{Kind: operator.Failed, Text: text}
}

// forget has the workers erase what the ledger holds of a person.
func (p *Pages) forget(w http.ResponseWriter, r *http.Request) {
	i, err := p.operator(r)
	var done activities.ForgetResult
	if err == nil {
		done, err = i.Forget(r.Context(), "", r.PathValue("id"))
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	view := peopleView{Now: p.here(r), URL: peopleURL(r.PathValue("instance"))}
	view.Done = "The person was erased, as erasure " + done.Erasure + ". What remains: a privacy request in Campaign for what it keeps besides profiles, exported files, and backups until they are old enough."
	if !done.Done {
		view.Done = "The person is erased by the workers as soon as they can. It waits for " + done.Waits + "; the overview tells of it."
	}
	p.render(w, r, http.StatusOK, "people", "Find a person", view)
}
