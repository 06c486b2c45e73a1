package mapping

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
)

// The comparisons of a filter (R13.11).
const (
	isEquals         = "equals"
	isNotEquals      = "not_equals"
	isGreater        = "greater"
	isGreaterOrEqual = "greater_or_equal"
	isLess           = "less"
	isLessOrEqual    = "less_or_equal"
	isContains       = "contains"
	isBeginsWith     = "begins_with"
	isEmpty          = "empty"
	isNotEmpty       = "not_empty"
)

var comparisons = []string{isEquals, isNotEquals, isGreater, isGreaterOrEqual, isLess, isLessOrEqual, isContains, isBeginsWith, isEmpty, isNotEmpty}

// offered lists the comparisons that a kind of column has besides empty and not_empty.
func offered(kind SourceKind) []string {
	switch kind {
	case FromInteger, FromDecimal, FromInstant, FromLiteralTime, FromDate:
		return comparisons[:6]
	case FromText:
		return []string{isEquals, isNotEquals, isContains, isBeginsWith}
	case FromMultiChoice:
		return []string{isEquals, isNotEquals, isContains}
	}
	return []string{isEquals, isNotEquals}
}

// condition is a PlanCondition that is ready to be applied.
type condition struct {
	rule  string
	slot  int
	holds func(v gjson.Result) bool
}

// compile returns the comparison as a function. For an empty column only not_equals
// holds, as in Dynamics.
func (c *PlanCondition) compile() (func(v gjson.Result) bool, error) {
	switch c.Is {
	case isEmpty:
		return isBlank, nil
	case isNotEmpty:
		return func(v gjson.Result) bool { return !isBlank(v) }, nil
	}
	compare, err := c.comparison()
	if err != nil {
		return nil, err
	}
	blank := c.Is == isNotEquals
	return func(v gjson.Result) bool {
		if isBlank(v) {
			return blank
		}
		return compare(v)
	}, nil
}

func isBlank(v gjson.Result) bool {
	return v.Type == gjson.Null || v.Type == gjson.String && v.Str == ""
}

func (c *PlanCondition) comparison() (func(v gjson.Result) bool, error) {
	switch c.Source {
	case FromInteger, FromDecimal:
		want, ok := new(big.Rat).SetString(c.Value)
		if !ok {
			return nil, fmt.Errorf("%s: %q is not a number", c.Rule, c.Value)
		}
		return c.ordered(func(v gjson.Result) (int, bool) {
			got, ok := new(big.Rat).SetString(v.Raw)
			if v.Type != gjson.Number || !ok {
				return 0, false
			}
			return got.Cmp(want), true
		})
	case FromInstant, FromLiteralTime, FromDate:
		want, ok := parseMoment(c.Value)
		if !ok {
			return nil, fmt.Errorf("%s: %q is not a date", c.Rule, c.Value)
		}
		return c.ordered(func(v gjson.Result) (int, bool) { return compareMoments(v.Str, want, c.Source == FromLiteralTime) })
	case FromChoice, FromMultiChoice:
		return c.chosen(), nil
	}
	want := strings.ToLower(c.Value)
	switch c.Is {
	case isContains:
		return func(v gjson.Result) bool { return strings.Contains(strings.ToLower(v.Str), want) }, nil
	case isBeginsWith:
		return func(v gjson.Result) bool { return strings.HasPrefix(strings.ToLower(v.Str), want) }, nil
	}
	equal := func(v gjson.Result) bool { return strings.ToLower(v.String()) == want } // serves booleans and ids too
	if c.Is == isNotEquals {
		return func(v gjson.Result) bool { return !equal(v) }, nil
	}
	return equal, nil
}

// ordered makes the comparison out of an order of values. A value that cannot be
// ordered counts as different, and as neither greater nor less.
func (c *PlanCondition) ordered(order func(v gjson.Result) (int, bool)) (func(v gjson.Result) bool, error) {
	var holds func(sign int) bool
	switch c.Is {
	case isEquals:
		holds = func(n int) bool { return n == 0 }
	case isNotEquals:
		return func(v gjson.Result) bool { n, ok := order(v); return !ok || n != 0 }, nil
	case isGreater:
		holds = func(n int) bool { return n > 0 }
	case isGreaterOrEqual:
		holds = func(n int) bool { return n >= 0 }
	case isLess:
		holds = func(n int) bool { return n < 0 }
	case isLessOrEqual:
		holds = func(n int) bool { return n <= 0 }
	default:
		return nil, fmt.Errorf("%s: %s does not compare %s", c.Rule, c.Is, c.Source)
	}
	return func(v gjson.Result) bool { n, ok := order(v); return ok && holds(n) }, nil
}

