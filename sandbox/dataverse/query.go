package dataverse

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

const maxPage = 5000

// cookie is the position inside a skiptoken: the values and key of the last row
// served, or the version reached by a delta. It is no snapshot (§3).
type cookie struct {
	Page  int      `json:"n"`
	Last  string   `json:"k,omitempty"`
	Order []string `json:"o,omitempty"`
	Track bool     `json:"t,omitempty"`
	Delta int64    `json:"d,omitempty"`
	Gone  int      `json:"g,omitempty"`
}

func (c cookie) encode() string {
	raw, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	tracking := "False"
	if c.Track {
		tracking = "True"
	}
	inner := url.QueryEscape(url.QueryEscape(`<cookie page="` + base64.RawURLEncoding.EncodeToString(raw) + `" />`))
	return "%3Ccookie%20pagenumber=%22" + strconv.Itoa(c.Page) + "%22%20pagingcookie=%22" + inner + "%22%20istracking=%22" + tracking + "%22%20/%3E"
}

func decodeCookie(token string) (cookie, bool) {
	var c cookie
	_, rest, ok := strings.Cut(token, `pagingcookie="`)
	if !ok {
		return c, false
	}
	inner, _, _ := strings.Cut(rest, `"`)
	for range 2 {
		if decoded, err := url.QueryUnescape(inner); err == nil {
			inner = decoded
		}
	}
	_, rest, _ = strings.Cut(inner, `page="`)
	text, _, _ := strings.Cut(rest, `"`)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	return c, err == nil && json.Unmarshal(raw, &c) == nil
}

// reading is a collection request, parsed.
type reading struct {
	t        *table
	selected []int
	sel      string // $select as written
	filter   predicate
	rawQuery string // options to repeat in links
	order    []int
	desc     []bool
	top      int
	count    bool
	size     int
	track    bool
	labels   bool
	at       cookie
	base     string
}

func (s *Server) parseReading(r *http.Request, t *table) (*reading, *refusal) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &refusal{400, "0x80060888", "The query cannot be parsed."}
	}
	rd := &reading{t: t, size: maxPage, base: "https://" + r.Host + r.URL.EscapedPath()}
	prefer := strings.Join(r.Header.Values("Prefer"), ",")
	for p := range strings.SplitSeq(prefer, ",") {
		p = strings.TrimSpace(p)
		if n, ok := strings.CutPrefix(p, "odata.maxpagesize="); ok {
			size, err := strconv.Atoi(n)
			if err != nil || size < 1 {
				return nil, &refusal{400, "0x80060888", "odata.maxpagesize must be a positive number."}
			}
			rd.size = min(size, maxPage)
		}
		rd.track = rd.track || p == "odata.track-changes"
		rd.labels = rd.labels || strings.HasPrefix(p, "odata.include-annotations")
	}
	var keep []string
	for name, values := range q {
		v := values[0]
		switch name {
		case "$select":
			rd.sel = v
			keep = append(keep, "$select="+v)
		case "$filter":
			keep = append(keep, "$filter="+url.PathEscape(v))
			var bad *refusal
			if rd.filter, bad = t.parseFilter(v); bad != nil {
				return nil, bad
			}
		case "$orderby":
			keep = append(keep, "$orderby="+url.PathEscape(v))
			if bad := rd.parseOrder(v); bad != nil {
				return nil, bad
			}
		case "$top":
			if rd.top, err = strconv.Atoi(v); err != nil || rd.top < 1 {
				return nil, &refusal{400, "0x80060888", "Invalid value '" + v + "' for $top query option found."}
			}
		case "$count":
			rd.count = v == "true"
		case "$skiptoken":
			var ok bool
			if rd.at, ok = decodeCookie(v); !ok {
				return nil, &refusal{400, "0x8004112a", "The paging cookie is malformed."}
			}
			rd.track = rd.track || rd.at.Track
		case "$deltatoken", "tag":
		default:
			return nil, &refusal{400, "0x80060888", "The query parameter " + name + " is not supported"}
		}
	}
	if rd.track {
		for _, option := range []string{"$filter", "$orderby", "$expand", "$top"} {
			if q.Has(option) {
				return nil, &refusal{400, "0x80060888", fmt.Sprintf("The \"%s\" query parameter isn't supported when Change Tracking is enabled.", option)}
			}
		}
	}
	slices.Sort(keep)
	rd.rawQuery = strings.Join(keep, "&")
	return rd, rd.parseSelect()
}

func (rd *reading) parseSelect() *refusal {
	if rd.sel == "" {
		for i := range rd.t.Columns {
			rd.selected = append(rd.selected, i)
		}
		return nil
	}
	for name := range strings.SplitSeq(rd.sel, ",") {
		i, ok := rd.t.byProp[strings.TrimSpace(name)]
		if !ok {
			return &refusal{400, "0x80060888", "Could not find a property named '" + name + "' on type 'Microsoft.Dynamics.CRM." + rd.t.LogicalName + "'."}
		}
		rd.selected = append(rd.selected, i)
	}
	return nil
}

func (rd *reading) parseOrder(v string) *refusal {
	for part := range strings.SplitSeq(v, ",") {
		name, direction, _ := strings.Cut(strings.TrimSpace(part), " ")
		i, ok := rd.t.byProp[name]
		if !ok || direction != "" && direction != "asc" && direction != "desc" {
			return &refusal{400, "0x80060888", "The $orderby expression '" + part + "' is not valid."}
		}
		rd.order, rd.desc = append(rd.order, i), append(rd.desc, direction == "desc")
	}
	return nil
}

