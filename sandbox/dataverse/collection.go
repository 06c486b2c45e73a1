package dataverse

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// take returns up to n rows after the cookie, and whether more follow.
func (rd *reading) take(n int) (rows []*row, more bool) {
	t := rd.t
	if rd.byKey() {
		t.scan(rd.at.Last, func(r *row) bool {
			switch {
			case rd.filter != nil && !rd.filter(r):
			case len(rows) == n:
				more = true
				return false
			default:
				rows = append(rows, r)
			}
			return true
		})
		return rows, more
	}
	t.scan("", func(r *row) bool {
		if rd.filter == nil || rd.filter(r) {
			if rd.at.Page == 0 || rd.compare(rd.orderOf(r), r.key, rd.at.Order, rd.at.Last) > 0 {
				rows = append(rows, r)
			}
		}
		return true
	})
	slices.SortFunc(rows, func(a, b *row) int { return rd.compare(rd.orderOf(a), a.key, rd.orderOf(b), b.key) })
	if len(rows) > n {
		return rows[:n], true
	}
	return rows, false
}

func (rd *reading) orderOf(r *row) []string {
	out := make([]string, len(rd.order))
	for i, c := range rd.order {
		if r.value(c) != nil {
			out[i] = strings.ToLower(gjson.ParseBytes(r.value(c)).String())
		}
	}
	return out
}

func (rd *reading) compare(a []string, aKey string, b []string, bKey string) int {
	for i := range rd.order {
		if i >= len(a) || i >= len(b) {
			break
		}
		o := strings.Compare(a[i], b[i])
		if rd.t.Columns[rd.order[i]].number() && a[i] != "" && b[i] != "" {
			x, _ := strconv.ParseFloat(a[i], 64)
			y, _ := strconv.ParseFloat(b[i], 64)
			o = cmp.Compare(x, y)
		}
		if rd.desc[i] {
			o = -o
		}
		if o != 0 {
			return o
		}
	}
	return strings.Compare(aKey, bKey)
}

// collection serves a page of an entity set.
func (s *Server) collection(w http.ResponseWriter, r *http.Request, t *table) {
	if s.namedQuery(w, r, t) {
		return
	}
	rd, bad := s.parseReading(r, t)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	if token := r.URL.Query().Get("$deltatoken"); token != "" || rd.at.Delta > 0 {
		s.delta(w, r, rd, token)
		return
	}
	if rd.track && !s.tracks(r, t) {
		s.fail(w, untracked(t))
		return
	}
	if bad := s.whole(t); rd.track && bad != nil {
		s.fail(w, bad)
		return
	}
	size := rd.size
	if _, small := s.o.Faults.Named("dataverse", "small_page", r); small {
		size = max(1, size/2)
	}
	if rd.top > 0 {
		size = min(rd.top, size)
	}
	defer s.rlock(rd)()
	rows, more := rd.take(size)
	if rd.top > 0 {
		more = false
	}
	next := rd.at
	next.Page, next.Track = max(1, rd.at.Page)+1, rd.track
	if _, empty := s.o.Faults.Named("dataverse", "empty_page_with_next", r); empty && len(rows) > 0 {
		rows, more = nil, true
	} else if _, repeat := s.o.Faults.Named("dataverse", "repeat_record", r); repeat && more && len(rows) > 1 {
		rows = rows[:len(rows):len(rows)]
		s.position(rd, &next, rows[len(rows)-2]) // the next page repeats the last row
	} else if len(rows) > 0 {
		s.position(rd, &next, rows[len(rows)-1])
	}
	b := s.open(r, t, rd, "")
	if rd.count {
		b = fmt.Appendf(b, `,"@odata.count":%d`, min(5000, s.countRows(rd)))
	}
	switch {
	case more:
		b = fmt.Appendf(b, `,"@odata.nextLink":%s`, quote(rd.link("$skiptoken="+next.encode())))
	case rd.track:
		b = fmt.Appendf(b, `,"@odata.deltaLink":%s`, quote(rd.link("$deltatoken="+s.deltaToken())))
	}
	rd.applied(w)
	s.rows(w, r, b, rd, rows, nil)
}

func (s *Server) position(rd *reading, c *cookie, last *row) {
	c.Last = last.key
	if !rd.byKey() {
		c.Order = rd.orderOf(last)
	}
}

func (s *Server) countRows(rd *reading) int64 {
	if rd.filter == nil {
		return int64(rd.t.size())
	}
	var n int64
	rd.t.scan("", func(r *row) bool {
		if rd.filter(r) {
			n++
		}
		return true
	})
	return n
}

// appendQuoted writes a text as JSON. Most have nothing to escape.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' {
			return append(b, marshalled(s)...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func quote(s string) []byte { return appendQuoted(make([]byte, 0, len(s)+2), s) }

func marshalled(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return []byte(`""`)
	}
	return []byte(strings.ReplaceAll(string(b), `\u0026`, "&"))
}

func (s *Server) open(r *http.Request, t *table, rd *reading, suffix string) []byte {
	b := make([]byte, 0, 64<<10)
	return fmt.Appendf(b, `{"@odata.context":"%s/$metadata#%s%s%s"`, base(r), t.EntitySet, inBrackets(rd.shape), suffix)
}

// rows writes the rows and completes the answer.
func (s *Server) rows(w http.ResponseWriter, r *http.Request, b []byte, rd *reading, rows []*row, deleted []string) {
	b = append(b, `,"value":[`...)
	for i, one := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.appendEntity(b, rd, "", one)
	}
	for i, key := range deleted {
		if i > 0 || len(rows) > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"@odata.context":"%s/$metadata#%s/$deletedEntity","id":%q,"reason":"deleted"}`, base(r), rd.t.EntitySet, key)
	}
	s.json(w, http.StatusOK, append(b, "]}"...))
}
