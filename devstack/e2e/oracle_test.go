package e2e

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The oracle computes from the Dynamics sandbox's own state what each profile
// must hold. It shares nothing with the product's mapping but the requirements.

// expected is the profile a contact must have become: Campaign field -> value.
func expected(id string, row map[string]any) map[string]string {
	text := func(column string) string {
		if s, ok := row[column].(string); ok {
			return s
		}
		return ""
	}
	first := text("firstname")
	if utf8.RuneCountInString(first) > 30 {
		first = string([]rune(first)[:30])
	}
	optOut := "false"
	if b, ok := row["donotbulkemail"].(bool); ok && b {
		optOut = "true"
	}
	return map[string]string{
		"externalId": strings.ToLower(id), "firstName": first, "lastName": text("lastname"), "email": text("emailaddress1"),
		"mobilePhone": text("mobilephone"), "birthDate": text("birthdate"), "location.city": text("address1_city"),
		"location.zipCode": text("address1_postalcode"), "blackListEmail": optOut,
	}
}

// cased fields are changed by Campaign's smartCase policy on write.
var cased = map[string]bool{"firstName": true, "lastName": true}

func held(profile map[string]any, field string) string {
	var v any = profile
	for part := range strings.SplitSeq(field, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[part]
	}
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// differences compares Campaign with the oracle, record by record, and returns
// at most limit differences. Refused records are expected to be absent.
func (w *world) differences(limit int) []string {
	return w.differencesBut(limit, nil)
}

func (w *world) differencesBut(limit int, refused func(row map[string]any) bool) []string {
	var out []string
	note := func(format string, args ...any) bool {
		out = append(out, fmt.Sprintf(format, args...))
		return len(out) < limit
	}
	profiles := w.profiles()
	for id, row := range w.contacts() {
		profile, ok := profiles[id]
		delete(profiles, id)
		if refused != nil && refused(row) {
			if ok && !note("%s was to be refused, but is in Campaign", id) {
				return out
			}
			continue
		}
		if !ok {
			if !note("%s is missing in Campaign", id) {
				return out
			}
			continue
		}
		for field, want := range expected(id, row) {
			got := held(profile, field)
			if got != want && !(cased[field] && strings.EqualFold(got, want)) {
				if !note("%s: field %s differs", id, field) {
					return out
				}
			}
		}
	}
	for id := range profiles {
		if !note("%s is in Campaign, but not in Dynamics", id) {
			return out
		}
	}
	return out
}