// byKey says that the natural order serves.
func (rd *reading) byKey() bool {
	return len(rd.order) == 0 || (len(rd.order) == 1 && !rd.desc[0] && rd.t.Columns[rd.order[0]].Name == rd.t.Key)
}

// take returns up to n rows behind the cookie, and whether more follow.
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
		s.fail(w, &refusal{400, "0x80072491", "Entity " + t.LogicalName + " isn't enabled for change tracking."})
		return
	}
	size := rd.size
	if _, small := s.o.Faults.Named("dataverse", "small_page", r); small {
		size = max(1, size/2)
	}
	if rd.top > 0 {
		size = min(rd.top, size)
	}
	t.rlock()
	defer t.runlock()
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
		s.position(rd, &next, rows[len(rows)-2]) // the last row comes again
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
		w.Header().Add("Preference-Applied", "odata.track-changes")
		b = fmt.Appendf(b, `,"@odata.deltaLink":%s`, quote(rd.link("$deltatoken="+s.deltaToken())))
	}
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

func (rd *reading) link(token string) string {
	if rd.rawQuery == "" {
		return rd.base + "?" + token
	}
	return rd.base + "?" + rd.rawQuery + "&" + token
}

func quote(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return []byte(`""`)
	}
	return []byte(strings.ReplaceAll(string(b), `\u0026`, "&"))
}

func (s *Server) open(r *http.Request, t *table, rd *reading, suffix string) []byte {
	b := make([]byte, 0, 64<<10)
	return fmt.Appendf(b, `{"@odata.context":"https://%s/api/data/v9.2/$metadata#%s(%s)%s"`, r.Host, t.EntitySet, rd.sel, suffix)
}

// rows ends a collection answer.
func (s *Server) rows(w http.ResponseWriter, r *http.Request, b []byte, rd *reading, rows []*row, deleted []string) {
	b = append(b, `,"value":[`...)
	for i, one := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = rd.t.appendRow(b, "", one, rd.selected, rd.labels)
	}
	for i, key := range deleted {
		if i > 0 || len(rows) > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"@odata.context":"https://%s/api/data/v9.2/$metadata#%s/$deletedEntity","id":%q,"reason":"deleted"}`, r.Host, rd.t.EntitySet, key)
	}
	s.json(w, http.StatusOK, append(b, "]}"...))
}

// tracks says whether changes of the table are tracked at this moment.
func (s *Server) tracks(r *http.Request, t *table) bool {
	_, off := s.o.Faults.Named("dataverse", "tracking_disabled", r)
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.tracked && !off
}

const tokenTime = "01/02/2006 15:04:05"

// deltaToken names the newest version and the time it was issued.
func (s *Server) deltaToken() string {
	return s.tokenAt(s.version.Load())
}

func (s *Server) tokenAt(version int64) string {
	text := strconv.FormatInt(version, 10) + "!" + s.o.Clock.Now().Format(tokenTime)
	return strings.ReplaceAll(strings.ToLower(url.QueryEscape(text)), "+", "%20")
}

// delta serves the changes behind a token: rows by version, then deletions (§4.3).
func (s *Server) delta(w http.ResponseWriter, r *http.Request, rd *reading, token string) {
	t := rd.t
	from := rd.at.Delta
	if token != "" {
		version, issued, ok := strings.Cut(token, "!")
		n, err := strconv.ParseInt(version, 10, 64)
		at, timeErr := time.Parse(tokenTime, issued)
		rule, expired := s.o.Faults.Named("dataverse", "expired_delta_link", r)
		switch {
		case !ok || err != nil || timeErr != nil:
			s.fail(w, &refusal{400, "0x80060888", "The delta token is malformed."})
			return
		case expired, s.o.Clock.Now().Sub(at) > s.o.Retention:
			status := s.o.ExpiredStatus
			if rule.Status != 0 {
				status = rule.Status
			}
			s.fail(w, &refusal{status, "0x80044352", "Version stamp associated with the client has expired. Please perform a full sync."})
			return
		}
		from = n
	}
	if !s.tracks(r, t) {
		s.fail(w, &refusal{400, "0x80072491", "Entity " + t.LogicalName + " isn't enabled for change tracking."})
		return
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	upTo := s.version.Load()
	start, _ := slices.BinarySearchFunc(t.log, from+1, func(l logged, v int64) int { return int(min(1, max(-1, l.version-v))) })
	var rows []*row
	var deleted []string
	reached, more := upTo, false
	for _, l := range t.log[start:] {
		current, exists := t.rows[l.key]
		stale := exists && current.version != l.version || !exists && !l.deleted
		if stale {
			continue
		}
		if len(rows)+len(deleted) == rd.size {
			more = true
			break
		}
		reached = l.version
		if exists {
			rows = append(rows, current)
		} else {
			deleted = append(deleted, l.key)
		}
	}
	if _, empty := s.o.Faults.Named("dataverse", "empty_page_with_next", r); empty && len(rows)+len(deleted) > 0 {
		rows, deleted, reached, more = nil, nil, max(from, 1), true
	}
	if _, unknown := s.o.Faults.Named("dataverse", "unknown_deletes", r); unknown {
		deleted = append(deleted, newKey(), newKey()) // a row made and deleted in between is reported so
	}
	b := s.open(r, t, rd, "/$delta")
	if more {
		next := cookie{Page: rd.at.Page + 1, Track: true, Delta: reached}
		b = fmt.Appendf(b, `,"@odata.nextLink":%s`, quote(rd.link("$skiptoken="+next.encode())))
	} else {
		b = fmt.Appendf(b, `,"@odata.deltaLink":%s`, quote(rd.link("$deltatoken="+s.tokenAt(upTo))))
	}
	s.rows(w, r, b, rd, rows, deleted)
}
