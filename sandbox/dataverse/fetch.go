package dataverse

import (
	"encoding/xml"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// node is an element of FetchXML.
type node struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Nodes   []node     `xml:",any"`
	Text    string     `xml:",chardata"`
}

func (n node) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// fetch is a parsed query in FetchXML.
type fetch struct {
	entity          *link
	top, page, size int
	cookie          string
	total, distinct bool
}

// link is the entity of a query, or one that is joined to another.
type link struct {
	t        *table
	alias    string // "" for the entity of the query
	from, to int    // columns of t and of the table around it
	outer    bool
	shown    []shown
	filter   predicate
	order    []int
	desc     []bool
	links    []*link
}

type shown struct {
	column int
	alias  string
}

// joined is a row of a result: one row of each link, nil for none.
type joined []*row

var badFetch = func(text string) *refusal { return &refusal{400, "0x80040201", "Invalid FetchXML: " + text} }

// namedQuery serves ?fetchXml=… and refuses views by id, of which the sandbox has none. It
// is false when the query names neither.
func (s *Server) namedQuery(w http.ResponseWriter, r *http.Request, t *table) bool {
	if !strings.Contains(r.URL.RawQuery, "fetchXml=") && !strings.Contains(r.URL.RawQuery, "Query=") {
		return false
	}
	q, err := queryOf(r)
	if err != nil {
		return false
	}
	for option, of := range map[string]string{"savedQuery": "savedquery", "userQuery": "userquery"} {
		id := q.Get(option)
		switch {
		case !q.Has(option):
			continue
		case !guidForm.MatchString(id):
			s.fail(w, &refusal{400, "0x80060888", "The value of " + option + " is not a valid GUID."})
		default:
			s.fail(w, &refusal{404, "0x80040217", of + " With Id = " + strings.ToLower(id) + " Does Not Exist"})
		}
		return true
	}
	if !q.Has("fetchXml") {
		return false
	}
	rd := &reading{t: t, size: maxPage}
	for _, p := range preferences(r) {
		if list, ok := strings.CutPrefix(p, "odata.include-annotations="); ok {
			rd.annotations(list)
			rd.preferences = append(rd.preferences, p)
			rd.paging = strings.Contains(list, "*") || strings.Contains(list, "fetchxmlpagingcookie")
		}
	}
	f, bad := s.parseFetch(r, t, q.Get("fetchXml"))
	if bad != nil {
		s.fail(w, bad)
		return true
	}
	s.rlockAll()
	defer s.runlockAll()
	s.answerFetch(w, r, rd, f)
	return true
}

func (s *Server) answerFetch(w http.ResponseWriter, r *http.Request, rd *reading, f *fetch) {
	all := f.run()
	rows, more := f.cut(all)
	b := fmt.Appendf(nil, `{"@odata.context":"%s/$metadata#%s%s"`, base(r), rd.t.EntitySet, inBrackets(f.names()))
	if f.total {
		b = fmt.Appendf(b, `,"@Microsoft.Dynamics.CRM.totalrecordcount":%d,"@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded":%t`, min(5000, len(all)), len(all) > 5000)
	}
	if rd.paging && f.top == 0 {
		b = fmt.Appendf(b, `,"@Microsoft.Dynamics.CRM.morerecords":%t`, more)
	}
	if rd.paging && more {
		b = append(append(b, `,"@Microsoft.Dynamics.CRM.fetchxmlpagingcookie":`...), quote(f.cookieAfter(rows))...)
	}
	b = append(b, `,"value":[`...)
	for i, one := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = f.entity.append(b, one, rd)
	}
	rd.applied(w)
	s.json(w, http.StatusOK, append(b, "]}"...))
}

// names are the columns of the entity itself, for the context.
func (f *fetch) names() string {
	var out []string
	for _, one := range f.entity.shown {
		if one.alias == "" {
			out = append(out, f.entity.t.Columns[one.column].property())
		}
	}
	return strings.Join(out, ",")
}

// all are the links in the order of a joined row.
func (l *link) all() []*link {
	out := []*link{l}
	for _, inner := range l.links {
		out = append(out, inner.all()...)
	}
	return out
}

// run finds the rows, in order.
func (f *fetch) run() []joined {
	var out []joined
	e := f.entity
	seen := map[string]bool{}
	e.t.scan("", func(r *row) bool {
		if e.filter != nil && !e.filter(r) {
			return true
		}
		for _, one := range e.join(r) {
			if f.distinct && seen[r.key] {
				break
			}
			seen[r.key] = true
			out = append(out, one)
		}
		return true
	})
	if len(e.order) > 0 {
		rd := e.reading()
		slices.SortStableFunc(out, func(a, b joined) int { return rd.compare(rd.orderOf(a[0]), a[0].key, rd.orderOf(b[0]), b[0].key) })
	}
	return out
}

