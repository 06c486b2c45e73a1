package pages

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// eventsView is what there is to know of e-mail events.
type eventsView struct {
	Now       time.Time
	Every     int
	Base      string
	Done      string
	Problem   *notice
	State     word
	Since     time.Time
	Sub       []string
	Main      *action
	More      []action
	Attention []attention
	Off       bool // no type is switched on
	Types     []eventType
	Journal   bool // is read
	Lag       *journalLag
	NoLag     string // in place of Lag
	Sources   []eventSource
	LeftOut   []leftOut
	Totals    *balance
	Runs      []runRow
	NoRuns    string
	RunsURL   string
	FlowURL   string
	Backfill  string // address of the form; "" = may not
}

// eventType is a type of event that can be switched on.
type eventType struct {
	Name, Means, Table string
	State              word
}

// journalLag is how much of the journal's 7 days is used up.
type journalLag struct {
	Handled      time.Time
	Age, Left    string
	State        word
	Class, Width string // of the bar
	Alarm        string // where that is, in percent
	Then         string
}

// eventSource is where events come from.
type eventSource struct {
	Name, Detail string
	State        word
	Problems     []string
}

// leftOut is how many events were left out for one reason.
type leftOut struct {
	Why, Then, URL string
	Count          int64 // -1: nobody knows
}

func eventsURL(instance string) string { return home(instance) + "events" }

// events shows which events flow, and how they fare.
func (p *Pages) events(w http.ResponseWriter, r *http.Request) { p.showEvents(w, r, "layout") }

// eventsLive is the part that updates by itself.
func (p *Pages) eventsLive(w http.ResponseWriter, r *http.Request) { p.showEvents(w, r, "live") }

func (p *Pages) showEvents(w http.ResponseWriter, r *http.Request, part string) {
	instance := r.PathValue("instance")
	settings := p.instance(r).Filed().Egress.Settings()
	view := eventsView{
		Now: p.here(r), Every: refreshEvery, Base: eventsURL(instance), Done: doneText(r), State: word{"warn", "wait", "No answer"}, Off: !settings.Enabled(), Journal: settings.Journal(),
		RunsURL: home(instance) + "runs?table=" + activities.FlowEgress, FlowURL: flowURL(instance, activities.FlowEgress), NoLag: "Nothing is known yet. It is, once the workflow has handled something.",
	}
	may := p.may(r, access.Operator)
	if may {
		view.Backfill = view.Base + "/backfill"
	}
	i, err := p.operator(r)
	if err == nil {
		err = view.look(r.Context(), i, may)
	}
	if view.Off && operator.KindOf(err) == operator.BadInput {
		view.State, err = word{"off", "stop", "Off"}, nil
	}
	if err != nil {
		n := explain(err)
		view.Problem = &n
	}
	if i == nil || len(view.Types) == 0 {
		view.types(settings, nil)
		view.sources(p.instance(r).Filed().Campaign.SFTP.Folder, settings.Source, nil, false)
	}
	p.part(w, r, http.StatusOK, "events", part, "Events", view)
}

// look asks for everything at once.
func (v *eventsView) look(ctx context.Context, i *operator.Instance, may bool) error {
	var runs activities.RunListResult
	var runsErr error
	var refused activities.QuarantineListResult
	var asking sync.WaitGroup
	asking.Go(func() { runs, runsErr = i.ListRuns(ctx, runsOf(activities.FlowEgress, recentRuns), false, false) })
	asking.Go(func() {
		// Without an answer the refused are counted in one line.
		refused, _ = i.ListQuarantine(ctx, activities.QuarantineListInput{Table: activities.FlowEgress, Limit: 1})
	})
	report, err := i.Status(ctx, activities.FlowEgress)
	asking.Wait()
	if err != nil {
		return err
	}
	f := report.Flows[0]
	v.State = state(f)
	rows := rowsOf{report: report, instance: i, now: v.Now, may: may}
	if may {
		v.Main, v.More = rows.actions(f)
		large(v.Main, v.More)
	}
	v.Attention = attend(i, report, v.Now, may)
	if v.Runs = runRows(i, runs.Runs, v.Now); len(v.Runs) == 0 {
		v.NoRuns = "It has not run yet. The first start reads what the journal still has."
	}
	if runsErr != nil {
		v.Runs, v.NoRuns = nil, sentence(runsErr.Error())
	}
	v.tell(i, f, refused.Groups)
	if !f.Answered && f.Stuck == nil {
		n := explain(&operator.Error{Kind: operator.NoWorker, Text: f.Problem})
		v.Problem = &n
	}
	return nil
}

