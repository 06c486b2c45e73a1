package campaign

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query holds the parameters of a list request, in order. A + means a plus, because
// Campaign wants %20 for a space (§4.6).
type query []param

type param struct{ name, value string }

func parseQuery(raw string) (query, *problem) {
	var q query
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err := url.PathUnescape(name)
		v, err2 := url.PathUnescape(value)
		if err != nil || err2 != nil {
			return nil, refused("XTK-170006 Unable to parse expression '%s'", part)
		}
		if n == "_lineCount" {
			if lines, err := strconv.Atoi(v); err != nil || lines < 1 || !decimal.MatchString(v) {
				return nil, unconvertible(v, "integer (32 bit)")
			}
		}
		if n == "$apply" || n == "_groupBy" || n == "_distinct" {
			return nil, absent("aggregates (" + n + ")")
		}
		q = append(q, param{n, v})
	}
	return q, nil
}

func (q query) get(name string) (string, bool) {
	for _, p := range q {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

func (q query) forced() bool { v, _ := q.get("_forcePagination"); return v == "true" }

// lines is the page size: 25 by default, and never above the maximum.
func (q query) lines(most int) int {
	text, _ := q.get("_lineCount")
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return min(n, most)
	}
	return min(25, most)
}

// encode writes the parameters that a link repeats.
func (q query) encode(without ...string) string {
	var parts []string
	for _, p := range q {
		if !slices.Contains(without, p.name) {
			parts = append(parts, escape(p.name)+"="+escape(p.value))
		}
	}
	return strings.Join(parts, "&")
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
