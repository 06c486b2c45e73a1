package dataverse

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const maxPage = 5000

// cookie is the position inside a skiptoken: the values and key of the last row that
// was served, or the version that a delta has reached. It is no snapshot (§3).
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

// reading is a parsed request for a collection.
type reading struct {
	t        *table
	selected []int
	sel      string    // $select as written
	sees     predicate // what the role shows; nil = everything
	filter   predicate
	request  *http.Request
	order    []int
	desc     []bool
	top      int
	count    bool
	size     int
	track    bool
	labels   bool
	lookups  bool
	paging   bool // cookies of FetchXML are wanted
	expand   []*expansion
	shape    string // what the context shows of $select and $expand
	root     string // address of the API

	preferences []string // that are followed
	at          cookie
}

// queryOf reads the query of a request. A semicolon separates nothing: it is part of an
// option in $expand.
func queryOf(r *http.Request) (url.Values, error) {
	return url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
}

func (s *Server) parseReading(r *http.Request, t *table) (*reading, *refusal) {
	q, err := queryOf(r)
	if err != nil {
		return nil, &refusal{400, "0x80060888", "The query cannot be parsed."}
	}
	rd := &reading{t: t, size: maxPage, request: r}
	for _, p := range preferences(r) {
		if n, ok := strings.CutPrefix(p, "odata.maxpagesize="); ok {
			size, err := strconv.Atoi(n)
			if err != nil || size < 1 {
				return nil, &refusal{400, "0x80060888", "odata.maxpagesize must be a positive number."}
			}
			rd.size = min(size, maxPage)
			rd.preferences = append(rd.preferences, p)
		}
		if p == "odata.track-changes" {
			rd.track, rd.preferences = true, append(rd.preferences, p)
		}
		if list, ok := strings.CutPrefix(p, "odata.include-annotations="); ok {
			rd.annotations(list)
			rd.preferences = append(rd.preferences, p)
		}
	}
	for name, values := range q {
		v := values[0]
		if len(values) > 1 {
			return nil, &refusal{400, "0x80060888", "Query option '" + name + "' was specified more than once, but it must be specified at most once."}
		}
		switch name {
		case "$select":
			if rd.sel = v; strings.TrimSpace(v) == "" {
				return nil, &refusal{400, "0x80060888", "The query option $select is empty."}
			}
		case "$expand":
			rd.root = base(r)
			if bad := rd.parseExpand(v); bad != nil {
				return nil, bad
			}
		case "$filter":
			var bad *refusal
			if rd.filter, bad = t.parseFilter(v); bad != nil {
				return nil, bad
			}
		case "$orderby":
			if bad := rd.parseOrder(v); bad != nil {
				return nil, bad
			}
		case "$top":
			if rd.top, err = strconv.Atoi(v); err != nil || rd.top < 1 {
				return nil, &refusal{400, "0x80060888", "Invalid value '" + v + "' for $top query option found."}
			}
		case "$count":
			if rd.count = v == "true"; !rd.count && v != "false" {
				return nil, &refusal{400, "0x80060888", "Invalid value '" + v + "' for $count query option found. Valid values are 'true' and 'false'."}
			}
		case "$skiptoken":
			var ok bool
			if rd.at, ok = decodeCookie(v); !ok {
				return nil, &refusal{400, "0x8004112a", "The paging cookie is malformed."}
			}
			rd.track = rd.track || rd.at.Track
		case "$apply":
			return nil, notImitated("$apply")
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
	bad := rd.parseSelect()
	if bad == nil {
		rd.sees, bad = s.sees(t)
		rd.filter = both(rd.sees, rd.filter)
	}
	rd.shape = rd.shapeOf()
	return rd, bad
}

// link is the address of what comes next. It repeats the options of the request.
func (rd *reading) link(token string) string {
	q, err := queryOf(rd.request)
	if err != nil {
		return "" // parseReading has read it
	}
	var keep []string
	for _, name := range []string{"$expand", "$filter", "$orderby"} {
		if q.Has(name) {
			keep = append(keep, name+"="+url.PathEscape(q.Get(name)))
		}
	}
	if q.Has("$select") {
		keep = append(keep, "$select="+q.Get("$select"))
	}
	return "https://" + rd.request.Host + rd.request.URL.EscapedPath() + "?" + strings.Join(append(keep, token), "&")
}

func (rd *reading) parseSelect() *refusal {
	if rd.sel == "" {
		rd.selected = make([]int, 0, len(rd.t.Columns))
		for i := range rd.t.Columns {
			rd.selected = append(rd.selected, i)
		}
		return nil
	}
	rd.selected = make([]int, 0, strings.Count(rd.sel, ",")+1)
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

// byKey says that the rows come in key order, in which they are stored.
func (rd *reading) byKey() bool {
	return len(rd.order) == 0 || (len(rd.order) == 1 && !rd.desc[0] && rd.t.Columns[rd.order[0]].Name == rd.t.Key)
}
