package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// SettingKind is what a setting holds, which says how it is asked for.
type SettingKind string

const (
	KindText     SettingKind = "text"
	KindNumber   SettingKind = "number"
	KindShare    SettingKind = "share" // a number that may have a fraction
	KindDuration SettingKind = "duration"
	KindSwitch   SettingKind = "switch"
	KindChoice   SettingKind = "choice"
	KindList     SettingKind = "list" // of texts
	KindSecret   SettingKind = "secret"
)

// Setting is one plain setting: what may be in it, as its tags say, and what is. Entries of
// lists and of tables, such as mappings, are none.
type Setting struct {
	Path     string // campaign.engine_calls_per_hour
	Name     string // engine_calls_per_hour
	About    string // what it is, with its limits and its default
	Kind     SettingKind
	Required bool
	Default  string
	Min, Max string // "" when there is none
	Choices  []string
	Value    string // as it is written; entries of a list are on lines of their own; "" of a secret
	Secret   Secret
}

// Settings are the plain settings of a configuration, in the order of the file. Paths of
// files in them are those that are opened, not as they are written.
func (c *Config) Settings() []Setting {
	var out []Setting
	var visit func(v reflect.Value, path string)
	visit = func(v reflect.Value, path string) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name := yamlName(f)
			if name == "" {
				continue
			}
			at := strings.TrimPrefix(path+"."+name, ".")
			if s, plain := settingOf(f, v.Field(i)); plain {
				s.Path, s.Name, s.About = at, name, described(v.Type().Name(), name)
				out = append(out, s)
			} else if v.Field(i).Kind() == reflect.Struct {
				visit(v.Field(i), at)
			}
		}
	}
	visit(reflect.ValueOf(c).Elem(), "")
	return out
}

// settingOf reads a field, if it is a plain setting.
func settingOf(f reflect.StructField, v reflect.Value) (Setting, bool) {
	l := limitsOf(f)
	s := Setting{Required: l.required, Default: l.def, Min: l.min, Max: l.max, Choices: l.choices}
	switch {
	case v.Type() == secretType:
		s.Kind, s.Secret = KindSecret, v.Interface().(Secret)
	case v.Type() == durationType:
		s.Kind, s.Value = KindDuration, tidy(v.Interface().(time.Duration))
	case v.Kind() == reflect.String:
		s.Kind, s.Value = KindText, v.String()
		if len(l.choices) > 0 {
			s.Kind = KindChoice
		}
	case v.Kind() == reflect.Int:
		s.Kind, s.Value = KindNumber, strconv.FormatInt(v.Int(), 10)
	case v.Kind() == reflect.Float64:
		s.Kind, s.Value = KindShare, strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case v.Kind() == reflect.Bool:
		s.Kind, s.Value = KindSwitch, strconv.FormatBool(v.Bool())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
		s.Kind = KindList
		entries := make([]string, v.Len())
		for i := range entries {
			entries[i] = v.Index(i).String()
		}
		s.Value = strings.Join(entries, "\n")
	default:
		return s, false
	}
	return s, true
}

// Parse makes a value of what somebody wrote into a setting. What cannot be a value of its
// kind is kept as text, so that the check says what is wrong with it in its own words.
func (s Setting) Parse(text string) any {
	text = strings.TrimSpace(text)
	switch s.Kind {
	case KindNumber:
		if n, err := strconv.ParseInt(strings.ReplaceAll(text, ",", ""), 10, 0); err == nil {
			return int(n)
		}
	case KindShare:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
	case KindDuration:
		if d, err := time.ParseDuration(text); err == nil {
			return d
		}
	case KindSwitch:
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	case KindList:
		entries := []string{}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				entries = append(entries, line)
			}
		}
		return entries
	}
	return text
}

// descriptions are those of the schema, by type and key: what the reference page has too.
var descriptions = sync.OnceValue(func() map[string]map[string]string {
	var schema struct {
		Defs map[string]struct {
			Properties map[string]struct {
				Description string `json:"description"`
			} `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema, &schema); err != nil {
		panic(fmt.Sprintf("the schema: %v", err)) // it is generated: the tests see it
	}
	out := map[string]map[string]string{}
	for of, def := range schema.Defs {
		out[of] = map[string]string{}
		for name, p := range def.Properties {
			out[of][name] = p.Description
		}
	}
	return out
})

// described is the description of a setting without its name, which stands above it.
func described(of, name string) string {
	text := descriptions()[of][name]
	for _, is := range []string{" is ", " are "} {
		if rest, ok := strings.CutPrefix(text, name+is); ok {
			text = rest
		}
	}
	if text == "" {
		return ""
	}
	if rest, ok := strings.CutPrefix(text, name); ok {
		text = strings.ReplaceAll(name, "_", " ") + rest
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
