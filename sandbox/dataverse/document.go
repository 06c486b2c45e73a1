package dataverse

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

const formatted = "@OData.Community.Display.V1.FormattedValue"

// appendRow writes a row as JSON with the selected columns, and on request their
// labels. The key is always included. context may be "".
func (t *table) appendRow(b []byte, context string, r *row, selected []int, labels, lookups bool) []byte {
	b = append(b, '{')
	if context != "" {
		b = append(appendQuoted(append(b, `"@odata.context":`...), context), ',')
	}
	b = append(b, `"@odata.etag":"W/\"`...)
	b = strconv.AppendInt(b, r.version, 10)
	b = append(b, `\""`...)
	keyed := false
	for _, i := range selected {
		c := &t.Columns[i]
		value := r.value(i)
		switch {
		case !labels && !lookups || value == nil:
		case len(c.Targets) > 0:
			b = t.appendLookup(b, c, i, r, labels, lookups)
		case labels:
			b = t.appendLabel(b, c, value)
		}
		b = append(append(append(b, `,"`...), c.property()...), `":`...)
		if value == nil {
			b = append(b, "null"...)
		} else {
			b = append(b, value...)
		}
		keyed = keyed || c.Name == t.Key
	}
	if !keyed {
		b = append(append(append(append(append(b, `,"`...), t.Key...), `":"`...), r.key...), '"')
	}
	return append(b, '}')
}

// appendLabel writes the value as a person would see it (§2.4). The language is en-US,
// as in the settings of the application user.
func (t *table) appendLabel(b []byte, c *Column, literal []byte) []byte {
	v := gjson.ParseBytes(literal)
	text := ""
	switch c.Type {
	case "Picklist", "State", "Status":
		text = c.label(int(v.Int()))
	case "MultiSelectPicklist":
		var parts []string
		for n := range strings.SplitSeq(v.Str, ",") {
			i, err := strconv.Atoi(n)
			if err == nil {
				parts = append(parts, c.label(i))
			}
		}
		text = strings.Join(parts, "; ")
	case "Boolean":
		text = c.FalseLabel()
		if v.Bool() {
			text = c.TrueLabel()
		}
	case "DateTime":
		at, err := time.Parse(time.RFC3339, v.Str)
		if c.Behavior == "DateOnly" {
			at, err = time.Parse(time.DateOnly, v.Str)
			text = at.Format("1/2/2006")
		} else {
			text = at.Format("1/2/2006 3:04 PM")
		}
		if err != nil {
			return b
		}
	case "Money", "Decimal", "Double", "Integer":
		text = v.Raw
	default:
		return b
	}
	b = append(append(append(b, `,"`...), c.property()...), formatted...)
	return append(append(b, `":`...), quote(text)...)
}

func (c *Column) label(value int) string {
	for _, o := range c.Options {
		if o.Value == value {
			return o.Label
		}
	}
	return ""
}

// TrueLabel is the label that a person sees for true.
func (c *Column) TrueLabel() string {
	if len(c.Options) == 2 {
		return c.Options[1].Label
	}
	return "Do Not Allow"
}

// FalseLabel is the label that a person sees for false.
func (c *Column) FalseLabel() string {
	if len(c.Options) == 2 {
		return c.Options[0].Label
	}
	return "Allow"
}

// entity is the context of a single row's answer.
func (s *Server) entity(r *http.Request, t *table, sel string) string {
	return base(r) + "/$metadata#" + t.EntitySet + inBrackets(sel) + "/$entity"
}

// inBrackets is how a context shows what was selected; nothing when that is everything.
func inBrackets(sel string) string {
	if sel == "" {
		return ""
	}
	return "(" + sel + ")"
}
