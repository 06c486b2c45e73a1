package mapping

import (
	"maps"

	"github.com/tidwall/gjson"
)

// unlisted names what a refused value is missing in the metadata; "" when no metadata
// would help. Options of choices are told apart, other values are not: they are as many
// as there are records.
func (f *field) unlisted(bad *refusal, v gjson.Result) string {
	switch {
	case bad != unknownOption && bad != unmatched:
		return ""
	case f.Source == FromChoice || f.Source == FromMultiChoice:
		return f.From + " " + v.Raw
	}
	return f.From
}

// WithListed is p with the options and the members of enumerations that fresh lists and
// p does not. fresh is the same mapping, resolved later. All else stays as it was: what
// has been written by it still compares as equal. It is p itself when nothing was added.
func (p *Plan) WithListed(fresh *Plan) *Plan {
	later := make(map[string]*PlanField, len(fresh.Fields))
	for i := range fresh.Fields {
		later[fresh.Fields[i].To] = &fresh.Fields[i]
	}
	out, added := *p, false
	out.Fields = make([]PlanField, len(p.Fields))
	for i, f := range p.Fields {
		if now := later[f.To]; now != nil && now.From == f.From && now.Source == f.Source && now.Target == f.Target {
			options, values := withMissing(f.Options, now.Options), withMissing(f.Values, now.Values)
			added = added || len(options) > len(f.Options) || len(values) > len(f.Values)
			f.Options, f.Values = options, values
		}
		out.Fields[i] = f
	}
	if !added {
		return p
	}
	return &out
}

// withMissing is had with what only now has.
func withMissing[K comparable, V any](had, now map[K]V) map[K]V {
	if len(now) == 0 {
		return had
	}
	out := maps.Clone(now)
	maps.Copy(out, had)
	return out
}