func (l *link) reading() *reading { return &reading{t: l.t, order: l.order, desc: l.desc} }

// join adds to a row of l the rows of what is linked to it.
func (l *link) join(r *row) []joined {
	out := []joined{{r}}
	for _, inner := range l.links {
		var next []joined
		width := len(inner.all())
		for _, so := range out {
			found := false
			for _, other := range inner.match(r.value(inner.to)) {
				for _, more := range inner.join(other) {
					found = true
					next = append(next, append(slices.Clone(so), more...))
				}
			}
			if !found && inner.outer {
				next = append(next, append(slices.Clone(so), make(joined, width)...))
			}
		}
		out = next
	}
	return out
}

// match finds the rows of a link with a value in its column.
func (l *link) match(value []byte) []*row {
	if value == nil {
		return nil
	}
	var out []*row
	add := func(r *row) {
		if l.filter == nil || l.filter(r) {
			out = append(out, r)
		}
	}
	if l.from == l.t.system.key {
		if r, ok := l.t.find(linked(value)); ok {
			add(r)
		}
		return out
	}
	if n := slices.Index(l.t.links, l.from); n >= 0 && l.t.union == nil {
		for _, key := range slices.Sorted(slices.Values(l.t.byLink[n][linked(value)])) {
			add(l.t.rows[key])
		}
		return out
	}
	l.t.scan("", func(r *row) bool {
		if string(r.value(l.from)) == string(value) {
			add(r)
		}
		return true
	})
	return out
}

// cut takes the page that is asked for: by the cookie of the page before, or by its number.
func (f *fetch) cut(all []joined) (rows []joined, more bool) {
	if f.top > 0 {
		return all[:min(f.top, len(all))], false
	}
	start := (f.page - 1) * f.size
	if last := f.lastKey(); last != "" && len(f.entity.links) == 0 {
		if at := slices.IndexFunc(all, func(one joined) bool { return one[0].key == last }); at >= 0 {
			start = at + 1
		}
	}
	start = min(start, len(all))
	end := min(start+f.size, len(all))
	return all[start:end], end < len(all)
}

// lastKey is the row that the cookie names as the last of its page.
func (f *fetch) lastKey() string {
	_, rest, ok := strings.Cut(f.cookie, "<"+f.entity.t.Key+` last="{`)
	key, _, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return ""
	}
	return strings.ToLower(key)
}

// cookieAfter is the cookie of a page. The inner one is encoded twice.
func (f *fetch) cookieAfter(rows []joined) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<cookie page="%d">`, f.page)
	if len(rows) > 0 {
		first, last := rows[0][0], rows[len(rows)-1][0]
		for _, i := range f.entity.order {
			text := func(r *row) string { return html.EscapeString(gjson.ParseBytes(r.value(i)).String()) }
			fmt.Fprintf(&b, `<%s last="%s" first="%s" />`, f.entity.t.Columns[i].Name, text(last), text(first))
		}
		fmt.Fprintf(&b, `<%s last="{%s}" first="{%s}" />`, f.entity.t.Key, strings.ToUpper(last.key), strings.ToUpper(first.key))
	}
	b.WriteString("</cookie>")
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	return `<cookie pagenumber="` + strconv.Itoa(f.page+1) + `" pagingcookie="` + escape(escape(b.String())) + `" istracking="False" />`
}

// append writes a row. Empty columns are left out, as FetchXML does.
func (l *link) append(b []byte, one joined, rd *reading) []byte {
	b = fmt.Appendf(b, `{"@odata.etag":"W/\"%d\""`, one[0].version)
	keyed := false
	for i, part := range l.all() {
		if one[i] == nil {
			continue
		}
		for _, c := range part.shown {
			value := one[i].value(c.column)
			if value == nil {
				continue
			}
			column := &part.t.Columns[c.column]
			name := column.property()
			switch {
			case c.alias != "":
				name = c.alias
			case i > 0:
				name = part.alias + "." + column.Name
			default:
				keyed = keyed || column.Name == part.t.Key
				if len(column.Targets) > 0 {
					b = part.t.appendLookup(b, column, c.column, one[i], rd.labels, rd.lookups)
				} else if rd.labels {
					b = part.t.appendLabel(b, column, value)
				}
			}
			b = append(append(append(append(b, ','), quote(name)...), ':'), value...)
		}
	}
	if !keyed {
		b = fmt.Appendf(b, `,%q:%q`, l.t.Key, one[0].key)
	}
	return append(b, '}')
}
