package pages

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// loggedAtOnce is how many operations a page lists.
const loggedAtOnce = 50

// asked is what can be asked for, in the words of the log's page.
var asked = map[string]string{
	activities.OpStart: "Start", activities.OpStop: "Stop", activities.OpPause: "Pause", activities.OpResume: "Resume", activities.OpBackfill: "Backfill",
	activities.OpCancelBackfill: "Cancel a backfill", activities.OpRollback: "Roll back", activities.OpRepair: "Repair", activities.OpStrays: "Delete strays",
	activities.OpRestored: "Ledger restored", activities.OpRekey: "Seal the ledger anew", activities.OpBackup: "Back the ledger up", activities.OpApprove: "Approve deletes", activities.OpReject: "Reject deletes",
	activities.OpApply: "Apply a mapping", activities.OpRelease: "Try refused records again", activities.OpDiscard: "Discard refused records", activities.OpReplay: "Replay a run",
	activities.OpAcknowledge: "Acknowledge", activities.OpSave: "Save the configuration", activities.OpSecret: "Replace a secret", activities.OpBundle: "Make a support bundle", activities.OpReveal: "Reveal values", activities.OpSearch: "Look for a person", activities.OpAskSecond: "Ask for a second person", activities.OpConfirm: "Confirm a request",
	activities.OpDecline: "Decline a request",
}

// texts are those that can be acknowledged.
var texts = map[string]string{privacyText: "what people are responsible for", activities.TextTypology: "Campaign’s typology rules were looked at"}

// logView is the operations log.
type logView struct {
	Now               time.Time
	Filter            logFilter
	Whats, Tables     []choice
	Names             []string // seen on this page, to choose from
	Entries           []logEntry
	Older, All, Chain string // addresses; "" = there is none
	Problem           *notice
}

// logFilter is what was typed.
type logFilter struct {
	By, What, Table, From, To string
	Any                       bool
}

// logEntry is an operation for people.
type logEntry struct {
	At                                time.Time
	By, ByURL, What, About, Run, Text string
	Verified                          bool
}

func logURL(instance string) string { return home(instance) + "log" }

// log lists who asked for what.
func (p *Pages) log(w http.ResponseWriter, r *http.Request) {
	i, err := p.operator(r)
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	q, at := r.URL.Query(), logURL(r.PathValue("instance"))
	f := logFilter{By: strings.TrimSpace(q.Get("by")), What: q.Get("what"), Table: q.Get("table"), From: q.Get("from"), To: q.Get("to")}
	f.Any = f != logFilter{}
	view := logView{Now: p.here(r), Filter: f, All: at, Chain: at + "/chain"}
	view.Whats, view.Tables = []choice{{"", "Anything", "", f.What == ""}}, []choice{{"", "Any", "", f.Table == ""}}
	for what, label := range asked {
		view.Whats = append(view.Whats, choice{what, label, "", f.What == what})
	}
	slices.SortFunc(view.Whats[1:], func(a, b choice) int { return cmp.Compare(a.Label, b.Label) })
	for _, flow := range append(i.Tables(), activities.FlowEgress, activities.FlowOptOut) {
		view.Tables = append(view.Tables, choice{flow, title(flow), "", f.Table == flow})
	}
	in, err := f.input(i, q)
	var found activities.OperationsResult
	if err == nil {
		found, err = i.Log(r.Context(), in)
	}
	if err != nil {
		n := explain(err)
		view.Problem = &n
		p.render(w, r, statusOf(err), "log", "Operations log", view)
		return
	}
	slices.Reverse(found.Operations) // the newest first
	for _, o := range found.Operations {
		view.Entries = append(view.Entries, entryOf(o, at))
		if o.By != "" && !slices.Contains(view.Names, o.By) {
			view.Names = append(view.Names, o.By)
		}
	}
	if len(found.Operations) == in.Limit {
		last := found.Operations[len(found.Operations)-1]
		q.Set("before", strconv.FormatInt(last.At.UnixMilli(), 10)+"-"+strconv.FormatInt(last.Seq, 10))
		view.Older = at + "?" + q.Encode()
	}
	p.render(w, r, http.StatusOK, "log", "Operations log", view)
}