// tell adds what the flow says.
func (v *eventsView) tell(i *operator.Instance, f operator.FlowReport, refused []activities.QuarantineGroup) {
	settings := i.Config.Egress.Settings()
	st := f.Status
	if st == nil || st.Events == nil {
		v.types(settings, nil)
		v.sources(i.Config.Campaign.SFTP.Folder, settings.Source, nil, false)
		return
	}
	v.Since = st.Since
	if st.Phase != "" {
		v.Sub = append(v.Sub, capital(st.Phase))
	}
	v.types(settings, st.Events.Enabled)
	source := cmp.Or(st.Events.Source, settings.Source)
	v.Journal = activities.EgressSettings{Source: source}.Journal()
	v.sources(i.Config.Campaign.SFTP.Folder, source, st.Events.BadFiles, len(st.Events.Lost) > 0)
	if lag := f.Journal(v.Now); lag != nil {
		v.Lag = lagOf(lag, f)
	}
	v.Totals = balanceOf(activities.FlowEgress, st.Totals)
	v.leftOut(i, st.Totals, refused)
	for _, lost := range lostOf(st.Events.Lost) {
		v.LeftOut = append(v.LeftOut, leftOut{Why: "Too old", Then: lost, Count: -1})
	}
}

// eventTypes are the four switches, R18.1, in the order of an e-mail's life.
var eventTypes = []struct {
	key, name, means string
	on               func(activities.EgressSettings) bool
	table            func(activities.EgressSettings) string
}{
	{"sends", "Sends", "The e-mail was sent to the person.", func(s activities.EgressSettings) bool { return s.Sends }, func(s activities.EgressSettings) string { return s.Tables.Sends.Table }},
	{"opens", "Opens", "The person opened it.", func(s activities.EgressSettings) bool { return s.Opens }, func(s activities.EgressSettings) string { return s.Tables.Opens.Table }},
	{"clicks", "Clicks", "The person clicked a link in it.", func(s activities.EgressSettings) bool { return s.Clicks }, func(s activities.EgressSettings) string { return s.Tables.Clicks.Table }},
	{"bounces", "Hard bounces", "It can never be delivered to this address. Soft bounces are left out.", func(s activities.EgressSettings) bool { return s.Bounces }, func(s activities.EgressSettings) string { return s.Tables.Bounces.Table }},
}

// types says which types flow. What runs is told where the flow was started; what is on file
// differs until the next start.
func (v *eventsView) types(filed activities.EgressSettings, enabled []string) {
	runs := map[string]bool{}
	for _, key := range enabled {
		runs[key] = true
	}
	for _, t := range eventTypes {
		row := eventType{Name: t.name, Means: t.means, Table: t.table(filed), State: word{"off", "stop", "Off"}}
		switch on := t.on(filed); {
		case enabled == nil && on:
			row.State = word{"off", "wait", "On, when it is started"}
		case enabled == nil:
		case on && runs[t.key]:
			row.State = word{"ok", "ok", "On"}
		case on:
			row.State = word{"warn", "warn", "On after stop and start"}
		case runs[t.key]:
			row.State = word{"warn", "warn", "Off after stop and start"}
		}
		v.Types = append(v.Types, row)
	}
}

