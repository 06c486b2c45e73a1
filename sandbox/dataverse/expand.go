package dataverse

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// expansion is one navigation property in $expand, with the options in its brackets.
type expansion struct {
	name    string
	shape   string // its $select, as the context shows it
	options string // as written
	column  int    // of a lookup
	many    *backward
	parts   map[string]*reading // by logical name of the table that may be found
}

// parseExpand reads $expand. One level is served.
func (rd *reading) parseExpand(text string) *refusal {
	if strings.TrimSpace(text) == "" {
		return &refusal{400, "0x80060888", "The query parameter $expand is empty."}
	}
	for _, part := range topLevel(text) {
		name, inner, open := strings.Cut(strings.TrimSpace(part), "(")
		if open && !strings.HasSuffix(inner, ")") {
			return &refusal{400, "0x80060888", "A ')' is missing in $expand."}
		}
		x := &expansion{name: name, options: strings.TrimSuffix(inner, ")"), parts: map[string]*reading{}}
		var tables []*table
		if many, ok := rd.t.backward(name); ok {
			x.many, tables = &many, []*table{many.from}
		} else if column, ok := rd.t.byNav[name]; ok {
			x.column = column
			for _, l := range rd.t.Columns[column].Targets {
				if to := rd.t.server.names[l.Table]; to != nil && l.Nav == name {
					tables = append(tables, to)
				}
			}
		}
		if len(tables) == 0 {
			return &refusal{400, "0x80060888", "Could not find a property named '" + name + "' on type 'Microsoft.Dynamics.CRM." + rd.t.LogicalName + "'."}
		}
		if bad := x.parseOptions(tables, rd); bad != nil {
			return bad
		}
		rd.expand = append(rd.expand, x)
	}
	return nil
}

func (x *expansion) parseOptions(tables []*table, outer *reading) *refusal {
	for _, to := range tables {
		inner := &reading{t: to, size: maxPage, labels: outer.labels, lookups: outer.lookups}
		var unseen *refusal
		if inner.sees, unseen = to.server.sees(to); unseen != nil {
			return unseen
		}
		x.parts[to.LogicalName] = inner
		for _, option := range splitOutside(x.options, ';') {
			if strings.TrimSpace(option) == "" {
				continue
			}
			name, value, _ := strings.Cut(strings.TrimSpace(option), "=")
			var bad *refusal
			switch {
			case name == "$select":
				inner.sel, x.shape = value, value
			case name == "$expand":
				bad = notImitated("$expand of more than one level")
			case x.many == nil:
				bad = &refusal{400, "0x80060888", "Only $select and $expand are allowed in the $expand of the single-valued navigation property '" + x.name + "'; '" + name + "' is not."}
			case name == "$filter":
				inner.filter, bad = to.parseFilter(value)
			case name == "$orderby":
				bad = inner.parseOrder(value)
			case name == "$top":
				n, err := strconv.Atoi(value)
				if inner.top = n; err != nil || n < 1 {
					bad = &refusal{400, "0x80060888", "Invalid value '" + value + "' for $top query option found."}
				}
			default:
				bad = &refusal{400, "0x80060888", "The query option '" + name + "' is not supported in $expand."}
			}
			if bad != nil {
				return bad
			}
		}
		if bad := inner.parseSelect(); bad != nil {
			return bad
		}
		inner.filter = both(inner.sees, inner.filter)
	}
	return nil
}

// splitOutside splits at a character that is in no brackets and no text.
func splitOutside(list string, at byte) []string {
	var out []string
	depth, start, text := 0, 0, false
	for i := range len(list) {
		switch c := list[i]; {
		case c == '\'':
			text = !text
		case text:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == at && depth == 0:
			out, start = append(out, list[start:i]), i+1
		}
	}
	return append(out, list[start:])
}

// shapeOf is what a context shows of $select and $expand.
func (rd *reading) shapeOf() string {
	if len(rd.expand) == 0 {
		return rd.sel
	}
	parts := []string{}
	if rd.sel != "" {
		parts = append(parts, rd.sel)
	}
	for _, x := range rd.expand {
		parts = append(parts, x.name+"("+x.shape+")")
	}
	return strings.Join(parts, ",")
}

// only keeps the rows that the filter wants, in the wanted order.
func (rd *reading) only(rows []*row) []*row {
	if rd.filter != nil {
		rows = slices.DeleteFunc(rows, func(r *row) bool { return !rd.filter(r) })
	}
	if !rd.byKey() {
		slices.SortFunc(rows, func(a, b *row) int { return rd.compare(rd.orderOf(a), a.key, rd.orderOf(b), b.key) })
	}
	return rows
}

