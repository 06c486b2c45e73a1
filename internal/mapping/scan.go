package mapping

import (
	"strings"

	"github.com/tidwall/gjson"
)

// scanObject visits the members of a JSON object and returns whether all of s is
// valid. Visited members may be used only if it is.
//
// It checks and splits in one pass, because this is most of the cost of mapping a
// row. The rare parts (escapes, numbers, nested values) are left to gjson. Key and
// value share the memory of s, except where they had escapes.
func scanObject(s string, visit func(key string, v token)) bool {
	i := skipSpace(s, 0)
	if i >= len(s) || s[i] != '{' {
		return false
	}
	if i = skipSpace(s, i+1); i < len(s) && s[i] == '}' {
		return skipSpace(s, i+1) == len(s)
	}
	for {
		key, ok := scanValue(s, i)
		if !ok || key.kind != gjson.String {
			return false
		}
		if i = skipSpace(s, i+len(key.raw)); i >= len(s) || s[i] != ':' {
			return false
		}
		i = skipSpace(s, i+1)
		v, ok := scanValue(s, i)
		if !ok {
			return false
		}
		visit(key.text(), v)
		if i = skipSpace(s, i+len(v.raw)); i >= len(s) {
			return false
		}
		switch s[i] {
		case ',':
			i = skipSpace(s, i+1)
		case '}':
			return skipSpace(s, i+1) == len(s)
		default:
			return false
		}
	}
}

// token is a JSON value as it is written in the text.
type token struct {
	raw     string
	kind    gjson.Type
	escaped bool // a string with at least one backslash
}

// text is the content of a string.
func (t token) text() string {
	if t.escaped {
		return gjson.Parse(t.raw).Str
	}
	return t.raw[1 : len(t.raw)-1]
}

// result is the token as gjson would return it, without Num.
func (t token) result() gjson.Result {
	r := gjson.Result{Type: t.kind, Raw: t.raw}
	if t.kind == gjson.String {
		r.Str = t.text()
	}
	return r
}

// scanValue reads the value that begins at i.
func scanValue(s string, i int) (t token, ok bool) {
	if i >= len(s) {
		return t, false
	}
	switch s[i] {
	case '"':
		end, escaped := stringEnd(s, i)
		if end < 0 {
			return t, false
		}
		t = token{s[i:end], gjson.String, escaped}
		return t, !escaped || gjson.Valid(t.raw)
	case 't':
		return token{raw: "true", kind: gjson.True}, strings.HasPrefix(s[i:], "true")
	case 'f':
		return token{raw: "false", kind: gjson.False}, strings.HasPrefix(s[i:], "false")
	case 'n':
		return token{raw: "null", kind: gjson.Null}, strings.HasPrefix(s[i:], "null")
	case '{', '[':
		end := nestedEnd(s, i)
		if end < 0 {
			return t, false
		}
		t = token{raw: s[i:end], kind: gjson.JSON}
		return t, gjson.Valid(t.raw)
	}
	end := i
	for end < len(s) && strings.IndexByte(",}] \t\r\n", s[end]) < 0 {
		end++
	}
	t = token{raw: s[i:end], kind: gjson.Number}
	return t, t.raw != "" && gjson.Valid(t.raw)
}

// stringEnd is the place after the string that begins at i, -1 when it has no
// end or holds a control character.
func stringEnd(s string, i int) (end int, escaped bool) {
	for i++; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			return -1, false
		}
	}
	return -1, false
}

// nestedEnd is the place after the object or list that begins at i, -1 when it
// has no end.
func nestedEnd(s string, i int) int {
	for depth := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			end, _ := stringEnd(s, i)
			if end < 0 {
				return -1
			}
			i = end - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}
