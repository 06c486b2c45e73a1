package pages

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/console/session"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// recordView is one refused record. It has values only after they were revealed.
type recordView struct {
	Now       time.Time
	Name      string // of the table
	Back, URL string
	Reason    string
	Record    activities.QuarantinedRecord
	State     word
	Rule      string
	Parent    string
	Mapping   string
	Held      bool
	Live      activities.ExplainLive
	Changed   bool // Dynamics has another version than the one that was refused
	Fields    []shownField
	Revealed  bool
	By        string // who has revealed it
	May       bool
	Discarded string
}

// shownField is a pair of fields, in general terms or with its values.
type shownField struct {
	From, To                          string
	InDynamics, InCampaign, WouldSend string
	Refused                           bool
}

// refusedRecord shows one refused record without values.
func (p *Pages) refusedRecord(w http.ResponseWriter, r *http.Request) { p.showRefused(w, r, false) }

// reveal shows it with its values. The worker enters that into the operations log before it
// answers.
func (p *Pages) reveal(w http.ResponseWriter, r *http.Request) { p.showRefused(w, r, true) }

func (p *Pages) showRefused(w http.ResponseWriter, r *http.Request, reveal bool) {
	table, id := r.PathValue("table"), r.PathValue("id")
	i, err := p.operator(r)
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	shown, err := i.ShowQuarantined(r.Context(), table, id, reveal)
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	rec := shown.Record
	at := quarantineURL(r.PathValue("instance")) + "/" + url.PathEscape(table)
	view := recordView{
		Now: p.here(r), Name: title(table), Record: rec, Reason: reasonOf(rec.Message), Rule: strings.ReplaceAll(shown.Rule, "->", "→"), Parent: shown.Parent, Mapping: shown.Mapping,
		Held: shown.Held, Live: shown.Live, Changed: shown.Live.Version != "" && rec.Version != "" && shown.Live.Version != rec.Version,
		Back: at + "?" + url.Values{"code": {rec.Code}, "field": {rec.Field}}.Encode(), URL: at + "/records/" + url.PathEscape(rec.ID), Revealed: reveal, May: p.may(r, access.Support), By: session.Of(r).Who.Name,
		State: map[string]word{"released": {"ok", "ok", "Written since"}, "discarded": {"off", "cross", "Discarded"}}[rec.State],
	}
	if view.State.Text == "" {
		view.State = word{"warn", "box", "In quarantine"}
	}
	if d := rec.Discarded; d != nil {
		view.Discarded = sentence("by " + operator.Somebody(d.By) + ": " + d.Reason)
	}
	for n, f := range shown.Fields {
		one := shownField{From: f.From, To: f.To, InDynamics: f.InDynamics, InCampaign: f.InCampaign, WouldSend: f.WouldSend, Refused: f.To == rec.Field}
		if n < len(shown.Values) {
			v := shown.Values[n]
			one.InDynamics, one.InCampaign, one.WouldSend = plain(v.InDynamics), plain(v.InCampaign), plain(v.WouldSend)
		}
		view.Fields = append(view.Fields, one)
	}
	p.render(w, r, http.StatusOK, "record", "Refused record", view)
}

// plain is a revealed value for people.
func plain(v json.RawMessage) string {
	var text string
	if json.Unmarshal(v, &text) == nil && v != nil && string(v) != "null" {
		return text
	}
	return phrase.OneLine(string(v))
}

// confirmReveal says what revealing means.
func (p *Pages) confirmReveal(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, confirmView{
		Title: "Reveal the values of this record?", Label: "Reveal the values", Back: strings.TrimSuffix(r.URL.Path, "/reveal"),
		Text:  []string{"They are personal data. The worker asks Dynamics for them now, and they are shown to you alone; the console keeps nothing."},
		After: "The operations log keeps who revealed them, and when.",
	})
}

// quarantineCSV writes refused records as CSV: ids and reasons, no values.
func (p *Pages) quarantineCSV(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	in := activities.QuarantineListInput{Table: q.Get("table"), Limit: 1000, Selection: activities.Selection{Code: q.Get("code"), Field: q.Get("field")}}
	i, list, err := p.refused(r, in)
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	out := csvTo(w, "quarantine", r.PathValue("instance"), p.now())
	_ = out.Write([]string{"table", "record", "state", "code", "field", "message", "first_refused", "last_refused", "tries", "next_try", "run"})
	for {
		for _, rec := range list.Records {
			_ = out.Write(cells(rec.Table, rec.ID, rec.State, rec.Code, rec.Field, rec.Message, stamp(rec.FirstSeen), stamp(rec.LastSeen), strconv.Itoa(rec.Attempts), stamp(rec.NextTry), rec.Run))
		}
		if len(list.Records) < in.Limit {
			out.Flush()
			return
		}
		last := list.Records[len(list.Records)-1]
		in.After = &activities.QuarantinePlace{Table: last.Table, ID: last.ID}
		if list, err = i.ListQuarantine(r.Context(), in); err != nil {
			panic(http.ErrAbortHandler) // a file that ends early looks whole; one that breaks off does not
		}
	}
}

// csvTo begins an answer that is a file to keep.
func csvTo(w http.ResponseWriter, what, instance string, now time.Time) *csv.Writer {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+what+"-"+instance+"-"+now.UTC().Format("20060102-150405")+`.csv"`)
	return csv.NewWriter(w)
}

// cells keep a spreadsheet from taking a text for a formula.
func cells(texts ...string) []string {
	for n, text := range texts {
		if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
			texts[n] = "'" + text
		}
	}
	return texts
}

// stamp is a time in a file.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