// compareMoments orders a row's time and the wanted one, both in UTC. A wanted date
// without a time is compared with the date of the row's time.
func compareMoments(text string, want moment, literal bool) (int, bool) {
	got, ok := parseMoment(text)
	if literal {
		got.offset, want.offset = 0, 0
	}
	if ok {
		got, ok = got.utc()
	}
	if !ok {
		return 0, false
	}
	if !want.timed {
		got.hour, got.minute, got.second, got.milli = 0, 0, 0, 0
	} else if want, ok = want.utc(); !ok {
		return 0, false
	}
	return slices.Compare(got.parts(), want.parts()), true
}

func (m moment) parts() []int {
	return []int{m.year, m.month, m.day, m.hour, m.minute, m.second, m.milli}
}

// chosen compares a choice's number, or those of a multi-select choice as a set.
func (c *PlanCondition) chosen() func(v gjson.Result) bool {
	return func(v gjson.Result) bool {
		got, ok := choices(v)
		switch c.Is {
		case isContains:
			return ok && slices.ContainsFunc(c.Options, func(n int) bool { return slices.Contains(got, n) })
		case isEquals:
			return ok && c.isChoice(got)
		}
		return !ok || !c.isChoice(got)
	}
}

// isChoice says that the row holds the wanted choice. Of options that share a label
// any one will do.
func (c *PlanCondition) isChoice(got []int) bool {
	if c.Source == FromChoice {
		return len(got) == 1 && slices.Contains(c.Options, got[0])
	}
	slices.Sort(got)
	return slices.Equal(got, c.Options)
}

// choices reads the number of a choice, such as 3, or those of a multi-select
// choice, such as "2,3,8".
func choices(v gjson.Result) ([]int, bool) {
	text := v.Raw
	if v.Type == gjson.String {
		text = v.Str
	}
	var out []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}

// Excluded returns the rule of the filter that excludes a row, "" when none does. It
// compares the values as Dynamics sent them, before replacement and conversion
// (R13.10). The error is a *FieldError for a row that lacks a column of the filter.
func (m *Mapper) Excluded(raw []byte) (rule string, err error) {
	if len(m.conditions) == 0 {
		return "", nil
	}
	scratch := m.scratch.Get().(*[]gjson.Result)
	defer m.release(scratch)
	slots := *scratch
	if err := m.scan(raw, slots); err != nil {
		return "", err
	}
	for i := range m.conditions {
		c := &m.conditions[i]
		v := slots[c.slot]
		if v.Raw == "" {
			return "", &FieldError{From: c.rule, To: m.targetKey, Reason: apierr.ReasonInvalidValue, Detail: missingColumn.detail}
		}
		switch held := c.holds(v); {
		case held && m.any:
			return "", nil
		case !held && !m.any:
			return c.rule, nil
		}
	}
	if m.any {
		return "filter: none of its conditions holds", nil
	}
	return "", nil
}

// resolveFilter checks each condition against the table.
func (r *resolver) resolveFilter() []PlanCondition {
	var out []PlanCondition
	for i, w := range r.table.Filter.Where {
		path := fmt.Sprintf("filter.where[%d]", i)
		if w.Column == "" || !slices.Contains(comparisons, w.Is) {
			continue // Check has reported it
		}
		column, kind, ok := r.source(path+".column", w.Column)
		if !ok {
			continue
		}
		c := PlanCondition{Property: r.property(w.Column, kind), Source: kind, Is: w.Is, Rule: path + ": " + strings.TrimSpace(w.Column+" "+w.Is)}
		if w.Is == isEmpty || w.Is == isNotEmpty {
			out = append(out, c)
			continue
		}
		if allowed := offered(kind); !slices.Contains(allowed, w.Is) {
			r.add(path+".is", fmt.Sprintf("%s for %s, a column of type %s", w.Is, w.Column, column.Type),
				strings.Join(append(slices.Clone(allowed), isEmpty, isNotEmpty), ", "), "choose another comparison") // R13.11
			continue
		}
		if w.Value == "" {
			continue
		}
		if kind == FromChoice || kind == FromMultiChoice {
			c.Options = r.options(path+".value", w, kind, column)
			ok = c.Options != nil
		} else if c.Value, ok = rawText(kind, column, w.Value); !ok {
			r.add(path+".value", strconv.Quote(w.Value), rawForm(kind), "compare "+w.Column+" with such a value")
		}
		if ok {
			out = append(out, c)
		}
	}
	return out
}

// options finds the choices that a condition names, sorted. Equals on a multi-select
// choice may name several, joined by semicolons; any other condition names one.
func (r *resolver) options(path string, w Condition, kind SourceKind, column Column) []int {
	parts := []string{w.Value}
	if kind == FromMultiChoice && w.Is != isContains {
		parts = strings.Split(w.Value, ";")
	}
	var out []int
	for _, part := range parts {
		found := optionsOf(column, strings.TrimSpace(part))
		if n, err := strconv.Atoi(strings.TrimSpace(part)); err == nil {
			if _, known := column.Options[n]; known {
				found = []int{n}
			}
		}
		if len(found) == 0 {
			r.unknownOption(path, part, w.Column, column)
			return nil
		}
		out = append(out, found...)
	}
	slices.Sort(out)
	return out
}