// shows says that the role shows a row.
func (rd *reading) shows(r *row) bool { return rd.sees == nil || rd.sees(r) }

func (rd *reading) cut(rows []*row) []*row {
	n := rd.size
	if rd.top > 0 {
		n = min(n, rd.top)
	}
	return rows[:min(len(rows), n)]
}

// wide says that rows are read together with others that they look up.
func (rd *reading) wide() bool { return rd.labels || rd.lookups || len(rd.expand) > 0 }

// rlock locks what a reading needs.
func (s *Server) rlock(rd *reading) func() {
	if rd.wide() {
		s.rlockAll()
		return s.runlockAll
	}
	rd.t.rlock()
	return rd.t.runlock
}

// appendEntity writes a row with what is expanded. The caller holds the locks.
func (s *Server) appendEntity(b []byte, rd *reading, context string, r *row) []byte {
	b = rd.t.appendRow(b, context, r, rd.selected, rd.labels, rd.lookups)
	if len(rd.expand) == 0 {
		return b
	}
	b = b[:len(b)-1]
	for _, x := range rd.expand {
		b = append(append(append(b, `,"`...), x.name...), `":`...)
		if x.many == nil {
			to, other, l := rd.t.target(x.column, r)
			if other == nil || l.Nav != x.name || !x.parts[to.LogicalName].shows(other) {
				b = append(b, "null"...)
				continue
			}
			b = s.appendEntity(b, x.parts[to.LogicalName], "", other)
			continue
		}
		inner := x.parts[x.many.from.LogicalName]
		b = append(b, '[')
		for i, one := range inner.cut(inner.only(x.many.rows(r.key))) {
			if i > 0 {
				b = append(b, ',')
			}
			b = s.appendEntity(b, inner, "", one)
		}
		b = append(b, ']')
		link := rd.root + "/" + rd.t.EntitySet + "(" + r.key + ")/" + x.name
		if x.options != "" {
			link += "?" + strings.ReplaceAll(url.PathEscape(strings.ReplaceAll(x.options, ";", "&")), "%24", "$")
		}
		b = append(append(append(append(append(b, `,"`...), x.name...), `@odata.nextLink":`...), quote(link)...), '}')
		b = b[:len(b)-1]
	}
	return append(b, '}')
}

// appendLookup writes which table a lookup names and by which navigation property, beside
// the name of the row (§2.3).
func (t *table) appendLookup(b []byte, c *Column, column int, r *row, labels, lookups bool) []byte {
	to, other, l := t.target(column, r)
	if other == nil {
		return b
	}
	property := c.property()
	add := func(annotation, value string) {
		b = append(append(append(b, `,"`...), property...), annotation...)
		b = append(append(b, `":`...), quote(value)...)
	}
	if lookups {
		add("@Microsoft.Dynamics.CRM.associatednavigationproperty", l.Nav)
		add("@Microsoft.Dynamics.CRM.lookuplogicalname", to.LogicalName)
	}
	if labels {
		if i, ok := to.byProp[to.Name]; ok && other.value(i) != nil {
			add(formatted, gjson.ParseBytes(other.value(i)).String())
		}
	}
	return b
}

// preferences are the parts of the Prefer headers; a comma in quotes separates nothing.
func preferences(r *http.Request) []string {
	header := r.Header["Prefer"]
	if len(header) == 0 {
		return nil
	}
	var out []string
	text, start, quoted := strings.Join(header, ","), 0, false
	for i := range len(text) {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == ',' && !quoted:
			out, start = append(out, strings.TrimSpace(text[start:i])), i+1
		}
	}
	return append(out, strings.TrimSpace(text[start:]))
}

// annotations reads the list of wanted ones; a name may end in *.
func (rd *reading) annotations(list string) {
	for name := range strings.SplitSeq(strings.Trim(list, `"`), ",") {
		wants := func(full string) bool {
			head, star := strings.CutSuffix(strings.TrimSpace(name), "*")
			return star && strings.HasPrefix(full, head) || full == head
		}
		rd.labels = rd.labels || wants(formatted[1:])
		rd.lookups = rd.lookups || wants("Microsoft.Dynamics.CRM.lookuplogicalname") || wants("Microsoft.Dynamics.CRM.associatednavigationproperty")
	}
}

// applied tells which preferences an answer follows.
func (rd *reading) applied(w http.ResponseWriter) {
	if len(rd.preferences) > 0 {
		w.Header()["Preference-Applied"] = append(w.Header()["Preference-Applied"], rd.preferences...)
	}
}
