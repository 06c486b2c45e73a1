package campaign

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
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

// namedFilters lists the filters of a resource with their parameters (§4.5).
func (t *table) namedFilters() map[string][]string {
	out := map[string][]string{
		t.keyFilter(): {t.Key + "_parameter"}, "byModifiedSince": {"since_parameter"},
	}
	if t.Schema == "nms:recipient" {
		out["byText"], out["byEmail"], out["byKeysProfile"] = []string{"text", "filterType"}, []string{"email"}, []string{"email"}
		out["profile"], out["subscribers"] = []string{"profile"}, []string{"service"}
		out["birthday"] = []string{"day", "month", "type", "precision", "operator", "includeStart", "endDay", "endMonth", "includeEnd", "relativeValue", "nextUnitsValue", "previousUnitsValue"}
		for name, param := range unimitated {
			out[name] = []string{param}
		}
	}
	if t.Schema == "nms:service" {
		out["byText"], out["byChannel"] = []string{"text"}, []string{"channel"}
	}
	return out
}

func (t *table) isFilter(name string) bool {
	_, ok := t.filters[name]
	return ok
}

// unimitated are the built-in filters that need audiences or the logs of deliveries,
// with their parameters.
var unimitated = map[string]string{
	"byStaticAudience": "audience", "hasClickedDelivery": "delivery", "hasOpenedDelivery": "delivery", "hasReceivedDelivery": "delivery",
}

// condition joins the filters of a path. A filter whose parameter is missing holds for
// every record.
func (s *Server) condition(t *table, filters []string, q query) (*condition, *problem) {
	c := &condition{}
	for _, name := range filters {
		params, ok := t.filters[name]
		if !ok {
			return nil, missingInBody("filter", "filter", name)
		}
		if _, not := unimitated[name]; not && t.Schema == "nms:recipient" {
			return nil, absent("the filter " + name)
		}
		want, given := q.get(params[0])
		if !given {
			continue
		}
		bad := t.add(c, name, want, q)
		if name == "profile" || name == "subscribers" {
			bad = s.addRelated(t, c, name, want)
		}
		if bad != nil {
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
	case "byChannel":
		channel := t.byName["messageType"]
		if bad := t.known(channel, want); bad != nil {
			return bad
		}
		c.tests = append(c.tests, func(v view) bool { return cmp.Or(value(v.data, channel), t.Fields[channel].Values[0]) == want })
	case "birthday":
		return t.birthday(c, q)
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

// birthday finds those who were born on a day of a month, whatever the year.
func (t *table) birthday(c *condition, q query) *problem {
	for _, p := range q {
		if slices.Contains(t.filters["birthday"][2:], p.name) && p.value != "" && (p.name != "operator" || p.value != "equal") {
			return absent("the filter birthday with " + p.name)
		}
	}
	day, _ := q.get("day")
	month, _ := q.get("month")
	d, bad1 := number(&Field{ResType: "byte"}, day)
	m, bad2 := number(&Field{ResType: "byte"}, month)
	if bad := cmp.Or(bad1, bad2); bad != nil {
		return bad
	}
	end, born := fmt.Sprintf("-%02s-%02s", m, d), t.byName["birthDate"]
	c.tests = append(c.tests, func(v view) bool { return strings.HasSuffix(value(v.data, born), end) })
	return nil
}

// known refuses a value that an enumeration lacks.
func (t *table) known(i int, want string) *problem {
	f := &t.Fields[i]
	_, bad := t.check(f, gjson.Result{Type: gjson.String, Str: want, Raw: want}, false)
	return bad
}

// addRelated adds the filters that name a record by its PKey.
func (s *Server) addRelated(t *table, c *condition, name, want string) *problem {
	target := map[string]string{"profile": "profile", "subscribers": "service"}[name]
	id, bad := s.resolve(target, want)
	if bad != nil {
		return bad
	}
	if name == "profile" {
		c.tests = append(c.tests, func(v view) bool { return strconv.FormatInt(v.id, 10) == id })
		return nil
	}
	subscriptions, subscribed := s.tables["subscription"], map[string]bool{}
	of := &condition{tests: []func(view) bool{func(v view) bool { return value(v.data, subscriptions.byName["service"]) == id }}}
	subscriptions.each(of, 0, func(_ int64, v view) bool {
		subscribed[value(v.data, subscriptions.byName["subscriber"])] = true
		return true
	})
	c.tests = append(c.tests, func(v view) bool { return subscribed[strconv.FormatInt(v.id, 10)] })
	return nil
}

func (t *table) textFields(q query) ([]int, *problem) {
	kind, given := q.get("filterType")
	if t.Schema == "nms:service" {
		return []int{t.byName["label"], t.byName["name"]}, nil
	}
	switch {
	case !given:
		return []int{t.byName["email"], t.byName["lastName"]}, nil
	case kind == "email", kind == "firstName", kind == "lastName":
		return []int{t.byName[kind]}, nil
	}
	return nil, t.unknown(kind)
}
