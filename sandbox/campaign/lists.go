package campaign

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// lineContext is the context that _lineStart is sealed in, so that no client can make
// one up.
const lineContext = "line"

// page is one page of a list.
type page struct {
	rows  []view
	after int64 // position after the last row
	more  bool
}

// list serves a collection, its filters and its counts (§4.5, §4.6).
func (s *Server) list(w http.ResponseWriter, r *http.Request, to target) {
	filters, counting := to.tail, false
	if n := len(filters); n > 0 && filters[n-1] == "_count" {
		filters, counting = filters[:n-1], true
	}
	q, bad := parseQuery(r.URL.RawQuery)
	var c *condition
	if bad == nil {
		c, bad = s.condition(to.table, filters, q)
	}
	s.count(Calls{Read: 1})
	if bad != nil {
		s.fail(w, bad)
		return
	}
	if counting {
		sendCount(w, to.table.matching(c))
		return
	}
	p, bad := s.page(to.table, c, q)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	at := s.place(r, to.api, to.table.Name)
	send(w, http.StatusOK, s.envelope(s.rows(at, to.table, p), at, to.table, filters, c, q, p))
}

// rows is the beginning of a list, up to the end of its records.
func (s *Server) rows(at place, t *table, p page) []byte {
	b := append(make([]byte, 0, 2048*(len(p.rows)+1)), `{"content":[`...)
	for i, v := range p.rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.encode(b, at, t, v)
	}
	return append(b, ']')
}

// envelope appends count, next and serverSidePagination. There is a slash after the
// resource and another before a filter, as in Campaign's own links.
func (s *Server) envelope(b []byte, at place, t *table, filters []string, c *condition, q query, p page) []byte {
	base := at.base + "/"
	if len(filters) > 0 {
		base += "/" + strings.Join(filters, "/") + "/"
	}
	big := t.live.Load() > int64(s.o.BigTable)
	b = append(b, `,"count":{"href":`...)
	count := base + "_count"
	if params := q.encode("_lineCount", "_lineStart", "_order", "_forcePagination"); params != "" {
		count += "?" + params
	}
	b = appendString(b, count)
	if !big || c.all() || c.keyed { // to count the matches of a filter, the whole table has to be read
		b = strconv.AppendInt(append(b, `,"value":`...), t.matching(c), 10)
	}
	b = append(b, '}')
	paged := !big || q.forced()
	if p.more && paged {
		without := []string{"_lineCount", "_lineStart"}
		if !s.o.NextKeepsForcePagination {
			without = append(without, "_forcePagination")
		}
		next := strings.TrimSuffix(base, "/")
		if len(filters) == 0 {
			next = base
		}
		next += "?_lineCount=" + strconv.Itoa(q.lines(s.o.MaxLineCount)) + "&_lineStart=" + string(s.seal.append(nil, lineContext, p.after))
		if params := q.encode(without...); params != "" {
			next += "&" + params
		}
		b = append(appendString(append(b, `,"next":{"href":`...), next), '}')
	}
	b = append(b, `,"serverSidePagination":`...)
	return append(strconv.AppendBool(b, paged), '}')
}

// matching counts the records for which a condition holds.
func (t *table) matching(c *condition) int64 {
	if c.all() && !t.hides {
		return t.live.Load()
	}
	var n int64
	t.each(c, 0, func(int64, view) bool { n++; return true })
	return n
}

// each visits matching records in order of insertion, from a position on.
func (t *table) each(c *condition, from int64, visit func(at int64, v view) bool) {
	if c.keyed {
		if found, ok := t.find(c.exact); ok && found.id > from {
			if v, ok := t.read(found); ok && c.holds(v) && (c.hidden || !t.hiddenView(v)) {
				visit(found.id-1, v)
			}
		}
		return
	}
	rows := t.snapshot()
	for i := from; i < int64(len(rows)); i++ {
		if v, ok := t.read(rows[i]); ok && c.holds(v) && (c.hidden || !t.hiddenView(v)) && !visit(i, v) {
			return
		}
	}
}

func (s *Server) page(t *table, c *condition, q query) (page, *problem) {
	var from int64
	if start, given := q.get("_lineStart"); given {
		n, ok := s.seal.open(lineContext, start)
		if !ok {
			return page{}, refused("XTK-170006 Unable to parse expression '%s'", start)
		}
		from = n
	}
	lines := q.lines(s.o.MaxLineCount)
	if order, given := q.get("_order"); given {
		return t.sorted(c, order, from, lines)
	}
	var p page
	t.each(c, from, func(at int64, v view) bool {
		if len(p.rows) == lines {
			p.more = true
			return false
		}
		p.rows, p.after = append(p.rows, v), at+1
		return true
	})
	return p, nil
}

// sorted pages through records in order of a field. Positions then count sorted
// records.
func (t *table) sorted(c *condition, order string, from int64, lines int) (page, *problem) {
	name, descending := strings.CutSuffix(order, " desc")
	i, ok := t.byName[name]
	if !ok || t.Fields[i].Hidden || t.Fields[i].Type == Link || t.Fields[i].Type == Collection || t.Fields[i].Computed != "" {
		return page{}, t.unknown(name)
	}
	key := func(v view) string { return value(v.data, i) }
	switch name {
	case "created":
		key = func(v view) string { return wire(v.created) }
	case "lastModified":
		key = func(v view) string { return wire(v.modified) }
	}
	var rows []view
	t.each(c, 0, func(_ int64, v view) bool { rows = append(rows, v); return true })
	slices.SortStableFunc(rows, func(a, b view) int {
		if descending {
			a, b = b, a
		}
		return cmp.Compare(key(a), key(b))
	})
	from = min(from, int64(len(rows)))
	end := min(from+int64(lines), int64(len(rows)))
	return page{rows: rows[from:end], after: end, more: end < int64(len(rows))}, nil
}

// column serves one attribute of many records, without a count (§4.2).
func (s *Server) column(w http.ResponseWriter, r *http.Request, to target) {
	s.count(Calls{Read: 1})
	t, name := to.table, to.tail[0]
	q, bad := parseQuery(r.URL.RawQuery)
	var p page
	if bad == nil {
		p, bad = s.page(t, &condition{}, q)
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	f := &t.Fields[t.byName[name]]
	st := step{field: f, index: t.byName[name], blank: f.blank()}
	values := make([]string, len(t.Fields))
	b := []byte(`{"content":[`)
	for i, v := range p.rows {
		if i > 0 {
			b = append(b, ',')
		}
		unpack(v.data, values)
		if text := st.text(t, values, v, s.o.Clock.Now()); f.bare() {
			b = append(b, text...)
		} else {
			b = appendString(b, text)
		}
	}
	b = append(b, ']')
	if p.more && (q.forced() || t.live.Load() <= int64(s.o.BigTable)) {
		next := s.place(r, to.api, t.Name).base + "/" + name + "?_lineCount=" + strconv.Itoa(q.lines(s.o.MaxLineCount)) +
			"&_lineStart=" + string(s.seal.append(nil, lineContext, p.after))
		b = append(appendString(append(b, `,"next":{"href":`...), next), '}')
	}
	send(w, http.StatusOK, append(b, '}'))
}
