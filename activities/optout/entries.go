package optout

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/events"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

// Verdicts of staged entries. An entry without a verdict is a row of Dynamics.
const (
	entryCampaign ledger.Verdict = "campaign" // a row of Campaign
	entryDue      ledger.Verdict = "look"     // a contact that waited, and is to be decided about again
)

// stagedRow is what a staged entry holds: a row of one of the systems.
type stagedRow struct {
	Dynamics *optout.DynamicsRow `json:"d,omitempty"`
	Campaign *optout.CampaignRow `json:"c,omitempty"`
}

// dynamicsEntry stages a change to a contact. Nothing is kept of it but its choices.
func (p *settingsPlan) dynamicsEntry(c dataverse.Change) (ledger.Entry, error) {
	row, err := p.dynamicsRow(c)
	if err != nil {
		return ledger.Entry{Key: c.Key, Verdict: ledger.VerdictUnreadable, Problem: err.Error()}, nil
	}
	raw, err := json.Marshal(stagedRow{Dynamics: row})
	return ledger.Entry{Key: c.Key, Version: c.Version, Raw: raw}, err
}

// dynamicsRow reads the choices of a contact. Its errors hold no value.
func (p *settingsPlan) dynamicsRow(c dataverse.Change) (*optout.DynamicsRow, error) {
	if c.Deleted {
		return &optout.DynamicsRow{Gone: true}, nil
	}
	row := &optout.DynamicsRow{Version: c.Version, Values: map[string]*bool{}}
	var ok bool
	if row.Modified, ok = events.ParseTime(gjson.GetBytes(c.Raw, "modifiedon").String()); !ok {
		return nil, fmt.Errorf("the contact has no readable modifiedon")
	}
	if gjson.GetBytes(c.Raw, "merged").Bool() {
		row.Winner = events.ContactID(gjson.GetBytes(c.Raw, "_masterid_value").String())
	}
	for _, pair := range p.Settings.Pairs {
		v := gjson.GetBytes(c.Raw, pair.Dynamics)
		switch v.Type {
		case gjson.True, gjson.False:
			out := v.Bool() != pair.Inverted
			row.Values[pair.Name()] = &out
		case gjson.Null: // also when it is missing
			row.Values[pair.Name()] = nil
		default:
			return nil, fmt.Errorf("column %s is not a boolean", pair.Dynamics)
		}
	}
	return row, nil
}

// campaignEntry stages a profile as a list shows it; false for a profile that belongs to
// no contact. One whose key is a contact's id in another spelling is not the profile that
// is written: it counts as a contact that was merged into that one.
func (p *settingsPlan) campaignEntry(raw []byte, asOf time.Time) (ledger.Entry, bool, error) {
	spelled := gjson.GetBytes(raw, profileKey).String()
	id := events.ContactID(spelled)
	if id == "" {
		return ledger.Entry{}, false, nil
	}
	row := p.campaignRow(raw, asOf)
	if spelled != id {
		row.Winner = id
	}
	doc, err := json.Marshal(stagedRow{Campaign: row})
	return ledger.Entry{Key: spelled, Verdict: entryCampaign, Raw: doc}, true, err
}

// campaignRow reads the choices of a profile. A value that is missing or no boolean says
// nothing (R19.19). A stamp that cannot be read counts as none.
func (p *settingsPlan) campaignRow(raw []byte, asOf time.Time) *optout.CampaignRow {
	row := &optout.CampaignRow{AsOf: asOf, Values: map[string]optout.CampaignValue{}}
	row.Made, _ = events.ParseTime(gjson.GetBytes(raw, "created").String())
	for _, pair := range p.Settings.Pairs {
		v := gjson.GetBytes(raw, p.Wire[pair.Campaign])
		out, ok := events.ParseFlag(v.String())
		if !v.Exists() || !ok {
			continue
		}
		value := optout.CampaignValue{Out: out}
		if stamp := p.Stamps[pair.Campaign]; stamp != "" {
			value.At, _ = events.ParseTime(gjson.GetBytes(raw, stamp).String())
		}
		row.Values[pair.Name()] = value
	}
	return row
}

// stampText is a time in the form that Campaign's filters take.
func stampText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000Z") }

// unreadable says whether an entry cannot be read, and why.
func unreadable(e ledger.Entry) (string, bool) {
	return e.Problem, e.Verdict == ledger.VerdictUnreadable
}
