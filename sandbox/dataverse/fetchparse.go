package dataverse

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// parseFetch reads a query in FetchXML against a table.
func (s *Server) parseFetch(r *http.Request, t *table, text string) (*fetch, *refusal) {
	var doc node
	if err := xml.Unmarshal([]byte(text), &doc); err != nil || doc.XMLName.Local != "fetch" {
		return nil, badFetch("the XML cannot be read.")
	}
	f := &fetch{page: 1, size: maxPage}
	number := func(name string, into *int, least, most int) *refusal {
		v := doc.attr(name)
		if v == "" {
			return nil
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			return badFetch("the value '" + v + "' of the attribute " + name + " is not valid.")
		}
		*into = n
		return nil
	}
	for _, a := range doc.Attrs {
		var bad *refusal
		switch a.Name.Local {
		case "top":
			bad = number("top", &f.top, 1, maxPage)
		case "page":
			bad = number("page", &f.page, 1, 1<<30)
		case "count":
			bad = number("count", &f.size, 1, maxPage)
		case "paging-cookie":
			f.cookie = a.Value
		case "returntotalrecordcount":
			f.total = a.Value == "true"
		case "distinct":
			f.distinct = a.Value == "true"
		case "aggregate":
			if a.Value == "true" {
				bad = notImitated("aggregation in FetchXML")
			}
		case "mapping", "version", "output-format", "no-lock", "latematerialize":
		default:
			bad = badFetch("the attribute '" + a.Name.Local + "' of fetch is not known.")
		}
		if bad != nil {
			return nil, bad
		}
	}
	if f.top > 0 && (doc.attr("page") != "" || doc.attr("count") != "") {
		return nil, badFetch("the top attribute can't be specified with paging attribute page.")
	}
	if len(doc.Nodes) != 1 || doc.Nodes[0].XMLName.Local != "entity" {
		return nil, badFetch("fetch wants one entity.")
	}
	entity := doc.Nodes[0]
	if entity.attr("name") != t.LogicalName {
		return nil, &refusal{400, "0x80060888", "The entity '" + entity.attr("name") + "' of the FetchXML is not that of the entity set '" + t.EntitySet + "'."}
	}
	by, bad := s.caller(r)
	if bad != nil {
		return nil, bad
	}
	p := fetchParser{s: s, by: by, aliases: map[string]bool{}}
	f.entity = &link{t: t}
	if f.entity.filter, bad = s.sees(t); bad != nil {
		return nil, bad
	}
	return f, p.fill(f.entity, entity)
}

type fetchParser struct {
	s       *Server
	by      string // for eq-userid
	aliases map[string]bool
}

// columnNamed finds a column by its logical name: FetchXML has no _…_value.
func (t *table) columnNamed(name string) (int, *refusal) {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return 0, &refusal{400, "0x80041103", "'" + t.LogicalName + "' entity doesn't contain attribute with Name = '" + name + "' and NameMapping = 'Logical'."}
	}
	return i, nil
}

func (p *fetchParser) fill(l *link, n node) *refusal {
	for _, c := range n.Nodes {
		var bad *refusal
		switch c.XMLName.Local {
		case "all-attributes":
			for i := range l.t.Columns {
				l.shown = append(l.shown, shown{column: i})
			}
		case "attribute":
			var i int
			if i, bad = l.t.columnNamed(c.attr("name")); bad == nil {
				l.shown = append(l.shown, shown{i, c.attr("alias")})
			}
		case "order":
			var i int
			if l.alias != "" {
				return notImitated("an order by a linked entity in FetchXML")
			}
			if i, bad = l.t.columnNamed(c.attr("attribute")); bad == nil {
				l.order, l.desc = append(l.order, i), append(l.desc, c.attr("descending") == "true")
			}
		case "filter":
			var f predicate
			if f, bad = p.filter(l.t, c); bad == nil {
				l.filter = both(l.filter, f)
			}
		case "link-entity":
			bad = p.link(l, c)
		default:
			bad = badFetch("the element '" + c.XMLName.Local + "' is not known in " + n.XMLName.Local + ".")
		}
		if bad != nil {
			return bad
		}
	}
	return nil
}

// both holds where a and b do. One that is nil holds everywhere.
func both(a, b predicate) predicate {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(r *row) bool { return a(r) && b(r) }
}

