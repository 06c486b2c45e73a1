package pages

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// lostOf are gaps in the events, in sentences.
func lostOf(lost []workflows.LostEvents) (out []string) {
	for _, l := range lost {
		out = append(out, sentence(l.Sentence()))
	}
	return out
}

// eventsBackfillView is the form to read events again, and then what that costs.
type eventsBackfillView struct {
	Problem  *notice
	Crumbs   []link
	Self     string
	What     string // journal or folder
	Since    string
	From     string
	Earliest string // that the journal can be asked for
	Journal  bool   // there is one
	SFTP     bool
	Check    *backfillCheck
}

func (p *Pages) eventsBackfillForm(r *http.Request) eventsBackfillView {
	instance, cfg := r.PathValue("instance"), p.instance(r).Filed()
	v := eventsBackfillView{
		Self: eventsURL(instance) + "/backfill", What: "journal", Since: r.PostFormValue("since"), From: strings.TrimSpace(r.PostFormValue("from")),
		Earliest: p.now().UTC().Add(-operator.JournalKeeps).Format("2006-01-02T15:04"), Journal: cfg.Campaign.Journal.URL != "", SFTP: cfg.Campaign.SFTP.Configured(),
		Crumbs: []link{{URL: home(instance), Label: "Overview"}, {URL: eventsURL(instance), Label: "Events"}, {Label: "Read again"}},
	}
	if r.PostFormValue("what") == "folder" || !v.Journal {
		v.What = "folder"
	}
	return v
}

// eventsBackfill shows the form.
func (p *Pages) eventsBackfill(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, http.StatusOK, "eventsbackfill", "Read events again", p.eventsBackfillForm(r))
}

// askEventsBackfill says what it costs and cannot reach and, when that was seen, asks for it.
func (p *Pages) askEventsBackfill(w http.ResponseWriter, r *http.Request) {
	view := p.eventsBackfillForm(r)
	i, err := p.operator(r)
	var window activities.Window
	if view.What == "folder" {
		window.Folder = view.From
	} else if err == nil {
		window.Since, err = moment(view.Since)
	}
	if err == nil {
		err = i.CheckEvents(r.Context(), window)
	}
	if err == nil && r.PostFormValue("step") == "begin" {
		if _, err = i.BackfillEvents(r.Context(), window); err == nil {
			http.Redirect(w, r, eventsURL(r.PathValue("instance"))+"?"+url.Values{"done": {"backfill"}}.Encode(), http.StatusSeeOther)
			return
		}
	}
	status := http.StatusOK
	if err != nil {
		n := explain(err)
		view.Problem, status = &n, statusOf(err)
	} else {
		view.Check = view.check(r.Context(), i, window)
	}
	p.render(w, r, status, "eventsbackfill", "Read events again", view)
}

// check says what it costs, and what it cannot reach.
func (v *eventsBackfillView) check(ctx context.Context, i *operator.Instance, w activities.Window) *backfillCheck {
	c := &backfillCheck{Title: "Read events again?", Label: "Read them again"}
	e := i.Config.Egress
	if w.Folder != "" {
		c.Title, c.Label = "Read the logs in "+w.Folder+"?", "Read the folder"
		c.Text = []string{"How many events that is, is known when the files are read."}
	} else {
		c.Title = "Read the journal again since " + w.Since.Format("2 January 2006 15:04 UTC") + "?"
		if n := i.EventsSince(ctx, w.Since); n == nil {
			c.Text = []string{"How many events that is, is not known: no worker answers."}
		} else {
			c.Touches = []touch{{humanize.Comma(*n), "events, about, came since then and are read again"}, {"≤ " + humanize.Comma(*n), "rows are created in Dynamics, up to " + humanize.Comma(int64(e.BatchSize)) + " in a request"}}
		}
	}
	c.Touches = append(c.Touches, touch{"0", "engine calls: Campaign itself is not asked"})
	c.Text = append(c.Text, "What is on a timeline already is recognised and not written again. For "+long(i.Config.Retention.Events)+" that costs no call; of older events Dynamics is asked.", "New events are brought in between.")
	c.Beyond = v.beyond(i, w)
	return c
}

// beyond is what reading again does not bring.
func (v *eventsBackfillView) beyond(i *operator.Instance, w activities.Window) (out []string) {
	if w.Folder == "" {
		out = append(out, "The journal forgets events after 7 days: what came before "+v.now(i)+" is not in it any more. Exported logs bring that.")
	} else {
		out = append(out, "Files whose names do not begin with broadlog_ or trackinglog_ are left alone. The others stay where they are.")
	}
	var off []string
	for _, t := range eventTypes {
		if !t.on(i.Config.Egress.Settings()) {
			off = append(off, strings.ToLower(t.name))
		}
	}
	if len(off) > 0 {
		out = append(out, "Types that are off stay left out: "+phrase.OneLine(strings.Join(off, ", "))+".")
	}
	return append(out, "Events of people whom Dynamics does not know, soft bounces, seeds and proofs are left out again.")
}

func (v *eventsBackfillView) now(i *operator.Instance) string {
	return i.Now().UTC().Add(-operator.JournalKeeps).Format("2 January 15:04 UTC")
}
