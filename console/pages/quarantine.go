package pages

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// refusedAtOnce is how many refused records a page lists.
const refusedAtOnce = 50

// quarantineView is what was refused, by reason.
type quarantineView struct {
	Now     time.Time
	Done    string
	Table   string // that is looked at; "" = all tables
	Choices []choice
	Total   int64
	Groups  []refusedGroup
	Cut     bool // there are more reasons than are listed
	CSV     string
	Empty   string   // why nothing is listed
	Others  []choice // where there is something
}

// choice is an entry of a list to choose from.
type choice struct {
	Value, Label, URL string
	Current           bool
}

// refusedGroup is the records refused for one reason.
type refusedGroup struct {
	Reason, Code, Table, Field, URL, Width string
	Mapping                                string // the address of the field in its mapping; "" = it has none
	Records, Of                            int64
	First                                  time.Time
}

func quarantineURL(instance string) string { return home(instance) + "quarantine" }

// quarantine shows what was refused by reason and field.
func (p *Pages) quarantine(w http.ResponseWriter, r *http.Request) {
	table := r.URL.Query().Get("table")
	i, list, err := p.refused(r, activities.QuarantineListInput{Table: table, Limit: 1})
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	at := quarantineURL(r.PathValue("instance"))
	view := quarantineView{Now: p.here(r), Done: quarantineDone(r), Table: table, Total: list.Total, CSV: at + ".csv?" + url.Values{"table": {table}}.Encode()}
	view.Choices = append(view.Choices, choice{"", "All tables", at, table == ""})
	for _, flow := range append(i.Tables(), activities.FlowEgress, activities.FlowOptOut) {
		view.Choices = append(view.Choices, choice{flow, title(flow), at + "?" + url.Values{"table": {flow}}.Encode(), flow == table})
	}
	listed := int64(0)
	for _, g := range list.Groups {
		listed += g.Records
		view.Groups = append(view.Groups, groupOf(i, r.PathValue("instance"), g, list.Total))
	}
	view.Cut = listed < list.Total
	view.Empty = "What is refused is kept here with its reason, and the rest goes on. There is nothing to do."
	for _, e := range list.Elsewhere {
		view.Others = append(view.Others, choice{Label: title(e.Table) + ": " + phrase.Count(e.Records, "record"), URL: at + "?" + url.Values{"table": {e.Table}}.Encode()})
	}
	p.render(w, r, http.StatusOK, "quarantine", "Quarantine", view)
}

func groupOf(i *operator.Instance, instance string, g activities.QuarantineGroup, total int64) refusedGroup {
	return refusedGroup{
		Mapping: fieldURL(i, instance, g.Table, g.Field),
		Reason:  reasonOf(g.Message), Code: g.Code, Table: title(g.Table), Field: rule(i, g.Table, g.Field), Records: g.Records, Of: total, First: g.FirstSeen,
		Width: percentOf(g.Records, total), URL: quarantineURL(instance) + "/" + url.PathEscape(g.Table) + "?" + url.Values{"code": {g.Code}, "field": {g.Field}}.Encode(),
	}
}

// reasonOf is why a record was refused, without the pair of fields, which stands beside it.
func reasonOf(message string) string {
	if pair, why, found := strings.Cut(message, ": "); found && strings.Contains(pair, " -> ") {
		message = why
	}
	return sentence(message)
}

// rule is the pair of fields that writes a field of Campaign.
func rule(i *operator.Instance, table, field string) string {
	for _, f := range i.Config.Ingress.Tables[table].Fields {
		if field != "" && f.To == field && f.From != "" {
			return f.From + " → " + f.To
		}
	}
	return field
}

// fieldURL is where a field of Campaign stands in the mapping of a table; "" where nothing
// writes it.
func fieldURL(i *operator.Instance, instance, table, field string) string {
	for _, f := range i.Config.Ingress.Tables[table].Fields {
		if field != "" && f.To == field {
			return mappingURL(instance, table) + "#" + fieldID(field)
		}
	}
	return ""
}

// fieldID is the id of a field of Campaign on the page of its mapping.
func fieldID(field string) string { return "to-" + field }

// refused asks for a list of refused records.
func (p *Pages) refused(r *http.Request, in activities.QuarantineListInput) (*operator.Instance, activities.QuarantineListResult, error) {
	i, err := p.operator(r)
	if err == nil && in.Table != "" {
		err = i.Known(in.Table)
	}
	if err != nil {
		return nil, activities.QuarantineListResult{}, err
	}
	list, err := i.ListQuarantine(r.Context(), in)
	return i, list, err
}

// refusedView is the records of one reason.
type refusedView struct {
	Now                        time.Time
	Table, Name, Reason, Field string
	Back, Base, CSV, Next      string
	Mapping                    string // the address of the field in its mapping; "" = it has none
	Code, InField              string // what the page selects
	Total, From, To            int64
	Records                    []refusedRecord
	May                        bool   // release and discard
	Unreleasable               string // why they cannot be released one by one
}

type refusedRecord struct {
	activities.QuarantinedRecord
	URL string // "" where there is no page of it
}

