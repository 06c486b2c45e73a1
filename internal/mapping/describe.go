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
		out[f] = before.Shape(f) + " -> " + after.Shape(f)
	}
	return out
}

// Shape describes the kind of value that a field has: "text of 6".
func (p *Payload) Shape(field string) string {
	i, found := search(p.paths, field)
	if !found {
		return "not mapped"
	}
	return ShapeOf(p.literal(i))
}

// Value is the JSON literal of a field, nil when the payload does not have it.
func (p *Payload) Value(field string) []byte {
	i, found := search(p.paths, field)
	if !found {
		return nil
	}
	return p.literal(i)
}

// ShapeOf describes the kind of a JSON value, without the value.
func ShapeOf(literal []byte) string {
	v := gjson.ParseBytes(literal)
	switch {
	case v.Type == gjson.True || v.Type == gjson.False:
		return "boolean"
	case v.Type == gjson.Number:
		return "number"
	case v.Type == gjson.JSON:
		return "object"
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
