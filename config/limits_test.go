package config

import (
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/mapping"
	"causeway.dev/internal/optout"
)

// setting is one plain setting of a configuration.
type setting struct {
	path  string
	value reflect.Value
	limits
}

// settings lists those that stand once in a file.
func settings(c *Config) []setting {
	var out []setting
	var visit func(section reflect.Value, path string)
	visit = func(section reflect.Value, path string) {
		for i := range section.NumField() {
			f, at := section.Type().Field(i), strings.TrimPrefix(path+"."+yamlName(section.Type().Field(i)), ".")
			switch v := section.Field(i); {
			case yamlName(f) == "":
			case v.Kind() == reflect.Struct:
				visit(v, at)
			default:
				out = append(out, setting{at, v, limitsOf(f)})
			}
		}
	}
	visit(reflect.ValueOf(c).Elem(), "")
	return out
}

// outside are values next to the limits, on the wrong side of them.
func (s setting) outside() []reflect.Value {
	value := func(text string, by float64) reflect.Value {
		v := reflect.New(s.value.Type()).Elem()
		if setText(v, text) != nil {
			panic(s.path)
		}
		if v.Kind() == reflect.Float64 {
			v.SetFloat(math.Nextafter(v.Float(), v.Float()+by))
		} else {
			v.SetInt(v.Int() + int64(by))
		}
		return v
	}
	return []reflect.Value{value(s.min, -1), value(s.max, 1)}
}

// A value at a limit is accepted, the one beyond it is refused, with both limits
// in the problem.
func TestEveryLimitIsKept(t *testing.T) {
	t.Parallel()
	parsed := func() *Config {
		c, err := Parse("c.yaml", []byte(good(t)))
		require.NoError(t, err)
		return c
	}
	tested := 0
	for i, s := range settings(parsed()) {
		if s.min == "" {
			continue
		}
		tested++
		for _, bad := range s.outside() {
			c := parsed()
			settings(c)[i].value.Set(bad)
			require.Equal(t, []string{s.min + " to " + s.max}, wants(c.validate(nil), s.path), s.path)
		}
		for _, limit := range []string{s.min, s.max} {
			c := parsed()
			require.NoError(t, setText(settings(c)[i].value, limit))
			require.Empty(t, wants(c.validate(nil), s.path), s.path)
		}
	}
	require.Greater(t, tested, 30)
}

// Each choice is accepted and nothing else; a misspelt one is recognised.
func TestEveryChoiceIsKept(t *testing.T) {
	t.Parallel()
	tested := 0
	for i, s := range settings(Defaults()) {
		if len(s.choices) == 0 {
			continue
		}
		tested++
		for _, choice := range append(slices.Clone(s.choices), "", "no-such", s.choices[0]+"x") {
			c := Defaults()
			settings(c)[i].value.SetString(choice)
			v := &validator{}
			v.section(reflect.ValueOf(c).Elem(), "")
			require.Equal(t, slices.Contains(s.choices, choice), len(wants(v.problems, s.path)) == 0, "%s: %q", s.path, choice)
		}
	}
	require.GreaterOrEqual(t, tested, 9)
}

// What is required is asked for when it is missing, in words of its own.
func TestEveryRequiredSettingIsAskedFor(t *testing.T) {
	t.Parallel()
	missing := map[string]string{}
	for _, p := range Defaults().validate(nil) {
		require.Equal(t, "nothing", p.Got)
		missing[p.Path] = p.Want
	}
	for _, s := range settings(Defaults()) {
		if s.required {
			require.NotEmpty(t, missing[s.path], s.path)
			delete(missing, s.path)
		}
	}
	require.Equal(t, map[string]string{"dynamics.client_secret": "env:NAME or file:path, or a client_certificate"}, missing, "rules across settings")
}

func wants(problems Problems, path string) []string {
	var out []string
	for _, p := range problems {
		if p.Path == path {
			out = append(out, p.Want)
		}
	}
	return out
}

// Mappings and pairs of opt-outs are checked by their own packages, which know the
// same choices as the tags.
func TestChoicesOfMappingsAgreeWithTheirChecks(t *testing.T) {
	t.Parallel()
	table := func() mapping.Table {
		return mapping.Table{Name: "t", Dynamics: mapping.SourceTable{Table: "a"}, Campaign: mapping.TargetTable{Resource: "cusA", Key: "id"},
			Fields: []mapping.Field{{From: "a", To: "b"}}, Filter: mapping.Filter{Where: []mapping.Condition{{Column: "a", Is: "equals", Value: "x"}}}}
	}
	require.Empty(t, table().Check())
	tests := map[string]struct {
		of    reflect.Type
		field string
		set   func(t *mapping.Table, to string)
	}{
		"campaign.api":          {reflect.TypeFor[mapping.TargetTable](), "API", func(t *mapping.Table, to string) { t.Campaign.API = to }},
		"fields[0].on_too_long": {reflect.TypeFor[mapping.Field](), "OnTooLong", func(t *mapping.Table, to string) { t.Fields[0].OnTooLong = to }},
		"filter.match":          {reflect.TypeFor[mapping.Filter](), "Match", func(t *mapping.Table, to string) { t.Filter.Match = to }},
		"filter.where[0].is":    {reflect.TypeFor[mapping.Condition](), "Is", func(t *mapping.Table, to string) { t.Filter.Where[0].Is = to }},
	}
	for path, tt := range tests {
		field, _ := tt.of.FieldByName(tt.field)
		choices := limitsOf(field).choices
		require.NotEmpty(t, choices, path)
		for _, choice := range append(slices.Clone(choices), "no-such") {
			one := table()
			tt.set(&one, choice)
			refused := slices.ContainsFunc(one.Check(), func(p mapping.Problem) bool { return p.Path == "ingress.tables.t."+path })
			require.Equal(t, !slices.Contains(choices, choice), refused, "%s: %s", path, choice)
		}
	}
	pair, _ := reflect.TypeFor[optout.PairSetting]().FieldByName("Campaign")
	require.Equal(t, optout.Attributes(), limitsOf(pair).choices)
	fields, _ := reflect.TypeFor[mapping.Table]().FieldByName("Fields")
	require.Contains(t, fields.Tag.Get("jsonschema"), "maxItems="+strconv.Itoa(mapping.MaxFields))
}

// Numbers of requirements are for readers of the code.
func TestNobodyReadsRequirementNumbers(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/configuration.md")
	require.NoError(t, err)
	example, err := os.ReadFile("example.yaml")
	require.NoError(t, err)
	for _, text := range []string{string(Schema), string(page), string(example)} {
		require.NotRegexp(t, regexp.MustCompile(`\bR[0-9]+(\.[0-9]+)?\b`), text)
	}
	for _, p := range Defaults().validate(nil) {
		require.NotRegexp(t, regexp.MustCompile(`\bR[0-9]`), fmt.Sprint(p))
	}
}