func (p *fetchParser) link(outer *link, n node) *refusal {
	to, ok := p.s.names[n.attr("name")]
	if !ok {
		return &refusal{400, "0x80040217", "The entity with a name = '" + n.attr("name") + "' was not found in the MetadataCache."}
	}
	l := &link{t: to, alias: n.attr("alias")}
	switch n.attr("link-type") {
	case "", "inner":
	case "outer":
		l.outer = true
	default:
		return notImitated("the link-type " + n.attr("link-type") + " in FetchXML")
	}
	if l.alias == "" {
		l.alias = fmt.Sprintf("%s%d", to.LogicalName, len(p.aliases)+1)
	}
	if p.aliases[l.alias] {
		return badFetch("the alias '" + l.alias + "' is used twice.")
	}
	p.aliases[l.alias] = true
	var bad *refusal
	if l.filter, bad = p.s.sees(to); bad != nil {
		return bad
	}
	if l.from, bad = to.columnNamed(n.attr("from")); bad == nil {
		l.to, bad = outer.t.columnNamed(n.attr("to"))
	}
	if bad != nil {
		return bad
	}
	outer.links = append(outer.links, l)
	return p.fill(l, n)
}

func (p *fetchParser) filter(t *table, n node) (predicate, *refusal) {
	var parts []predicate
	for _, c := range n.Nodes {
		var f predicate
		var bad *refusal
		switch c.XMLName.Local {
		case "filter":
			f, bad = p.filter(t, c)
		case "condition":
			f, bad = p.condition(t, c)
		default:
			bad = badFetch("the element '" + c.XMLName.Local + "' is not known in filter.")
		}
		if bad != nil {
			return nil, bad
		}
		parts = append(parts, f)
	}
	or := n.attr("type") == "or"
	return func(r *row) bool {
		for _, f := range parts {
			if f(r) == or {
				return or
			}
		}
		return !or || len(parts) == 0
	}, nil
}

// comparisons are the operators that compare a value with one of the query.
var comparisons = map[string]func(order int) bool{
	"eq": func(o int) bool { return o == 0 }, "ne": func(o int) bool { return o != 0 }, "neq": func(o int) bool { return o != 0 },
	"gt": func(o int) bool { return o > 0 }, "ge": func(o int) bool { return o >= 0 }, "lt": func(o int) bool { return o < 0 }, "le": func(o int) bool { return o <= 0 },
}

func (p *fetchParser) condition(t *table, n node) (predicate, *refusal) {
	if n.attr("entityname") != "" {
		return nil, notImitated("a condition of another entity in FetchXML")
	}
	i, bad := t.columnNamed(n.attr("attribute"))
	if bad != nil {
		return nil, bad
	}
	c := &t.Columns[i]
	operator := n.attr("operator")
	values := []string{}
	for _, v := range n.Nodes {
		values = append(values, v.Text)
	}
	if v := n.attr("value"); v != "" || len(values) == 0 {
		values = append(values, v)
	}
	for k, v := range values {
		if values[k] = strings.ToLower(strings.Trim(v, "{}")); c.Type == "Boolean" && (v == "0" || v == "1") {
			values[k] = map[string]string{"0": "false", "1": "true"}[v]
		}
	}
	text := func(r *row) string { return strings.ToLower(gjson.ParseBytes(r.value(i)).String()) }
	set := func(r *row) bool { return r.value(i) != nil }
	head, negated := strings.CutPrefix(operator, "not-")
	var test predicate
	switch head {
	case "null":
		return func(r *row) bool { return set(r) == negated }, nil
	case "like":
		test = func(r *row) bool { return like(text(r), values[0]) }
	case "begins-with", "begin-with":
		test = func(r *row) bool { return strings.HasPrefix(text(r), values[0]) }
	case "ends-with", "end-with":
		test = func(r *row) bool { return strings.HasSuffix(text(r), values[0]) }
	case "in":
		test = func(r *row) bool { return slices.Contains(values, text(r)) }
	case "between":
		if len(values) != 2 {
			return nil, badFetch("the operator between wants two values.")
		}
		test = func(r *row) bool { return c.order(r.value(i), values[0]) >= 0 && c.order(r.value(i), values[1]) <= 0 }
	case "eq-userid":
		test = func(r *row) bool { return text(r) == p.by }
	default:
		compare := comparisons[operator]
		if compare == nil {
			return nil, notImitated("the operator '" + operator + "' in FetchXML")
		}
		if !c.fits(values[0]) {
			return nil, &refusal{400, "0x80040203", "The value '" + values[0] + "' of the condition does not fit the attribute '" + c.Name + "'."}
		}
		ne := operator == "ne" || operator == "neq" // an empty column is not equal
		return func(r *row) bool {
			if !set(r) {
				return ne
			}
			return compare(c.order(r.value(i), values[0]))
		}, nil
	}
	return func(r *row) bool {
		if !set(r) {
			return negated && head != "between"
		}
		return test(r) != negated
	}, nil
}

// like matches % for any text and _ for one character.
func like(s, pattern string) bool {
	if pattern == "" {
		return s == ""
	}
	switch pattern[0] {
	case '%':
		for i := 0; i <= len(s); i++ {
			if like(s[i:], pattern[1:]) {
				return true
			}
		}
		return false
	case '_':
		return s != "" && like(s[1:], pattern[1:])
	}
	return s != "" && s[0] == pattern[0] && like(s[1:], pattern[1:])
}
