package dataverse

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

func literalInt(n int) string { return strconv.Itoa(n) }

// alternate returns the value of a row's alternate key. It is false when one of the
// columns is null.
func (t *table) alternate(i int, r *row) (string, bool) { return t.alternateOf(i, r.value) }

func (t *table) alternateOf(i int, value func(column int) []byte) (string, bool) {
	var b strings.Builder
	for _, name := range t.AlternateKeys[i].Columns {
		v := value(t.byProp[t.propertyOf(name)])
		if v == nil {
			return "", false
		}
		b.WriteString(strings.ToLower(gjson.ParseBytes(v).String()))
		b.WriteByte(0)
	}
	return b.String(), true
}

func (t *table) propertyOf(column string) string {
	for _, c := range t.Columns {
		if c.Name == column {
			return c.property()
		}
	}
	return column
}

// address is how a URL names a row.
type address struct {
	key   string       // primary key, lower case; "" when no row has the alternate key
	alt   string       // the alternate key as written, "" for a primary key
	named []assignment // values of the alternate key, for a row to be created
}

// unaddressable are characters that do not work in a key even when encoded (§5.3).
const unaddressable = `/<>*%&:\?+#`

// address reads the part of a row's URL in brackets. The caller holds mu.
func (t *table) address(inner string) (address, *refusal) {
	key := inner
	if t.LogicalName != "systemuser" { // it does not accept systemuserid=… (§2.1)
		key = strings.TrimPrefix(inner, t.Key+"=")
	}
	if guidForm.MatchString(key) {
		return address{key: strings.ToLower(key)}, nil
	}
	pairs, ok := keyPairs(inner)
	if !ok {
		return address{}, &refusal{400, "0x80060888", "The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM." + t.LogicalName + "'."}
	}
	for i, k := range t.AlternateKeys {
		if a, ok := t.byKey(i, k, pairs); ok {
			a.alt = inner
			if strings.ContainsAny(strings.Join(slices.Collect(values(pairs)), ""), unaddressable) {
				return a, &refusal{400, "0x80060888", "The key in the request URI holds a character that cannot be used there."}
			}
			if k.Status != "" && k.Status != "Active" {
				return a, &refusal{400, "0x80060890", "The entity key " + k.Name + " is not active."}
			}
			return a, nil
		}
	}
	return address{}, &refusal{400, "0x80060890", "The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM." + t.LogicalName +
		"'. Ensure that the names and number of key properties match the declared or alternate key properties."}
}

func values(pairs []keyPair) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, p := range pairs {
			if !yield(p.value) {
				return
			}
		}
	}
}

func (t *table) byKey(i int, k AlternateKey, pairs []keyPair) (address, bool) {
	if len(pairs) != len(k.Columns) {
		return address{}, false
	}
	probe := map[int][]byte{}
	var a address
	for _, name := range k.Columns {
		property := t.propertyOf(name)
		at := slices.IndexFunc(pairs, func(p keyPair) bool { return p.name == property })
		if at < 0 {
			return address{}, false
		}
		column := t.byProp[property]
		probe[column] = []byte(pairs[at].literal())
		a.named = append(a.named, assignment{column, probe[column]})
	}
	v, _ := t.alternateOf(i, func(column int) []byte { return probe[column] })
	a.key = t.byAlt[i][v]
	return a, true
}

type keyPair struct {
	name, value string
	text        bool
}

func (p keyPair) literal() string {
	if p.text || guidForm.MatchString(p.value) {
		return string(quote(p.value))
	}
	return p.value
}

// keyPairs reads name='it”s',other=12.
func keyPairs(src string) ([]keyPair, bool) {
	var out []keyPair
	for src != "" {
		name, rest, ok := strings.Cut(src, "=")
		if !ok || name == "" {
			return nil, false
		}
		p := keyPair{name: strings.TrimSpace(name)}
		if strings.HasPrefix(rest, "'") {
			p.text = true
			end := 1
			for ; end < len(rest); end++ {
				if rest[end] != '\'' {
					continue
				}
				if end+1 < len(rest) && rest[end+1] == '\'' {
					end++
					continue
				}
				break
			}
			if end >= len(rest) {
				return nil, false
			}
			p.value = strings.ReplaceAll(rest[1:end], "''", "'")
			src = rest[end+1:]
		} else {
			end := strings.IndexByte(rest, ',')
			if end < 0 {
				end = len(rest)
			}
			p.value, src = rest[:end], rest[end:]
		}
		out = append(out, p)
		if src != "" {
			if !strings.HasPrefix(src, ",") || src == "," {
				return nil, false
			}
			src = src[1:]
		}
	}
	return out, len(out) > 0
}

// reference resolves the value of an @odata.bind: /set(key), set(key), or an
// absolute URL (§2.3). The caller holds the locks of all tables.
func (x *tx) reference(r *http.Request, value string, targets []Target) (string, *refusal) {
	for id, path := range x.refs {
		if value == "$"+id {
			value = path
		}
	}
	if strings.HasPrefix(value, "$") {
		return "", &refusal{400, "0x80060888", "Content-ID Reference: '" + value + "' does not exist in the batch context."}
	}
	value = strings.TrimPrefix(value, "https://"+r.Host)
	value = strings.TrimPrefix(withoutRoot(value), "/")
	set, inner, ok := strings.Cut(value, "(")
	inner, closed := strings.CutSuffix(inner, ")")
	t := x.s.sets[set]
	if !ok || !closed || t == nil {
		return "", &refusal{400, "0x80060888", "Resource not found for the segment '" + set + "'."}
	}
	if !slices.ContainsFunc(targets, func(l Target) bool { return l.Table == t.LogicalName }) {
		return "", &refusal{400, "0x80048d19", "A row of " + t.LogicalName + " cannot be set here."}
	}
	if decoded, err := url.PathUnescape(inner); err == nil {
		inner = decoded
	}
	a, bad := t.address(inner)
	if bad != nil {
		return "", bad
	}
	if _, exists := t.rows[a.key]; !exists {
		bad := t.missing(a)
		bad.status = x.s.o.BindStatus
		return "", bad
	}
	return a.key, nil
}

func (t *table) missing(a address) *refusal {
	if a.alt != "" {
		return &refusal{404, "0x80060891", "A record with the specified key values does not exist in " + t.LogicalName + " entity"}
	}
	return &refusal{404, "0x80040217", fmt.Sprintf("%s With Id = %s Does Not Exist", t.LogicalName, a.key)}
}

// guidMatcher matches GUIDs. It is asked several times in each request.
type guidMatcher struct{}

// MatchString says whether a text is a GUID of 36 characters.
func (guidMatcher) MatchString(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c < '0' || c > '9' && c < 'A' || c > 'F' && c < 'a' || c > 'f':
			return false
		}
	}
	return true
}
