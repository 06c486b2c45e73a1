package dataverse

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/tidwall/gjson"
)

// A $filter is parsed by recursive descent: or, and, not, then a comparison, a function
// or a parenthesis (§2.5).

type predicate func(*row) bool

type filterParser struct {
	t   *table
	src string
	pos int
	bad *refusal
}

func (t *table) parseFilter(src string) (predicate, *refusal) {
	if strings.TrimSpace(src) == "" {
		return nil, nil
	}
	p := &filterParser{t: t, src: src}
	f := p.or()
	if p.space(); p.bad == nil && p.pos != len(p.src) {
		p.fail("Syntax error at position " + strconv.Itoa(p.pos) + ".")
	}
	return f, p.bad
}

func (p *filterParser) fail(message string) {
	if p.bad == nil {
		p.bad = &refusal{400, "0x80060888", message}
	}
}

func (p *filterParser) space() {
	for p.pos < len(p.src) && p.src[p.pos] == ' ' {
		p.pos++
	}
}

// word reads a keyword or name if it comes next.
func (p *filterParser) word(want string) bool {
	p.space()
	rest := p.src[p.pos:]
	if !strings.HasPrefix(rest, want) {
		return false
	}
	if len(rest) > len(want) && isName(rest[len(want)]) {
		return false
	}
	p.pos += len(want)
	return true
}

func isName(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || unicode.IsLetter(rune(c))
}

func (p *filterParser) or() predicate {
	left := p.and()
	for p.bad == nil && p.word("or") {
		a, b := left, p.and()
		left = func(r *row) bool { return a(r) || b(r) }
	}
	return left
}

func (p *filterParser) and() predicate {
	left := p.unary()
	for p.bad == nil && p.word("and") {
		a, b := left, p.unary()
		left = func(r *row) bool { return a(r) && b(r) }
	}
	return left
}

func (p *filterParser) unary() predicate {
	if p.word("not") {
		inner := p.unary()
		return func(r *row) bool { return !inner(r) }
	}
	p.space()
	if p.pos < len(p.src) && p.src[p.pos] == '(' {
		p.pos++
		inner := p.or()
		if p.space(); p.pos >= len(p.src) || p.src[p.pos] != ')' {
			p.fail("A ')' is missing.")
			return inner
		}
		p.pos++
		return inner
	}
	return p.term()
}

func (p *filterParser) name() string {
	p.space()
	start := p.pos
	for p.pos < len(p.src) && isName(p.src[p.pos]) {
		p.pos++
	}
	return p.src[start:p.pos]
}

var never = func(*row) bool { return false }

func (p *filterParser) term() predicate {
	name := p.name()
	if p.pos < len(p.src) && p.src[p.pos] == '(' {
		return p.function(name)
	}
	if p.pos < len(p.src) && p.src[p.pos] == '/' {
		return p.along(name)
	}
	column, ok := p.t.byProp[name]
	if !ok {
		p.fail("Could not find a property named '" + name + "' on type 'Microsoft.Dynamics.CRM." + p.t.LogicalName + "'.")
		return never
	}
	op := p.name()
	p.space()
	text := p.pos < len(p.src) && p.src[p.pos] == '\''
	want, null := p.literal()
	p.fits(column, op, want, text, null)
	return p.compare(column, op, want, null)
}

// along is a condition on another row, which a lookup or a collection leads to. The
// service reads it, and the sandbox does not.
func (p *filterParser) along(name string) predicate {
	_, lookup := p.t.byNav[name]
	_, collection := p.t.backward(name)
	switch {
	case p.bad != nil:
	case lookup:
		p.bad = notImitated("a $filter along the lookup '" + name + "'")
	case collection:
		p.bad = notImitated("a $filter over the collection '" + name + "'")
	default:
		p.fail("Could not find a property named '" + name + "' on type 'Microsoft.Dynamics.CRM." + p.t.LogicalName + "'.")
	}
	return never
}

// fits refuses a value that is not of the column's type: the service compares only like
// with like.
func (p *filterParser) fits(column int, op, want string, text, null bool) {
	c := &p.t.Columns[column]
	kind := c.edmType()
	good := null
	switch {
	case null:
	case kind == "Edm.String":
		good = text
	case kind == "Edm.Guid":
		good = c.fits(want) // the quoted form is accepted too (§2.5)
	default:
		good = !text && c.fits(want)
	}
	if !good {
		p.fail("A binary operator with incompatible types was detected. Found operand types '" + kind + "' and '" + edmOf(want, text) + "' for operator kind '" + op + "'.")
	}
}

