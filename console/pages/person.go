package pages

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/console/session"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
)

// personView is one person. It has values only after they were revealed.
type personView struct {
	Now       time.Time
	People    string // address of the search
	URL       string
	ID        string
	Where     word
	Record    activities.ExplainResult
	Live      activities.ExplainLive
	Refused   string // address of the refused record; "" = it is not refused
	Sides     []side
	Differ    int
	Compared  bool
	At        time.Time
	Happened  []happening
	More      bool
	Revealed  bool
	By        string
	MayForget bool
	MaySync   bool
	Done      string
	Kinds     []happenedKind // of what happened, where there are several
	Evidence  string
	Privacy   string
}

// side is a field in both systems.
type side struct {
	From, To, InDynamics, InCampaign string
	State                            word
	Differs                          bool
}

// happening is an entry of the timeline.
type happening struct {
	At                       time.Time
	Class, Icon, Title, Text string
	Run, RunURL              string
	Kind                     string // happenedKind
}

// happenedKind is a kind of entries of the timeline, which can be shown alone.
type happenedKind struct {
	Value, Label string
	Count        int64
}

// happenedKinds are told apart by the stylesheet, which shows the chosen one alone: so that
// nobody is asked again, and revealed values stay on the page.
var happenedKinds = []happenedKind{{Value: "writes", Label: "Writes"}, {Value: "refusals", Label: "Refusals"}, {Value: "events", Label: "E-mail events"}, {Value: "choices", Label: "Choices"}}

// kindOf is the kind of something that happened.
func kindOf(what string) string {
	switch what {
	case activities.HappenedRefused, activities.HappenedDiscarded:
		return "refusals"
	case activities.HappenedEvent:
		return "events"
	case activities.HappenedOptOut:
		return "choices"
	}
	return "writes"
}

