package apierr

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Plain is a text that any terminal, log or page shows as it is: in place of
// control characters, line ends and marks that turn or hide text stands a space.
func Plain(text string) string {
	if !strings.ContainsFunc(text, hides) && utf8.ValidString(text) {
		return text
	}
	text = strings.ToValidUTF8(text, "")
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || hides(r) }), " ")
}

// hides says that a character is not seen itself: it steers what is around it.
func hides(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// shortest is the length, in characters, from which a value is worth masking.
const shortest = 3

// Masked is a text with … in place of these values, in any letter case.
func Masked(text string, values []string) string {
	var worth []string
	for _, v := range values {
		if v = strings.TrimSpace(v); utf8.RuneCountInString(v) >= shortest {
			worth = append(worth, regexp.QuoteMeta(v))
		}
	}
	if len(worth) == 0 || text == "" {
		return text
	}
	slices.SortFunc(worth, func(a, b string) int { return len(b) - len(a) }) // the longest first: it may hold others
	values = slices.Compact(worth)
	for len(values) > 0 { // in portions, as a batch may hold a great many
		n := min(len(values), 500)
		re, err := regexp.Compile("(?i:" + strings.Join(values[:n], "|") + ")")
		if err != nil {
			return "" // rather nothing than what may be a value
		}
		text = re.ReplaceAllLiteralString(text, "…")
		values = values[n:]
	}
	return text
}
