package mapping

import (
	"bytes"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/optout"
)

// This file is what a mapping of contacts needs to know beyond its fields: which
// contact a merged one became, and what it has opted out of.

const (
	mergedColumn   = "merged"
	winnerColumn   = "masterid"
	winnerProperty = "_masterid_value"
)

// merges says that rows of the table tell whether they were merged into another one
// (docs/protocol/dynamics.md §6.2).
func (r *resolver) merges() bool {
	_, merged := r.src.Columns[mergedColumn]
	_, winner := r.src.Columns[winnerColumn]
	return r.src.Table == "contact" && merged && winner
}

// optOuts lists the opt-out attributes that the profile has, with the columns that are
// paired with them. Columns that Dynamics does not have are left out; the opt-out flow
// reports them.
func (r *resolver) optOuts() []PlanOptOut {
	if r.src.Table != "contact" || r.dst.Resource != "profile" {
		return nil
	}
	var out []PlanOptOut
	for _, attribute := range optout.Attributes() {
		for _, to := range optout.Wire(attribute) {
			if _, known := r.dst.Fields[to]; !known {
				continue
			}
			o := PlanOptOut{Attribute: attribute, To: to}
			for _, pair := range r.table.OptOuts {
				if _, known := r.src.Columns[pair.Dynamics]; known && pair.Campaign == attribute {
					o.Column, o.Inverted = pair.Dynamics, pair.Inverted
				}
			}
			out = append(out, o)
			break
		}
	}
	return out
}

// Merged says that a row was merged into another one. It stays so when that one is
// deleted, although it names none then.
func (m *Mapper) Merged(raw []byte) bool {
	return m.merges && mayBeTrue(raw, mergedColumn) && gjson.GetBytes(raw, mergedColumn).Bool()
}

// mayBeTrue says that a member of this name, at any depth, can be true. It reads the
// row many times faster than gjson does, and nearly every row has false.
func mayBeTrue(raw []byte, name string) bool {
	if bytes.IndexByte(raw, '\\') >= 0 { // which could write the name in another way
		return true
	}
	quoted := []byte(`"` + name + `"`)
	for {
		_, rest, found := bytes.Cut(raw, quoted)
		if !found {
			return false
		}
		if rest = bytes.TrimLeft(rest, ": \t\r\n"); len(rest) > 0 && rest[0] != 'f' && rest[0] != 'n' {
			return true
		}
		raw = rest
	}
}

// MergedInto is the contact that a row was merged into; "" when it was not, when that
// contact was deleted since, or when the mapping is of another table.
func (m *Mapper) MergedInto(raw []byte) string {
	if !m.Merged(raw) {
		return ""
	}
	winner := gjson.GetBytes(raw, winnerProperty).String()
	if winner == "" {
		return ""
	}
	return m.MapKey(winner)
}

// OptedOut lists the attributes of which a row says something, and those of them of
// which it says that the person has opted out.
func (m *Mapper) OptedOut(raw []byte) (read, out []string) {
	for _, o := range m.attributes {
		if o.Column == "" {
			continue
		}
		v := gjson.GetBytes(raw, o.Column)
		if !v.IsBool() {
			continue
		}
		read = append(read, o.Attribute)
		if v.Bool() != o.Inverted {
			out = append(out, o.Attribute)
		}
	}
	return read, out
}

// OptOutField is the field of the profile that holds an opt-out attribute, and whether
// the mapping writes it; "" when the instance has none.
func (m *Mapper) OptOutField(attribute string) (to string, mapped bool) {
	for _, o := range m.attributes {
		if o.Attribute == attribute {
			_, mapped = m.index[o.To]
			return o.To, mapped
		}
	}
	return "", false
}

// Paired says that opt_out keeps an attribute in step with a column.
func (m *Mapper) Paired(attribute string) bool {
	for _, o := range m.attributes {
		if o.Attribute == attribute {
			return o.Column != ""
		}
	}
	return false
}

// HeldOptOuts lists the attributes that a profile, as Campaign sent it, has set.
func (m *Mapper) HeldOptOuts(raw []byte) []string {
	var out []string
	for _, o := range m.attributes {
		if gjson.GetBytes(raw, o.To).Bool() {
			out = append(out, o.Attribute)
		}
	}
	return out
}

// HasOptOuts says that the mapping writes profiles, which have opt-outs.
func (m *Mapper) HasOptOuts() bool { return len(m.attributes) > 0 }
