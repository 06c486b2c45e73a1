package pages

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/optout"
	"causeway.dev/internal/phrase"
)

// optOutsView is what there is to know of opt-outs and data protection.
type optOutsView struct {
	Now      time.Time
	Base     string
	Done     string
	State    word
	Problem  *notice
	Mode     string   // in words; "" = switched off
	Rule     []string // sentences
	Pairs    []optout.PairSetting
	Carried  *carried
	Waiting  int64
	Refused  int64
	Refusals string // address
	Export   *exportView
	Kept     []keptFor
	Looked   *activities.Operation // who has looked at the typology rules
	LookedBy string
	May      bool // compare, and see evidence
	MayLook  bool // say that the typology rules were looked at
}

// carried is how far choices were carried over, against the deadline.
type carried struct {
	UpTo          time.Time
	Age, Deadline string
	Late          bool
	Width         string // of the deadline, in percent
}

// exportView is how Campaign's export is.
type exportView struct {
	State        word
	Newest       time.Time
	Workflow, Is string
	Looked       time.Time
	Alarm        string
	Files        []string // that cannot be read
	ByFile       bool
}

// keptFor is how long something is kept.
type keptFor struct{ What, For string }

func optOutsURL(instance string) string { return home(instance) + "optouts" }

// modes in words, and the rule of each.
var modes = map[optout.Mode]struct {
	words string
	rule  []string
}{
	optout.Bidirectional: {"both ways", []string{
		"Campaign’s choice is newer: it counts.", "Dynamics is newer, both are equally old, or an age is not known: an opt-out on either side counts.",
		"The result is written to both. A missing or unreadable value never subscribes anybody.",
	}},
	optout.CampaignToDynamics: {"from Campaign to Dynamics 365", []string{
		"A new choice in Campaign counts, and is written to Dynamics.", "Without a new choice in Campaign, Dynamics keeps its own.", "Nothing is written to Campaign. A missing or unreadable value never subscribes anybody.",
	}},
	optout.DynamicsToCampaign: {"from Dynamics 365 to Campaign", []string{
		"The columns in the mapping of contacts are written to Campaign, as any other field.", "What somebody chooses in Campaign is not brought to Dynamics.",
	}},
}

// optOuts shows opt-outs and data protection.
func (p *Pages) optOuts(w http.ResponseWriter, r *http.Request) {
	cfg := p.instance(r).Filed()
	view := optOutsView{Now: p.here(r), Base: optOutsURL(r.PathValue("instance")), Kept: keptForOf(cfg.Retention), May: p.may(r, access.Support), MayLook: p.may(r, access.Operator),
		State: word{"off", "stop", "Off"}, Mode: modes[cfg.OptOut.Mode].words, Rule: modes[cfg.OptOut.Mode].rule, Pairs: cfg.OptOut.Pairs, Refusals: quarantineURL(r.PathValue("instance")) + "?table=optout"}
	if r.URL.Query().Get("done") == "typology" {
		view.Done = "Kept with your name: the typology rules were looked at. Nobody is asked again."
	}
	i, err := p.operator(r)
	var report operator.Report
	if err == nil {
		report, err = i.Status(r.Context(), activities.FlowOptOut)
	}
	if err != nil {
		n := explain(err)
		view.Problem = &n
	} else if len(report.Flows) == 1 {
		view.tell(report.Flows[0])
	}
	p.render(w, r, http.StatusOK, "optouts", "Opt-outs and privacy", view)
}