// refusedRecords lists the records of one reason, or of a table.
func (p *Pages) refusedRecords(w http.ResponseWriter, r *http.Request) {
	table, q := r.PathValue("table"), r.URL.Query()
	in := activities.QuarantineListInput{Table: table, Limit: refusedAtOnce, Selection: activities.Selection{Code: q.Get("code"), Field: q.Get("field")}}
	if after := q.Get("after"); after != "" {
		in.After = &activities.QuarantinePlace{Table: table, ID: after}
	}
	i, list, err := p.refused(r, in)
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	at := quarantineURL(r.PathValue("instance"))
	view := refusedView{
		Now: p.here(r), Table: table, Name: title(table), Back: at, Base: at + "/" + url.PathEscape(table), Code: in.Code, InField: in.Field,
		Field: rule(i, table, in.Field), Mapping: fieldURL(i, r.PathValue("instance"), table, in.Field), Total: list.Total, May: p.may(r, access.Support),
	}
	query := url.Values{"code": {in.Code}, "field": {in.Field}}
	view.CSV = at + ".csv?" + url.Values{"table": {table}, "code": {in.Code}, "field": {in.Field}}.Encode()
	if err := i.Releasable(table); err != nil {
		view.Unreleasable = sentence(err.Error())
	}
	for _, rec := range list.Records {
		one := refusedRecord{QuarantinedRecord: rec}
		if i.IsTable(table) {
			one.URL = view.Base + "/records/" + url.PathEscape(rec.ID)
		}
		view.Records = append(view.Records, one)
	}
	if len(list.Records) > 0 {
		view.Reason = reasonOf(list.Records[0].Message)
		if len(list.Records) == in.Limit {
			query.Set("after", list.Records[len(list.Records)-1].ID)
			view.Next = view.Base + "?" + query.Encode()
		}
	}
	p.render(w, r, http.StatusOK, "refused", "Quarantine: "+view.Name, view)
}

// quarantineDone says what was done, from a fixed choice of sentences.
func quarantineDone(r *http.Request) string {
	n := r.URL.Query().Get("n")
	if len(n) > 12 || strings.Trim(n, "0123456789") != "" {
		return ""
	}
	switch r.URL.Query().Get("done") {
	case "release":
		return "The records are being tried again, as Dynamics has them now. What is refused again comes back here."
	case "discard":
		return "Discarded: " + n + ". They are not tried again until they change in Dynamics."
	}
	return ""
}

func percentOf(n, of int64) string {
	return humanize.FtoaWithDigits(100*float64(n)/float64(max(of, 1)), 2)
}

// chosen is what an action on refused records means: those that were ticked, or all of a
// reason.
func chosen(r *http.Request) (activities.Selection, error) {
	s := activities.Selection{Code: r.FormValue("code"), Field: r.FormValue("field")}
	if r.FormValue("which") == "all" {
		return s, nil
	}
	if s.IDs = r.Form["ids"]; len(s.IDs) == 0 {
		return s, &operator.Error{Kind: operator.BadInput, Text: "no record was chosen; tick the ones that you mean"}
	}
	return s, nil
}

// refusedActions are what can be done with refused records.
var refusedActions = map[string]bool{"release": true, "discard": true}

// confirmRefused names what will be released or discarded.
func (p *Pages) confirmRefused(w http.ResponseWriter, r *http.Request) {
	table, action := r.PathValue("table"), r.PathValue("action")
	if !refusedActions[action] {
		p.noSuchPage(w, r)
		return
	}
	s, err := chosen(r)
	var list activities.QuarantineListResult
	var i *operator.Instance
	if err == nil {
		i, list, err = p.refused(r, activities.QuarantineListInput{Table: table, Selection: s, Limit: shownIDs})
	}
	if err == nil && action == "release" {
		err = i.Releasable(table)
	}
	if err == nil && list.Total == 0 {
		err = &operator.Error{Kind: operator.BadInput, Text: "none of these records is in quarantine any more"}
	}
	if err != nil {
		p.cannotThere(w, r, err)
		return
	}
	n := phrase.Count(list.Total, "record")
	view := confirmView{Title: "Try " + n + " again?", Label: "Try " + n + " again", Back: quarantineURL(r.PathValue("instance")) + "/" + url.PathEscape(table),
		Text: []string{"Each is read from Dynamics as it is now, and written to Campaign. What is refused again comes back here."}}
	if action == "discard" {
		view.Title, view.Label, view.Reason, view.Example = "Discard "+n+"?", "Discard "+n, true, "Test records, to be deleted in March"
		view.Text = []string{"They are not tried again, until somebody changes them in Dynamics. Campaign keeps what it held of them. Nothing is deleted."}
	}
	view.Touches = []touch{{humanize.Comma(list.Total), "refused records of " + title(table)}}
	for _, name := range []string{"code", "field", "which", "ids"} {
		for _, value := range r.Form[name] {
			view.Hidden = append(view.Hidden, hidden{name, value})
		}
	}
	for _, rec := range list.Records {
		view.IDs = append(view.IDs, rec.ID)
	}
	p.show(w, r, view)
}

// actRefused releases or discards refused records.
func (p *Pages) actRefused(w http.ResponseWriter, r *http.Request) {
	table, action := r.PathValue("table"), r.PathValue("action")
	if !refusedActions[action] {
		p.noSuchPage(w, r)
		return
	}
	n := int64(0)
	s, err := chosen(r)
	var i *operator.Instance
	if err == nil {
		i, err = p.operator(r)
	}
	if err == nil {
		err = i.Known(table)
	}
	switch reason := strings.TrimSpace(r.PostFormValue("reason")); {
	case err != nil:
	case action == "release":
		_, err = i.Release(r.Context(), table, s, s.All())
	case reason == "":
		err = &operator.Error{Kind: operator.BadInput, Text: "say why they are discarded, for the next person who wonders"}
	default:
		var done activities.DiscardResult
		done, err = i.Discard(r.Context(), table, s, reason)
		n = done.Discarded
	}
	if err != nil {
		p.cannotThere(w, r, err)
		return
	}
	http.Redirect(w, r, quarantineURL(r.PathValue("instance"))+"?"+url.Values{"done": {action}, "n": {strconv.FormatInt(n, 10)}}.Encode(), http.StatusSeeOther)
}
