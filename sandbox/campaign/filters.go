package campaign

import (
	"strings"
	"unicode/utf8"
)

// condition holds the tests of chained filters, all of which must hold. exact is the
// business key when it alone decides.
type condition struct {
	hidden bool // include records that Campaign does not show
	tests  []func(view) bool
	exact  string
	keyed  bool
}

func (c *condition) holds(v view) bool {
	for _, test := range c.tests {
		if !test(v) {
			return false
		}
	}
	return true
}

func (c *condition) all() bool { return len(c.tests) == 0 && !c.keyed }

// keyFilter is the name of the filter by business key that every resource has here,
// such as byExternalId.
func (t *table) keyFilter() string {
	first, size := utf8.DecodeRuneInString(t.Key)
	return "by" + strings.ToUpper(string(first)) + t.Key[size:]
}

// filterParams lists the filters of a resource with their parameters (§4.5).
func (t *table) filterParams() map[string][]string {
	out := map[string][]string{
		t.keyFilter(): {t.Key + "_parameter"}, "byModifiedSince": {"since_parameter"},
	}
	if t.Schema == "nms:recipient" {
		out["byText"], out["byEmail"], out["byKeysProfile"] = []string{"text", "filterType"}, []string{"email"}, []string{"email"}
	}
	return out
}

func (t *table) isFilter(name string) bool {
	_, ok := t.filterParams()[name]
	return ok
}

// condition joins the filters of a path. A filter whose parameter is missing holds for
// every record.
func (t *table) condition(filters []string, q query) (*condition, *problem) {
	c := &condition{}
	for _, name := range filters {
		params, ok := t.filterParams()[name]
		if !ok {
			return nil, missingInBody("filter", "filter", name)
		}
		want, given := q.get(params[0])
		if !given {
			continue
		}
		if bad := t.add(c, name, want, q); bad != nil {
			return nil, bad
		}
	}
	return c, nil
}

func (t *table) add(c *condition, name, want string, q query) *problem {
	switch name {
	case t.keyFilter():
		if c.keyed && c.exact != want {
			c.tests = append(c.tests, func(view) bool { return false })
		}
		c.keyed, c.exact = true, want
	case "byModifiedSince":
		since, ok := parseTime(want)
		if !ok {
			return unconvertible(want, "datetime")
		}
		ms := since.UnixMilli()
		c.tests = append(c.tests, func(v view) bool { return v.modified >= ms })
	case "byEmail", "byKeysProfile":
		email := t.byName["email"]
		c.tests = append(c.tests, func(v view) bool { return value(v.data, email) == want })
	case "byText":
		fields, bad := t.textFields(q)
		if bad != nil {
			return bad
		}
		c.tests = append(c.tests, func(v view) bool { // matches prefixes only, with regard to case
			for _, f := range fields {
				if strings.HasPrefix(value(v.data, f), want) {
					return true
				}
			}
			return false
		})
	}
	return nil
}

func (t *table) textFields(q query) ([]int, *problem) {
	kind, given := q.get("filterType")
	switch {
	case !given:
		return []int{t.byName["email"], t.byName["lastName"]}, nil
	case kind == "email", kind == "firstName", kind == "lastName":
		return []int{t.byName[kind]}, nil
	}
	return nil, t.unknown(kind)
}
