package ingress

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/mapping"
)

// The fields of a profile by which people are told apart.
const (
	emailField = "email"
	firstField = "firstName"
	lastField  = "lastName"
)

// search is what is asked of each system.
type search struct {
	m       *tableMapper
	fields  []mapping.PlanField // that are shown, in general terms
	filter  string              // of Dynamics
	lists   []campaign.ListOptions
	matches func(raw []byte) bool // of what Campaign lists, which goes by the beginning of a value
}

func newSearch(m *tableMapper, how, text string) (*search, error) {
	s := &search{m: m}
	pairs := map[string]mapping.PlanField{}
	for _, to := range []string{emailField, firstField, lastField} {
		for _, f := range m.plan.Fields {
			if f.To == to && f.Source == mapping.FromText {
				pairs[to], s.fields = f, append(s.fields, f)
			}
		}
	}
	words := strings.Fields(text)
	switch {
	case how == activities.ByEmail && pairs[emailField].From != "":
		s.byEmail(pairs[emailField], text)
	case how == activities.ByName && pairs[lastField].From != "" && len(words) > 0:
		s.byName(pairs[firstField], pairs[lastField], words)
	default:
		return nil, run.Blocked("BadInput", fmt.Sprintf("%s cannot be searched by %s, because its mapping writes no such field of Campaign; name the id of the record", m.plan.Table.Name, how))
	}
	if m.resource.Name != "profile" { // other resources have no search by text
		s.lists = nil
	}
	return s, nil
}

func (s *search) byEmail(f mapping.PlanField, address string) {
	s.filter = f.From + " eq " + quoted(address)
	spellings := []string{address}
	if low := strings.ToLower(address); low != address {
		spellings = append(spellings, low)
	}
	for _, spelling := range spellings {
		s.lists = append(s.lists, byText(emailField, spelling))
	}
	s.matches = func(raw []byte) bool { return strings.EqualFold(gjson.GetBytes(raw, emailField).String(), address) }
}

// byName finds who has all words at the beginning of the first or the last name; several
// words also together, as in a last name of two.
func (s *search) byName(first, last mapping.PlanField, words []string) {
	all := strings.Join(words, " ")
	begins := func(f mapping.PlanField, text string) string {
		return "startswith(" + f.From + "," + quoted(text) + ")"
	}
	either := []string{begins(last, all)}
	if first.From != "" {
		either = append(either, begins(first, all))
		for i := 1; i < len(words); i++ {
			one, other := strings.Join(words[:i], " "), strings.Join(words[i:], " ")
			either = append(either, "("+begins(first, one)+" and "+begins(last, other)+")", "("+begins(first, other)+" and "+begins(last, one)+")")
		}
	}
	s.filter = strings.Join(either, " or ")
	s.lists = []campaign.ListOptions{byText(lastField, words[len(words)-1])}
	if len(words) == 1 {
		s.lists = append(s.lists, byText(firstField, words[0]))
	}
	s.matches = func(raw []byte) bool {
		one, other := strings.ToLower(gjson.GetBytes(raw, firstField).String()), strings.ToLower(gjson.GetBytes(raw, lastField).String())
		for _, w := range words {
			if w = strings.ToLower(w); !strings.HasPrefix(one, w) && !strings.HasPrefix(other, w) {
				return false
			}
		}
		return true
	}
}

// byText asks Campaign for the profiles in which a field begins with a text, with regard to
// case.
func byText(field, text string) campaign.ListOptions {
	return campaign.ListOptions{Filter: "byText", Params: map[string]string{"text": text, "filterType": field}, Lines: mostFound + 1}
}

// quoted is a text of an OData filter.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func (s *search) inGeneralTerms(id string, h *hit) activities.FoundRecord {
	out := activities.FoundRecord{ID: id, InDynamics: h.row != nil, InCampaign: h.held != nil, Fields: []activities.FoundField{}}
	for _, f := range s.fields {
		shown := activities.FoundField{To: f.To, InDynamics: "nothing", InCampaign: "nothing"}
		if v := gjson.GetBytes(h.row, f.Property); v.Exists() {
			shown.InDynamics = mapping.ShapeOf([]byte(v.Raw))
		}
		if h.held != nil {
			shown.InCampaign = h.held.Shape(f.To)
		}
		out.Fields = append(out.Fields, shown)
	}
	return out
}
