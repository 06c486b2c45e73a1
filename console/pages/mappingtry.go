package pages

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"causeway.dev/activities"
	"causeway.dev/console/session"
	"causeway.dev/internal/operator"
)

// tryView is one record as a mapping would send it. It has values only after they were
// revealed.
type tryView struct {
	Now      time.Time
	Crumbs   []link
	Back     string
	URL      string
	ID       string
	Where    word
	Live     activities.ExplainLive
	Why      string
	Fields   []triedRow
	Refused  int
	Revealed bool
	By       string
	At       time.Time
	Person   string // address of the person; "" = the table holds none
	Hits     []link // several fit
	More     bool
}

type triedRow struct {
	From, To                          string
	InDynamics, WouldSend, InCampaign string
	State                             word
	Notes, Problem                    string
}

// tryMapping takes who was typed, an id or an e-mail address. It is asked for by a form,
// because addresses of pages are kept by browsers and proxies.
func (p *Pages) tryMapping(w http.ResponseWriter, r *http.Request) {
	t, ok := p.mappingOnFile(w, r)
	if !ok {
		return
	}
	instance, text := r.PathValue("instance"), strings.TrimSpace(r.PostFormValue("q"))
	at := mappingURL(instance, t.Name) + "/try/"
	if uuid.Validate(text) == nil {
		http.Redirect(w, r, at+uuid.MustParse(text).String(), http.StatusSeeOther)
		return
	}
	i, err := p.operator(r)
	var found activities.Found
	switch {
	case err != nil:
	case t.Name != i.People() || !strings.Contains(text, "@"):
		err = &operator.Error{Kind: operator.BadInput, Text: "say the id of one record in Dynamics" + map[bool]string{true: ", or its e-mail address"}[t.Name == i.People()]}
	default:
		found, err = i.Find(r.Context(), t.Name, activities.ByEmail, text)
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	view := tryView{Now: p.here(r), Crumbs: mappingCrumbs(instance, t.Name, "Try it"), Back: mappingURL(instance, t.Name), More: found.More, At: found.At}
	for _, h := range found.Hits {
		if h.ID != "" && h.InDynamics {
			view.Hits = append(view.Hits, link{URL: at + url.PathEscape(h.ID), Label: h.ID})
		}
	}
	if len(view.Hits) == 1 && !found.More {
		http.Redirect(w, r, view.Hits[0].URL, http.StatusSeeOther)
		return
	}
	p.render(w, r, http.StatusOK, "mappingtry", "Try it", view)
}

// tried shows what would be sent, without values.
func (p *Pages) tried(w http.ResponseWriter, r *http.Request) { p.showTried(w, r, false) }

// revealTried shows it with values. The worker enters that into the operations log before
// it answers.
func (p *Pages) revealTried(w http.ResponseWriter, r *http.Request) { p.showTried(w, r, true) }

// confirmRevealTried says what revealing means.
func (p *Pages) confirmRevealTried(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, confirmView{
		Title: "Show the values of this record?", Label: "Show the values", Back: strings.TrimSuffix(r.URL.Path, "/reveal"), Reason: true, Example: "Ticket 4711",
		Text: []string{"Your name, the time, the reason and the id of the record are written to the operations log. The values are shown to you only, and not kept."},
	})
}

func (p *Pages) showTried(w http.ResponseWriter, r *http.Request, reveal bool) {
	t, ok := p.mappingOnFile(w, r)
	if !ok {
		return
	}
	instance := r.PathValue("instance")
	i, err := p.operator(r)
	var got *operator.Tried
	if err == nil {
		got, err = i.TryMapping(r.Context(), t, r.PathValue("id"), reveal, strings.TrimSpace(r.PostFormValue("reason")))
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	view := tryView{
		Now: p.here(r), Crumbs: mappingCrumbs(instance, t.Name, "Try it"), Back: mappingURL(instance, t.Name), URL: mappingURL(instance, t.Name) + "/try/" + url.PathEscape(got.ID), ID: got.ID,
		Where: whereIs(got.Live.InDynamics, got.Live.InCampaign), Live: got.Live, Why: sentence(got.Live.Why), Revealed: reveal, By: session.Of(r).Who.Name, At: got.At,
	}
	if t.Name == i.People() {
		view.Person = personURL(instance, got.ID)
	}
	view.rows(got)
	p.render(w, r, http.StatusOK, "mappingtry", "Try it", view)
}

// rows are the fields of what was tried, with values where they were asked for.
func (v *tryView) rows(got *operator.Tried) {
	for n, f := range got.Fields {
		row := triedRow{From: f.From, To: f.To, InDynamics: f.InDynamics, WouldSend: f.WouldSend, InCampaign: f.InCampaign, Notes: strings.Join(f.Notes, ", "), Problem: f.Problem, State: word{"off", "same", "same"}}
		switch {
		case f.Problem != "":
			row.State = word{"bad", "bad", "cannot be written"}
			v.Refused++
		case f.Changes:
			row.State = word{"busy", "pen", "changes"}
		case f.Differs:
			row.State = word{"warn", "differs", "differs, and stays"}
		}
		if n < len(got.Values) {
			values := got.Values[n]
			row.InDynamics, row.WouldSend, row.InCampaign = plain(values.InDynamics), plain(values.WouldSend), plain(values.InCampaign)
		}
		v.Fields = append(v.Fields, row)
	}
}
