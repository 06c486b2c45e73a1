package mapping

import (
	"fmt"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Describe says in general terms how fields differ between two payloads, without
// their values: "text of 6 -> text of 9", "nothing -> date".
func Describe(before, after *Payload, fields []string) map[string]string {
	out := make(map[string]string, len(fields))
	for _, f := range fields {
		out[f] = before.shape(f) + " -> " + after.shape(f)
	}
	return out
}

// shape is what kind of value a field has.
func (p *Payload) shape(field string) string {
	i, found := search(p.paths, field)
	if !found {
		return "not mapped"
	}
	v := gjson.ParseBytes(p.literal(i))
	switch {
	case v.Type == gjson.True || v.Type == gjson.False:
		return "boolean"
	case v.Type == gjson.Number:
		return "number"
	case v.Str == "":
		return "nothing"
	}
	if m, ok := parseMoment(v.Str); ok {
		if m.timed {
			return "time"
		}
		return "date"
	}
	return fmt.Sprintf("text of %d", utf8.RuneCountInString(v.Str))
}