// sources says where events come from.
func (v *eventsView) sources(folder, source string, badFiles []string, lost bool) {
	journal := eventSource{Name: "Journal", Detail: "Adobe I/O Events, within minutes", State: word{"off", "stop", "Not read"}}
	reads := activities.EgressSettings{Source: source}
	if reads.Journal() {
		journal.State = word{"ok", "ok", "Read"}
		if lost {
			journal.State = word{"bad", "bad", "Events were lost"}
		}
	}
	exports := eventSource{Name: "Exported logs", Detail: "Files that a Campaign workflow puts on the file server", State: word{"off", "stop", "Not read"}}
	if reads.SFTP() {
		exports.Detail, exports.State, exports.Problems = exports.Detail+", in "+folder, word{"ok", "ok", "Read"}, badFiles
		if len(badFiles) > 0 {
			exports.State = word{"warn", "warn", "Files were left alone"}
		}
	}
	v.Sources = []eventSource{journal, exports}
}

// lagOf says in plain words how much time is left.
func lagOf(l *operator.JournalLag, f operator.FlowReport) *journalLag {
	out := &journalLag{Handled: l.Handled, Age: phrase.Span(l.Age), Left: phrase.Span(l.Left), State: word{"ok", "ok", "In time"}, Class: "ok",
		Width: percentOf(int64(min(l.Age, operator.JournalKeeps)), int64(operator.JournalKeeps)), Alarm: percentOf(int64(f.LagAlarm), int64(operator.JournalKeeps)),
		Then: "Events of then stay in the journal for more than " + phrase.Span(l.Left) + " yet. There is nothing to do."}
	act := "See under Needs attention what it waits for."
	switch {
	case operator.Stopped(*f.Status):
		act = "Start it: it goes on where it was."
	case f.Status.State == "PAUSED":
		act = "Resume it: it goes on where it was."
	}
	switch {
	case l.Left == 0:
		out.State, out.Class, out.Then = word{"bad", "bad", "Events are being lost"}, "quarantined", "The journal has begun to forget events that were not handled. "+act+" What is gone comes back from exported logs alone."
	case l.Level == operator.Alarm:
		out.State, out.Class, out.Then = word{"bad", "bad", "About to lose events"}, "quarantined", "The journal forgets events of then in "+phrase.Span(l.Left)+". "+act
	case l.Level == operator.Caution:
		out.State, out.Class, out.Then = word{"warn", "warn", "Falling behind"}, "warn", "The journal forgets events of then in "+phrase.Span(l.Left)+". "+act
	}
	return out
}

// leftOut lists what did not reach a timeline, by reason.
func (v *eventsView) leftOut(i *operator.Instance, c activities.Counts, refused []activities.QuarantineGroup) {
	unknown := "They were counted alone: egress.unknown_contact says so."
	if i.Config.Egress.UnknownContact == "quarantine" {
		unknown = "Since egress.unknown_contact says so, they go to quarantine."
	}
	all := []leftOut{
		{Why: "No contact is known", Then: "The profile has no id of Dynamics, or Dynamics has no such contact. " + unknown, Count: c.NoContact},
		{Why: "The type is off", Then: "Switch it on in the configuration, stop and start, then read the last days again.", Count: c.Disabled},
		{Why: "Soft bounce", Then: "The message may still be delivered.", Count: c.SoftBounce},
		{Why: "Seed or proof", Then: "It went to a test address.", Count: c.SeedOrProof},
		{Why: "Another kind", Then: "It is no send, open, click or bounce of an e-mail.", Count: c.Ignored},
	}
	at := quarantineURL(i.Config.Instance)
	for _, g := range refused {
		all = append(all, leftOut{Why: "Refused: " + strings.TrimSuffix(reasonOf(g.Message), "."), Then: "It is in quarantine. When the cause is mended, read the events again.", Count: g.Records,
			URL: at + "/" + url.PathEscape(g.Table) + "?" + url.Values{"code": {g.Code}, "field": {g.Field}}.Encode()})
	}
	if len(refused) == 0 && c.Quarantined > 0 {
		all = append(all, leftOut{Why: "Refused", Then: "They were set aside with their reasons.", Count: c.Quarantined, URL: at + "?table=" + activities.FlowEgress})
	}
	for _, one := range all {
		if one.Count > 0 {
			v.LeftOut = append(v.LeftOut, one)
		}
	}
}
