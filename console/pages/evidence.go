package pages

import (
	"net/http"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

// evidenceView is what was decided about one person, to print.
type evidenceView struct {
	Now             time.Time
	Contact, By     string
	Back, CSV, Kept string
	Rows            []evidenceRow
}

type evidenceRow struct {
	At, DynamicsAt, CampaignAt      time.Time
	About, Dynamics, Campaign, Rule string
	Decided, Written, Run           string
}

// rules are the rules of decisions, in words.
var rules = map[string]string{
	"campaign-newer": "Campaign is newer", "dynamics-newer": "Dynamics is as new or newer, so an opt-out counts", "age-unknown": "An age is not known, so an opt-out counts",
	"only-dynamics": "Only Dynamics has a value", "only-campaign": "Only Campaign has a value", "campaign-changed": "Campaign’s new choice counts",
	"merged": "A contact merged into it, or its own deleted profile, had opted out", "kept": "Campaign has no new choice, so Dynamics keeps its own", "nothing-known": "Nothing is known of either side",
}

// effects are what was written, in words.
var effects = map[string]string{"dynamics": "Dynamics", "campaign": "Campaign", "both": "both", "waits": "nothing yet, it waits", "refused": "nothing, it was refused", "": "nothing, both had it"}

// evidence shows what was decided about the opt-outs of one person. The worker enters that
// into the operations log before it answers.
func (p *Pages) evidence(w http.ResponseWriter, r *http.Request) {
	i, err := p.operator(r)
	var found []activities.Evidence
	contact := strings.TrimSpace(r.PostFormValue("contact"))
	if err == nil {
		found, err = i.OptOutHistory(r.Context(), contact)
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	back := optOutsURL(r.PathValue("instance"))
	view := evidenceView{Now: p.here(r), Contact: strings.ToLower(contact), By: operator.Somebody(i.By), Back: back, CSV: back + "/evidence.csv", Kept: long(i.Config.Retention.Evidence)}
	for _, d := range found {
		row := evidenceRow{At: d.At, About: d.Attribute + " = " + d.Column, Dynamics: said(d.Dynamics), Campaign: said(d.Campaign), DynamicsAt: d.Dynamics.At, CampaignAt: d.Campaign.At,
			Rule: d.Rule, Decided: operator.Choice(d.OptedOut), Written: d.Effect, Run: d.Run}
		if words, known := rules[d.Rule]; known {
			row.Rule = words
		}
		if words, known := effects[d.Effect]; known {
			row.Written = words
		}
		view.Rows = append(view.Rows, row)
	}
	p.render(w, r, http.StatusOK, "evidence", "Evidence of opt-outs", view)
}

func said(c activities.Choice) string {
	if !c.Known {
		return "nothing known"
	}
	return operator.Choice(c.OptedOut)
}

// evidenceCSV is the same as a file.
func (p *Pages) evidenceCSV(w http.ResponseWriter, r *http.Request) {
	i, err := p.operator(r)
	in := activities.EvidenceInput{Contact: strings.ToLower(strings.TrimSpace(r.PostFormValue("contact")))}
	if err == nil && in.Contact == "" {
		err = &operator.Error{Kind: operator.BadInput, Field: "contact", Text: "type the id of one contact in Dynamics"}
	}
	var file strings.Builder // of one person, so it is small, and nothing is sent of one that broke off
	if err == nil {
		_, err = i.ExportOptOuts(r.Context(), in, &file)
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	csvTo(w, "opt-outs", r.PathValue("instance"), p.now())
	_, _ = w.Write([]byte(file.String()))
}