// input is a filter as the worker takes it.
func (f logFilter) input(i *operator.Instance, q url.Values) (in activities.OperationsInput, err error) {
	in = activities.OperationsInput{By: f.By, What: f.What, Limit: loggedAtOnce}
	if i.IsTable(f.Table) {
		in.Table = f.Table
	} else {
		in.Flow = f.Table
	}
	if in.Since, err = day("from", f.From); err != nil {
		return in, err
	}
	until, err := day("to", f.To)
	if err != nil {
		return in, err
	}
	if !until.IsZero() {
		in.Before = &activities.OperationPlace{At: until.AddDate(0, 0, 1)} // that day as well
	}
	if at, seq, found := strings.Cut(q.Get("before"), "-"); found {
		ms, err1 := strconv.ParseInt(at, 10, 64)
		n, err2 := strconv.ParseInt(seq, 10, 64)
		if err1 != nil || err2 != nil {
			return in, &operator.Error{Kind: operator.BadInput, Field: "before", Text: "the address is not one of a page of this log"}
		}
		in.Before = &activities.OperationPlace{At: time.UnixMilli(ms).UTC(), Seq: n}
	}
	return in, nil
}

// day is a day that was typed, in UTC.
func day(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return at, &operator.Error{Kind: operator.BadInput, Field: field, Text: "got " + strconv.Quote(text) + ", want a day such as 2026-03-01"}
	}
	return at, nil
}

func entryOf(o activities.Operation, at string) logEntry {
	e := logEntry{At: o.At, By: cmp.Or(phrase.OneLine(o.By), "not known"), Verified: o.Verified, What: cmp.Or(asked[o.What], o.What), Run: o.Run}
	if o.By != "" {
		e.ByURL = at + "?" + url.Values{"by": {o.By}}.Encode()
	}
	if about := cmp.Or(o.Table, o.Flow); about != "" {
		e.About = title(about)
	}
	if text := texts[o.Detail]; o.What == activities.OpAcknowledge && text != "" {
		o.Detail = text
	}
	var parts []string
	for _, part := range []string{o.Reason, o.Detail} {
		if part != "" {
			parts = append(parts, sentence(part))
		}
	}
	if o.Revision != "" && o.Was != "" && o.Was != o.Revision {
		parts = append(parts, "Mapping "+o.Was+" → "+o.Revision+".")
	}
	e.Text = strings.Join(parts, " ")
	return e
}

// chainView says whether the log was only ever added to.
type chainView struct {
	Class, Icon, Title string
	Text               []string
}

// logChain checks the log. It reads all of it, so the page asks for it by itself.
func (p *Pages) logChain(w http.ResponseWriter, r *http.Request) {
	var found activities.VerifyLogResult
	i, err := p.operator(r)
	if err == nil {
		found, err = i.VerifyLog(r.Context())
	}
	view := chainOf(found)
	if err != nil {
		n := explain(err)
		view = chainView{"warn", "warn", "The log could not be checked", n.Text}
	}
	p.part(w, r, http.StatusOK, "log", "chain", "", view)
}

func chainOf(r activities.VerifyLogResult) chainView {
	v := chainView{Class: "ok", Icon: "ok", Title: "Nothing was changed or removed"}
	day := func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }
	if r.Entries > 0 {
		v.Text = append(v.Text, phrase.Count(r.Entries, "operation")+" in order, from "+day(r.From)+" to "+day(r.To)+". Each is chained to the one before it.")
	}
	if r.Pruned > 0 {
		v.Text = append(v.Text, humanize.Comma(r.Pruned)+" older ones were forgotten when their time was over, up to "+day(r.PrunedTo)+".")
	}
	if r.Unkeyed > 0 {
		v.Text = append(v.Text, "Chained without a key: "+humanize.Comma(r.Unkeyed)+". Whoever can write to the database can make such ones. Set ledger.encryption_key.")
	}
	for _, end := range r.Lacking {
		v.Text = append(v.Text, title(end.Flow)+" remembers the entry "+humanize.Comma(end.Seq)+" of "+day(end.At)+", and the log does not have it.")
	}
	switch {
	case !r.Agrees:
		v.Class, v.Icon, v.Title = "bad", "bad", "The log was changed or cut"
		if r.Fault != "" {
			v.Text = append(v.Text, sentence(r.Fault))
		}
		v.Text = append(v.Text, "What to do: keep a copy of the ledger's database, and find out who can write to it.")
	case r.Restored != nil:
		v.Text = append(v.Text, "That is explained: "+operator.Somebody(r.Restored.By)+" said on "+day(r.Restored.At)+" that the ledger was restored from a backup.")
	case len(r.Remembered) == 0:
		v.Text = append(v.Text, "No workflow remembers how far the log went, so an end that was cut would not be noticed.")
	}
	return v
}