// edmOf names the type of a literal.
func edmOf(literal string, text bool) string {
	_, number := strconv.ParseFloat(literal, 64)
	_, moment := moments(literal)
	switch {
	case text:
		return "Edm.String"
	case number == nil:
		return "Edm.Decimal"
	case literal == "true" || literal == "false":
		return "Edm.Boolean"
	case guidForm.MatchString(literal):
		return "Edm.Guid"
	case moment:
		return "Edm.DateTimeOffset"
	}
	return "an unknown name"
}

// literal reads 'text', a number, a GUID, a date, true, false or null.
func (p *filterParser) literal() (value string, null bool) {
	p.space()
	if p.pos < len(p.src) && p.src[p.pos] == '\'' {
		var b strings.Builder
		for p.pos++; p.pos < len(p.src); p.pos++ {
			if p.src[p.pos] != '\'' {
				b.WriteByte(p.src[p.pos])
				continue
			}
			if p.pos+1 < len(p.src) && p.src[p.pos+1] == '\'' {
				b.WriteByte('\'')
				p.pos++
				continue
			}
			p.pos++
			return b.String(), false
		}
		p.fail("There is an unterminated string literal.")
		return "", false
	}
	start := p.pos
	for p.pos < len(p.src) && p.src[p.pos] != ' ' && p.src[p.pos] != ')' {
		p.pos++
	}
	value = p.src[start:p.pos]
	if value == "" {
		p.fail("A value is missing.")
	}
	return value, value == "null"
}

func (p *filterParser) compare(column int, op, want string, null bool) predicate {
	c := p.t.Columns[column]
	if null {
		switch op {
		case "eq":
			return func(r *row) bool { return r.value(column) == nil }
		case "ne":
			return func(r *row) bool { return r.value(column) != nil }
		}
		return never
	}
	var test func(order int) bool
	switch op {
	case "eq":
		test = func(o int) bool { return o == 0 }
	case "ne":
		test = func(o int) bool { return o != 0 }
	case "gt":
		test = func(o int) bool { return o > 0 }
	case "ge":
		test = func(o int) bool { return o >= 0 }
	case "lt":
		test = func(o int) bool { return o < 0 }
	case "le":
		test = func(o int) bool { return o <= 0 }
	default:
		p.fail("Unknown operator '" + op + "'.")
		return never
	}
	return func(r *row) bool { return r.value(column) != nil && test(c.order(r.value(column), want)) }
}

// order compares a stored literal with text. Numbers are compared as numbers, text
// without regard to case.
func (c Column) order(literal []byte, want string) int {
	v := gjson.ParseBytes(literal)
	if v.Type == gjson.Number {
		w, err := strconv.ParseFloat(want, 64)
		switch {
		case err != nil || v.Num < w:
			return -1
		case v.Num > w:
			return 1
		}
		return 0
	}
	return strings.Compare(strings.ToLower(v.String()), strings.ToLower(want))
}

// function reads contains, startswith, endswith and Microsoft.Dynamics.CRM.In.
func (p *filterParser) function(name string) predicate {
	end := strings.IndexByte(p.src[p.pos:], ')')
	if name == "Microsoft.Dynamics.CRM.In" {
		end = strings.Index(p.src[p.pos:], "])")
		if end >= 0 {
			end++
		}
	}
	if end < 0 {
		p.fail("A ')' is missing.")
		return never
	}
	args := p.src[p.pos+1 : p.pos+end]
	p.pos += end + 1
	if name == "Microsoft.Dynamics.CRM.In" {
		return p.in(args)
	}
	column, want, ok := strings.Cut(args, ",")
	i, known := p.t.byProp[strings.TrimSpace(column)]
	want = strings.ToLower(strings.ReplaceAll(strings.Trim(strings.TrimSpace(want), "'"), "''", "'"))
	var test func(s, part string) bool
	switch name {
	case "contains":
		test = strings.Contains
	case "startswith":
		test = strings.HasPrefix
	case "endswith":
		test = strings.HasSuffix
	}
	if !ok || !known || test == nil {
		p.fail("An unknown function with name '" + name + "' was found.")
		return never
	}
	return func(r *row) bool {
		return r.value(i) != nil && test(strings.ToLower(gjson.ParseBytes(r.value(i)).String()), want)
	}
}

func (p *filterParser) in(args string) predicate {
	head, list, ok := strings.Cut(args, ",PropertyValues=")
	name := strings.Trim(strings.TrimPrefix(strings.TrimSpace(head), "PropertyName="), "'")
	i, known := p.t.byProp[name]
	if !ok || !known || !gjson.Valid(list) {
		p.fail("The function Microsoft.Dynamics.CRM.In wants PropertyName and PropertyValues.")
		return never
	}
	want := map[string]bool{}
	for _, v := range gjson.Parse(list).Array() {
		want[strings.ToLower(v.String())] = true
	}
	return func(r *row) bool {
		return r.value(i) != nil && want[strings.ToLower(gjson.ParseBytes(r.value(i)).String())]
	}
}