// tell adds what the flow says.
func (v *optOutsView) tell(f operator.FlowReport) {
	if v.Mode != "" || f.Status != nil {
		v.State = state(f)
	}
	v.Looked = f.Typology
	if f.Typology != nil {
		v.LookedBy = operator.Who(f.Typology.By)
	}
	st := f.Status
	if st == nil || st.OptOut == nil {
		return
	}
	v.Waiting, v.Refused = st.OptOut.Waiting, st.Quarantined
	if !f.CarriedUpTo.IsZero() {
		age := max(0, v.Now.Sub(f.CarriedUpTo))
		v.Carried = &carried{UpTo: f.CarriedUpTo, Age: phrase.Span(age), Deadline: phrase.Span(f.Deadline), Late: f.Deadline > 0 && age > f.Deadline, Width: percentOf(int64(min(age, f.Deadline)), int64(f.Deadline))}
	}
	e := st.OptOut.Export
	if e == nil && len(st.OptOut.BadFiles) == 0 {
		return
	}
	v.Export = &exportView{State: word{"ok", "ok", "In order"}, Files: st.OptOut.BadFiles, ByFile: st.OptOut.Source == optout.SourceSFTP}
	if e != nil {
		v.Export.Newest, v.Export.Workflow, v.Export.Is, v.Export.Looked, v.Export.Alarm = e.Newest, e.Workflow, e.State, e.Looked, e.Alarm
	}
	if v.Export.Alarm != "" || len(v.Export.Files) > 0 {
		v.Export.State = word{"warn", "warn", "Needs a look"}
		v.Export.Alarm = sentence(v.Export.Alarm)
	}
}

func keptForOf(k config.Retention) []keptFor {
	return []keptFor{
		{"Decisions about opt-outs, as evidence", long(k.Evidence)}, {"Operations log", long(k.Operations)}, {"Accounts of runs", long(k.Runs)},
		{"What Campaign held before a run, so that it can be undone", long(k.BeforeImages)}, {"Refused records, after they were written or discarded", long(k.ClosedQuarantine)},
		{"What became of each event", long(k.Events)}, {"Findings of audits", long(k.Audits)},
	}
}

// long is a long time in the largest unit that fits.
func long(d time.Duration) string {
	const day = 24 * time.Hour
	for _, u := range []struct {
		of   time.Duration
		noun string
	}{{365 * day, "year"}, {day, "day"}, {time.Hour, "hour"}} {
		if d >= u.of && d%u.of == 0 {
			return phrase.Count(int64(d/u.of), u.noun)
		}
	}
	return phrase.Span(d)
}

// lookedAtTypology keeps that somebody has looked at Campaign's typology rules.
func (p *Pages) lookedAtTypology(w http.ResponseWriter, r *http.Request) { // R19.18
	i, err := p.operator(r)
	if err == nil {
		err = i.AcknowledgeTypology(r.Context())
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	http.Redirect(w, r, optOutsURL(r.PathValue("instance"))+"?done=typology", http.StatusSeeOther)
}

// comparedView is what both systems hold now.
type comparedView struct {
	Back               string
	Verdict            notice
	Waiting, Missing   int64
	Different          []activities.OptOutDifference
	More               string
	Merged, OneWayOnly bool
}

// shownDifferences bounds a list of choices on which the systems do not agree.
const shownDifferences = 200

// compareOptOuts reads the choices of everybody on both sides.
func (p *Pages) compareOptOuts(w http.ResponseWriter, r *http.Request) {
	i, err := p.operator(r)
	var found activities.CheckOptOutsResult
	if err == nil {
		found, err = i.CheckOptOuts(r.Context(), func(int64) {})
	}
	if errors.Is(r.Context().Err(), context.DeadlineExceeded) {
		err = &operator.Error{Kind: operator.Failed, Text: fmt.Sprintf("there are too many profiles to compare while a page waits; %s were, and nothing was written. At a terminal it may take its time: causeway optout check", humanize.Comma(found.Profiles))}
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	view := comparedView{Back: optOutsURL(r.PathValue("instance")), Waiting: found.Waiting, Missing: found.Missing, OneWayOnly: i.Config.OptOut.Mode == optout.CampaignToDynamics,
		Verdict: notice{Class: "ok", Icon: "ok", Title: "Both systems agree", Text: []string{phrase.Count(found.Profiles, "profile") + " compared, as they are now. Nothing was written."}}}
	if n := int64(len(found.Different)); n > 0 {
		view.Verdict.Class, view.Verdict.Icon, view.Verdict.Title = "warn", "warn", phrase.Count(n, "choice")+" on which they do not agree"
	}
	view.Different = found.Different[:min(shownDifferences, len(found.Different))]
	for _, d := range view.Different {
		view.Merged = view.Merged || d.Loser != ""
	}
	if more := len(found.Different) - len(view.Different); more > 0 {
		view.More = phrase.Count(int64(more), "more")
	}
	p.render(w, r, http.StatusOK, "compared", "Do both systems agree?", view)
}
