package dataverse

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A $filter over definitions: comparisons and startswith, joined by and, or, not. A
// value may be an enum, Microsoft.Dynamics.CRM.AttributeTypeCode'Picklist'.

type metadataTest func(doc map[string]any) bool

var (
	metadataFunction = regexp.MustCompile(`^(not )?(startswith)\(([A-Za-z/]+),\s*'((?:[^']|'')*)'\)`)
	metadataCompare  = regexp.MustCompile(`^([A-Za-z/]+) (eq|ne) (?:(?:Microsoft\.Dynamics\.CRM\.[A-Za-z]+)?'((?:[^']|'')*)'|([A-Za-z0-9-]+))`)
)

type metadataParser struct {
	rest  string
	names []string // of properties
	bad   *refusal
}

// parseMetadataFilter reads a filter of definitions like all. It refuses a property that
// none of them has.
func parseMetadataFilter(text string, all []map[string]any) (metadataTest, *refusal) {
	if strings.TrimSpace(text) == "" {
		return func(map[string]any) bool { return true }, nil
	}
	p := &metadataParser{rest: strings.TrimSpace(text)}
	test := p.or()
	if p.bad == nil && strings.TrimSpace(p.rest) != "" {
		p.fail()
	}
	for _, name := range p.names {
		has := func(doc map[string]any) bool { _, ok := member(doc, name); return ok }
		if p.bad == nil && len(all) > 0 && !slices.ContainsFunc(all, has) {
			p.bad = &refusal{400, "0x80060888", "Could not find a property named '" + name + "'."}
		}
	}
	return test, p.bad
}

func (p *metadataParser) fail() {
	if p.bad == nil {
		p.bad = &refusal{400, "0x80060888", "The $filter expression '" + p.rest + "' is not valid for definitions."}
	}
}

func (p *metadataParser) next(word string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " "), word)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *metadataParser) or() metadataTest {
	left := p.and()
	for p.bad == nil && p.next("or ") {
		a, b := left, p.and()
		left = func(doc map[string]any) bool { return a(doc) || b(doc) }
	}
	return left
}

func (p *metadataParser) and() metadataTest {
	left := p.term()
	for p.bad == nil && p.next("and ") {
		a, b := left, p.term()
		left = func(doc map[string]any) bool { return a(doc) && b(doc) }
	}
	return left
}

func (p *metadataParser) term() metadataTest {
	none := func(map[string]any) bool { return false }
	if p.next("not (") || p.next("not(") {
		inner := p.or()
		if !p.next(")") {
			p.fail()
		}
		return func(doc map[string]any) bool { return !inner(doc) }
	}
	if p.next("(") {
		inner := p.or()
		if !p.next(")") {
			p.fail()
		}
		return inner
	}
	p.rest = strings.TrimLeft(p.rest, " ")
	if m := metadataFunction.FindStringSubmatch(p.rest); m != nil {
		p.rest = p.rest[len(m[0]):]
		p.names = append(p.names, m[3])
		want := strings.ToLower(strings.ReplaceAll(m[4], "''", "'"))
		return func(doc map[string]any) bool {
			have, ok := member(doc, m[3])
			return ok && strings.HasPrefix(strings.ToLower(fmt.Sprint(have)), want) != (m[1] != "")
		}
	}
	m := metadataCompare.FindStringSubmatch(p.rest)
	if m == nil {
		p.fail()
		return none
	}
	p.rest = p.rest[len(m[0]):]
	p.names = append(p.names, m[1])
	want := strings.ReplaceAll(m[3], "''", "'") + m[4]
	return func(doc map[string]any) bool {
		have, ok := member(doc, m[1])
		text := fmt.Sprint(have)
		if have == nil {
			text = "null"
		}
		return ok && strings.EqualFold(text, want) == (m[2] == "eq")
	}
}

// member finds a property of a definition, or of a complex one: RequiredLevel/Value.
func member(doc map[string]any, path string) (any, bool) {
	name, below, deep := strings.Cut(path, "/")
	v, ok := doc[name]
	if !deep || !ok {
		return v, ok
	}
	inner, isMap := v.(map[string]any)
	if !isMap {
		return nil, false
	}
	return member(inner, below)
}
