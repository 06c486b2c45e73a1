package campaign

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// wireTime is how date-times are written: a space, milliseconds, Z.
const wireTime = "2006-01-02 15:04:05.000Z"

// invalidValue is the name under which a stored value outside of its enumeration is
// read. Only the admin port can store one.
const invalidValue = "__Invalid_value__"

// check turns a value of a body into what the field stores, "" for empty, or says why
// it is refused (§5.1, §10). null counts as "".
func (t *table) check(f *Field, v gjson.Result, admin bool) (string, *problem) {
	text := v.Str
	switch v.Type {
	case gjson.String:
	case gjson.Null:
		text = ""
	default:
		text = v.Raw
	}
	if v.IsObject() || v.IsArray() {
		return "", unconvertible(text, f.Type)
	}
	if text == "" {
		return "", nil
	}
	switch f.Type {
	case Boolean:
		switch text {
		case "true", "1":
			return "true", nil
		case "false", "0":
			return "", nil
		}
		return "", unconvertible(text, "boolean")
	case Number:
		return number(f, text)
	case Date:
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return "", unconvertible(text, "date")
		}
		return text, nil
	case Datetime:
		at, ok := parseTime(text)
		if !ok {
			return "", unconvertible(text, "datetime")
		}
		return at.Format(wireTime), nil
	case Enumeration:
		if text == f.Values[0] {
			return "", nil
		}
		if !slices.Contains(f.Values, text) && (!admin || text != invalidValue) {
			return "", refused("The value '%s' is not valid for the '%s:%s' enumeration of the '@%s' field", text, t.Schema, f.Name, f.Name)
		}
		return text, nil
	}
	return t.checkText(f, text)
}

func (t *table) checkText(f *Field, text string) (string, *problem) {
	switch {
	case f.Policy == "email" && !isMail(text):
		return "", refused("XTK-170024 The value '%s' of the '@%s' field is not a valid e-mail address", text, f.Name)
	case f.Policy == "smartCase":
		text = smartCase(text)
	}
	if f.Length > 0 && len(text) > f.Length && utf8.RuneCountInString(text) > f.Length {
		return "", failed("PGS-220000 PostgreSQL error: ERROR:  value too long for type character varying(%d)", f.Length)
	}
	return text, nil
}

func unconvertible(text, kind string) *problem {
	return failed("BAS-010040 Cannot convert '%s' (type text) to %s type (bAS-010011 Invalid value).", text, kind)
}

var widths = map[string]int{"byte": 8, "short": 16, "long": 32, "int64": 64}

// decimal is how a number is written, in a JSON text too. Go reads more than this: +5,
// 0x1p4, 1_000.
var decimal = regexp.MustCompile(`^-?\d+(\.\d+)?([eE][+-]?\d+)?$`)

func kindOfNumber(f *Field) string {
	if bits, whole := widths[f.ResType]; whole {
		return "integer (" + strconv.Itoa(bits) + " bit)"
	}
	return "double"
}

func number(f *Field, text string) (string, *problem) {
	if !decimal.MatchString(text) {
		return "", unconvertible(text, kindOfNumber(f))
	}
	if bits, whole := widths[f.ResType]; whole {
		n, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return "", unconvertible(text, kindOfNumber(f))
		}
		return strconv.FormatInt(n, 10), nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		return "", unconvertible(text, kindOfNumber(f))
	}
	return strconv.FormatFloat(n, 'f', -1, 64), nil
}

// parseTime accepts the wire form and ISO 8601 with T.
func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02 15:04:05Z07:00", time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

func isMail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	dot := strings.LastIndexByte(domain, '.')
	return ok && local != "" && dot > 0 && dot < len(domain)-1 && !strings.ContainsRune(domain, '@') &&
		strings.IndexFunc(s, unicode.IsSpace) < 0
}

// smartCase is a data policy of Campaign that changes text: the first letter of a word
// becomes upper case, the others lower case.
func smartCase(s string) string {
	start := true
	return strings.Map(func(r rune) rune {
		up := start
		start = r == ' ' || r == '-' || r == '\''
		if up {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, s)
}