// kindsOf counts the kinds that there are; one alone needs no choice.
func kindsOf(happened []happening) (out []happenedKind) {
	for _, k := range happenedKinds {
		for _, h := range happened {
			if h.Kind == k.Value {
				k.Count++
			}
		}
		if k.Count > 0 {
			out = append(out, k)
		}
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

// person shows one person without values.
func (p *Pages) person(w http.ResponseWriter, r *http.Request) { p.showPerson(w, r, false) }

// revealPerson shows the person with values. The worker enters that into the operations log
// before it answers.
func (p *Pages) revealPerson(w http.ResponseWriter, r *http.Request) { p.showPerson(w, r, true) }

// confirmRevealPerson says what revealing means.
func (p *Pages) confirmRevealPerson(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, confirmView{
		Title: "Show this person’s values?", Label: "Show the values", Back: strings.TrimSuffix(r.URL.Path, "/reveal"), Reason: true, Example: "Ticket 4711",
		Text: []string{"Your name, the time, the reason and the id of the person are written to the operations log. The values are shown to you only, and not kept."},
	})
}

func (p *Pages) showPerson(w http.ResponseWriter, r *http.Request, reveal bool) {
	instance := r.PathValue("instance")
	i, err := p.operator(r)
	var shown *operator.ShownPerson
	if err == nil {
		shown, err = i.ShowPerson(r.Context(), "", r.PathValue("id"), reveal, strings.TrimSpace(r.PostFormValue("reason")))
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	rec := shown.Record
	view := personView{
		Now: p.here(r), People: peopleURL(instance), URL: personURL(instance, rec.ID), ID: rec.ID, Record: rec, At: shown.At, More: shown.More, Revealed: reveal, By: session.Of(r).Who.Name,
		MayForget: p.may(r, access.Admin), MaySync: p.may(r, access.Operator), Evidence: optOutsURL(instance) + "/evidence", Privacy: optOutsURL(instance) + "#pr-h",
	}
	if rec.Live != nil {
		view.Live, view.Where = *rec.Live, whereIs(rec.Live.InDynamics, rec.Live.InCampaign)
	}
	if q := rec.Quarantine; q != nil {
		view.Refused = quarantineURL(instance) + "/" + url.PathEscape(q.Table) + "/records/" + url.PathEscape(q.ID)
	}
	for n, f := range shown.Fields {
		one := side{From: f.From, To: f.To, InDynamics: f.InDynamics, InCampaign: f.InCampaign, Differs: f.Differs, State: word{"off", "none", "not compared"}}
		switch {
		case f.Differs:
			one.State = word{"warn", "differs", "differs"}
			view.Differ++
		case f.Compared:
			one.State = word{"off", "same", "same"}
		}
		view.Compared = view.Compared || f.Compared
		if n < len(shown.Values) {
			one.InDynamics, one.InCampaign = plain(shown.Values[n].InDynamics), plain(shown.Values[n].InCampaign)
		}
		view.Sides = append(view.Sides, one)
	}
	for _, h := range shown.History {
		view.Happened = append(view.Happened, inWords(instance, h))
	}
	view.Kinds = kindsOf(view.Happened)
	if r.URL.Query().Get("done") == "sync" {
		view.Done = "The record is read and written again, as soon as the workflow has its hands free. Open this page again to see what came of it."
	}
	p.render(w, r, http.StatusOK, "person", "A person", view)
}

// confirmSyncPerson says what syncing one record does.
func (p *Pages) confirmSyncPerson(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, confirmView{
		Title: "Sync this record?", Label: "Sync this record", Back: strings.TrimSuffix(r.URL.Path, "/sync"),
		Text:    []string{"The record is read from Dynamics again. What differs from what was written last is written to Campaign."},
		Touches: []touch{{"1", "record is read"}, {"≤ 2", "engine calls"}},
		After:   "What somebody changed in Campaign alone stays: an audit finds and mends that. The operations log keeps who asked.",
	})
}

// syncPerson asks for a backfill of the one record.
func (p *Pages) syncPerson(w http.ResponseWriter, r *http.Request) {
	i, err := p.operator(r)
	if err == nil {
		_, err = i.SyncPerson(r.Context(), "", r.PathValue("id"))
	}
	if err != nil {
		p.cannotThere(w, r, err)
		return
	}
	http.Redirect(w, r, personURL(r.PathValue("instance"), r.PathValue("id"))+"?done=sync", http.StatusSeeOther)
}

// eventWords are the types of events, for people.
var eventWords = map[string]string{"send": "A mail was sent", "open": "Opened a mail", "click": "Clicked in a mail", "bounce": "A mail bounced"}

// inWords is something that happened, for people.
func inWords(instance string, h activities.Happening) happening {
	out := happening{At: h.At, Icon: "pen", Title: capital(h.What), Run: h.Run, Kind: kindOf(h.What)}
	switch h.What {
	case activities.HappenedCreated:
		out.Class, out.Icon, out.Title = "ok", "plus", "Created in Campaign"
	case activities.HappenedWritten:
		out.Class, out.Icon, out.Title = "ok", "ok", "Written to Campaign"
	case activities.HappenedDeleted:
		out.Icon, out.Title = "cross", "Deleted in Campaign"
	case activities.HappenedRestored:
		out.Icon, out.Title, out.Text = "undo", "Restored by a rollback", "Campaign got back what it held before."
	case activities.HappenedRefused:
		out.Class, out.Icon, out.Title, out.Text = "bad", "bad", "Refused", reasonOf(h.Detail)
		if h.Field != "" {
			out.Text = strings.TrimSuffix(out.Text, ".") + ": field " + h.Field + "."
		}
	case activities.HappenedDiscarded:
		out.Icon, out.Title, out.Text = "cross", "The refusal was discarded", "It is tried again when the record changes."
	case activities.HappenedEvent:
		out.Icon, out.Title = "mail", cmp.Or(eventWords[h.Detail], "An e-mail event: "+h.Detail)
	case activities.HappenedOptOut:
		out.Class, out.Icon, out.Title, out.Text = "warn", "shield", "A choice about being contacted was decided", "The evidence says which, and on which grounds."
	}
	if h.Run != "" {
		out.RunURL = home(instance) + "runs/" + url.PathEscape(h.Run)
	}
	return out
}

func number(n int64) string { return humanize.Comma(n) }
