package config

import (
	"maps"
	"regexp"
	"slices"

	"causeway.dev/internal/mapping"
)

// noText is a value that cannot be about a person by itself: a number, true or false, an
// id, a date or a time.
var noText = regexp.MustCompile(`^(-?[0-9][0-9.:TZ+-]*|true|false|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$`)

// ClearTexts are the mappings, by name, whose filter or replacements hold text that goes
// into Temporal unsealed; none when there is a key. A mapping travels with each start.
func (c *Config) ClearTexts() []string {
	if c.Temporal.EncryptionKey.IsSet() {
		return nil
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(c.Ingress.Tables)) {
		if holdsText(c.Ingress.Tables[name]) {
			out = append(out, name)
		}
	}
	return out
}

func holdsText(t mapping.Table) bool {
	text := func(v string) bool { return !noText.MatchString(v) }
	for _, f := range t.Fields {
		for old, value := range f.Replace {
			if text(old) || text(value) {
				return true
			}
		}
	}
	return slices.ContainsFunc(t.Filter.Where, func(c mapping.Condition) bool { return text(c.Value) })
}
