package campaign

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"

	"causeway.dev/sandbox/kit"
)

// selection is a list request after its filters.
type selection struct {
	rows []*row // copies
	more int64  // position behind the last one; 0 = no more
}

// list serves a collection, its filters and its counts (§4.5, §4.6).
func (s *Server) list(w http.ResponseWriter, r *http.Request, api string, t *table, filters []string) {
	counting := len(filters) > 0 && filters[len(filters)-1] == "_count"
	if counting {
		filters = filters[:len(filters)-1]
	}
	q := r.URL.Query()
	match, bad := t.filter(filters, q)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	s.count("read")
	if counting {
		kit.WriteJSON(w, http.StatusOK, map[string]int64{"count": t.matching(match)})
		return
	}
	lines := 25
	if n, err := strconv.Atoi(q.Get("_lineCount")); err == nil && n > 0 {
		lines = min(n, s.o.MaxLineCount)
	}
	sel, bad := t.page(q.Get("_lineStart"), q.Get("_order"), lines, match)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	path := strings.Join(filters, "/")
	base := s.href(r, api, t) + "/"
	if path != "" {
		base += "/" + path // the double slash is Campaign's
	}
	b := []byte(`{"content":[`)
	for i, row := range sel.rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.encode(b, r, api, t, row)
	}
	params := url.Values{}
	for name, v := range q {
		if !strings.HasPrefix(name, "_line") {
			params[name] = v
		}
	}
	encoded := strings.ReplaceAll(params.Encode(), "+", "%20")
	b = fmt.Appendf(b, `],"count":{"href":%q,"value":%d}`, base+"/_count?"+encoded, t.matching(match))
	big := t.count() > int64(s.o.BigTable)
	if sel.more > 0 && (!big || q.Get("_forcePagination") == "true") {
		next := fmt.Sprintf("%s?_lineCount=%d&_lineStart=%s", base, lines, cursor(sel.more))
		if encoded != "" {
			next += "&" + encoded
		}
		b = append(b, `,"next":{"href":`...)
		b = append(appendString(b, next), '}')
	}
	b = fmt.Appendf(b, `,"serverSidePagination":%t}`, !big || q.Get("_forcePagination") == "true")
	s.answer(w, http.StatusOK, b)
}

func cursor(at int64) string {
	return "@" + base64.RawURLEncoding.EncodeToString([]byte("line:"+strconv.FormatInt(at, 10)))
}

func position(cursor string) (int64, bool) {
	if cursor == "" {
		return 0, true
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(cursor, "@"))
	if err != nil {
		return 0, false
	}
	at, err := strconv.ParseInt(strings.TrimPrefix(string(raw), "line:"), 10, 64)
	return at, err == nil && at >= 0
}

// filter builds the condition of chained filters; all must hold.
func (t *table) filter(filters []string, q url.Values) (func(*row) bool, *problem) {
	var conditions []func(*row) bool
	value := func(r *row, field string) string { return r.values[t.byName[field]] }
	for _, f := range filters {
		switch f {
		case "by" + strings.ToUpper(t.Key[:1]) + t.Key[1:]:
			want := q.Get(t.Key + "_parameter")
			conditions = append(conditions, func(r *row) bool { return r.values[t.key] == want })
		case "byModifiedSince":
			since := q.Get("since_parameter")
			conditions = append(conditions, func(r *row) bool { return value(r, "lastModified") >= since })
		case "byEmail":
			want := q.Get("email")
			conditions = append(conditions, func(r *row) bool { return value(r, "email") == want })
		case "byText":
			want := q.Get("text") // prefix only, case matters
			conditions = append(conditions, func(r *row) bool {
				return strings.HasPrefix(value(r, "email"), want) || strings.HasPrefix(value(r, "lastName"), want)
			})
		default:
			return nil, &problem{404, restError + fmt.Sprintf("Unable to find document with path '%s' from key '%s:0' (document with schema 'filter' and name '%s')", t.Label, f, f)}
		}
	}
	return func(r *row) bool {
		for _, c := range conditions {
			if !c(r) {
				return false
			}
		}
		return true
	}, nil
}

func (t *table) matching(match func(*row) bool) int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var n int64
	for _, r := range t.order {
		if !r.gone && match(r) {
			n++
		}
	}
	return n
}

// page copies up to lines records behind a cursor.
func (t *table) page(start, order string, lines int, match func(*row) bool) (selection, *problem) {
	at, ok := position(start)
	if !ok {
		return selection{}, &problem{500, restError + "XTK-170006 Unable to parse expression '_lineStart'"}
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	rows := t.order
	if order != "" {
		name, descending := strings.CutSuffix(order, " desc")
		i, ok := t.byName[name]
		if !ok {
			return selection{}, &problem{500, restError + fmt.Sprintf("'%s' property is not valid for the '%s' resource.", name, t.Name)}
		}
		rows = append([]*row(nil), rows...)
		sort.SliceStable(rows, func(a, b int) bool {
			if descending {
				a, b = b, a
			}
			return rows[a].values[i] < rows[b].values[i]
		})
	}
	var sel selection
	for i := at; i < int64(len(rows)); i++ {
		r := rows[i]
		if r.gone || !match(r) {
			continue
		}
		if len(sel.rows) == lines {
			sel.more = i
			break
		}
		sel.rows = append(sel.rows, &row{id: r.id, values: append([]string(nil), r.values...)})
	}
	return sel, nil
}

// column serves one attribute of many records.
func (s *Server) column(w http.ResponseWriter, r *http.Request, api string, t *table, name string) {
	s.count("read")
	lines := 25
	if n, err := strconv.Atoi(r.URL.Query().Get("_lineCount")); err == nil && n > 0 {
		lines = min(n, s.o.MaxLineCount)
	}
	sel, bad := t.page(r.URL.Query().Get("_lineStart"), "", lines, func(*row) bool { return true })
	if bad != nil {
		s.fail(w, bad)
		return
	}
	values := make([]string, 0, len(sel.rows))
	for _, row := range sel.rows {
		values = append(values, row.values[t.byName[name]])
	}
	out := map[string]any{"content": values}
	if sel.more > 0 {
		out["next"] = map[string]string{"href": fmt.Sprintf("%s/%s?_lineCount=%d&_lineStart=%s", s.href(r, api, t), name, lines, cursor(sel.more))}
	}
	kit.WriteJSON(w, http.StatusOK, out)
}
