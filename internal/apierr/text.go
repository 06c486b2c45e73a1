package apierr

import (
	"cmp"
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

// mostWords is of how many words a value may be for its words to be masked, too: a name
// is told in parts, a long text is not.
const mostWords = 8

// Masked is a text with … in place of these values and of their words, in any letter
// case.
func Masked(text string, values []string) string {
	var worth []string
	for _, v := range values {
		parts := strings.FieldsFunc(v, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		if len(parts) > mostWords {
			parts = nil
		}
		for _, part := range append(parts, strings.TrimSpace(v)) {
			if utf8.RuneCountInString(part) >= shortest {
				worth = append(worth, regexp.QuoteMeta(part))
			}
		}
	}
	if len(worth) == 0 || text == "" {
		return text
	}
	slices.SortFunc(worth, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }) // the longest first: it may hold others
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

// Unnamed is a text of a service with … in place of words that may be a name: those with a
// capital letter in front, except the words with which such texts begin, and those in
// other letters than English ones. It is for what Masked cannot know, because a service
// may tell of records that were not sent.
func Unnamed(text string) string {
	words := strings.Fields(text)
	for i, word := range words {
		core := strings.TrimFunc(word, func(r rune) bool { return !unicode.IsLetter(r) })
		if strings.ContainsFunc(core, func(r rune) bool { return r > unicode.MaxASCII }) ||
			core != "" && unicode.IsUpper(rune(core[0])) && !common[strings.ToLower(core)] {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

// common are words that services write with a capital letter.
var common = func() map[string]bool {
	out := map[string]bool{}
	for _, word := range strings.Fields(`a access action adobe all an and any api argument attribute bad bulk business campaign cannot column could
		data database date dataverse delete detail duplicate dynamics email entity error exception expected failed failure field format guid http
		id in incorrect inconsistent insert internal invalid is it json key length line mandatory maximum message microsoft missing multiple must
		name no nobody not null object odata operation option organization page parameter parse parsing payload permission please plug-in plugin postgresql primary
		privilege process profile property query quota read record reference request required resource response row rule schema server service
		sql some something sql state status string syntax system table text the there this timeout type unable unexpected unknown update url user
		validation value variable violation was were with does exist for from has have been be not of on only or at by to that these too than xml xtk you your`) {
		out[word] = true
	}
	return out
}()
