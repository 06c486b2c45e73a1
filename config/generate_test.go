package config

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write generated and golden files")

// The JSON Schema and the reference page say what the types say: go generate ./config.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	g := newGenerator(t)
	for path, want := range map[string][]byte{
		"causeway.schema.json":     g.schema(t, &Config{}, "Causeway configuration"),
		"mappings.schema.json":     g.schema(t, &Mappings{}, "Causeway table mappings, to be included"),
		"../docs/configuration.md": g.reference(),
	} {
		if *update {
			require.NoError(t, os.WriteFile(path, want, 0o644))
			continue
		}
		have, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, string(want) == string(have), "%s is not what the types say; run: go generate ./config", path)
	}
}

// generator makes both from the types, their tags and their comments.
type generator struct{ reflector *jsonschema.Reflector }

func newGenerator(t *testing.T) generator {
	t.Helper()
	r := &jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		Anonymous:                  true,
		Mapper: func(of reflect.Type) *jsonschema.Schema {
			switch of {
			case durationType:
				return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
			case secretType:
				return &jsonschema.Schema{Type: "string", Pattern: secretPattern}
			}
			return nil
		},
	}
	for _, folder := range []string{".", "../internal/mapping", "../internal/timeline", "../internal/optout"} {
		require.NoError(t, r.AddGoComments("causeway.dev/config", folder, jsonschema.WithFullComment()))
	}
	return generator{r}
}

func (g generator) schema(t *testing.T, root any, title string) []byte {
	t.Helper()
	schema := g.reflector.Reflect(root)
	schema.Title = title
	for _, s := range sectionsOf(reflect.TypeOf(root).Elem()) {
		def := schema.Definitions[s.of.Name()]
		def.Description = g.about(s.of)
		for i := range s.of.NumField() {
			f := s.of.Field(i)
			if property, ok := def.Properties.Get(yamlName(f)); ok {
				property.Description = g.describe(s.of, f, "")
				if property.Format == "host:port" { // a format of our own
					property.Format = ""
				}
			}
		}
	}
	data, err := json.MarshalIndent(schema, "", "  ")
	require.NoError(t, err)
	return append(data, '\n')
}

// section is a type of section and where the file has it.
type section struct {
	of    reflect.Type
	paths []string
}

// name is what the reference page calls a section in a sentence.
func (s section) name() string {
	last := s.paths[0][strings.LastIndex(s.paths[0], ".")+1:]
	switch {
	case len(s.paths) > 1:
		return "Each"
	case strings.HasSuffix(last, ">"), strings.HasSuffix(last, "]"):
		return "An entry"
	}
	return "`" + last + "`"
}

// sectionsOf lists the sections below a type, itself first, in the order of the file.
func sectionsOf(root reflect.Type) []section {
	var out []section
	var visit func(of reflect.Type, path string)
	visit = func(of reflect.Type, path string) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
			path += map[reflect.Kind]string{reflect.Slice: "[]", reflect.Map: ".<name>"}[of.Kind()]
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct {
			return
		}
		at := slices.IndexFunc(out, func(s section) bool { return s.of == of })
		if at >= 0 {
			out[at].paths = append(out[at].paths, path)
			return
		}
		out = append(out, section{of, []string{path}})
		for i := range of.NumField() {
			if name := yamlName(of.Field(i)); name != "" {
				visit(of.Field(i).Type, strings.TrimPrefix(path+"."+name, "."))
			}
		}
	}
	visit(root, "")
	return out
}

// reference is the page that names every setting.
func (g generator) reference() []byte {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, s := range sectionsOf(reflect.TypeFor[Config]()) {
		if s.paths[0] != "" {
			fmt.Fprintf(&b, "\n## `%s`\n\n", strings.Join(s.paths, "`, `"))
			b.WriteString(strings.Replace(g.about(s.of), s.of.Name(), s.name(), 1) + "\n\n")
		}
		for i := range s.of.NumField() {
			if f := s.of.Field(i); yamlName(f) != "" {
				b.WriteString("- " + g.describe(s.of, f, "`") + "\n")
			}
		}
	}
	return []byte(b.String())
}

const referenceHead = `<!-- Generated from the types of package config: go generate ./config -->
# Configuration reference

One YAML file describes one installation; ` + "`config/example.yaml`" + ` shows it with comments. Mappings
may stand in files of their own, which ` + "`include`" + ` names: such a file holds ` + "`ingress.tables`" + ` and nothing
else, so that it can travel from stage to production while addresses and credentials stay.

A key that is not listed here is an error. Durations are written with their unit, such as
` + "`30s`, `5m` or `1h30m`" + `. A secret is never written into the file: ` + "`env:NAME`" + ` names an
environment variable, ` + "`file:path`" + ` a file. Paths are relative to the configuration file.
` + "`causeway config validate`" + ` reports every problem at once; ` + "`causeway config show`" + ` prints what is in effect.
The [glossary](glossary.md) says what words such as *lane* and *baseline* mean.

## The file

`

// requirement is a note for readers of the code.
var requirement = regexp.MustCompile(` ?\(R[0-9.]+(, R[0-9.]+)*\)`)

// about is the comment of a section's type.
func (g generator) about(of reflect.Type) string {
	comment := strings.Join(strings.Fields(g.reflector.CommentMap[of.PkgPath()+"."+of.Name()]), " ")
	return requirement.ReplaceAllString(comment, "")
}

// describe is the comment of a setting under its name in the file, and its limits.
func (g generator) describe(of reflect.Type, f reflect.StructField, quote string) string {
	text := requirement.ReplaceAllString(g.reflector.CommentMap[of.PkgPath()+"."+of.Name()+"."+f.Name], "")
	text = strings.Join(strings.Fields(text), " ")
	if rest, found := strings.CutPrefix(text, f.Name); found {
		text = quote + yamlName(f) + quote + rest
	}
	for i := range of.NumField() { // StopRatio, but not a word such as Is
		if other := of.Field(i); strings.ToLower(other.Name[1:]) != other.Name[1:] {
			text = regexp.MustCompile(`\b`+other.Name+`\b`).ReplaceAllLiteralString(text, quote+yamlName(other)+quote)
		}
	}
	if own := limitsOf(f).text(f, quote); own != "" {
		text += " " + own
	}
	return text
}

var someEntries = regexp.MustCompile(`minItems=(\d+),maxItems=(\d+)`)

// text says the limits in a sentence.
func (l limits) text(f reflect.StructField, quote string) string {
	quoted := func(s string) string { return quote + s + quote }
	var parts []string
	entries := someEntries.FindStringSubmatch(f.Tag.Get("jsonschema"))
	if l.required {
		parts = append(parts, "required")
	}
	if len(l.choices) > 0 {
		names := make([]string, len(l.choices))
		for i, c := range l.choices {
			names[i] = quoted(c)
		}
		parts = append(parts, "one of "+strings.Join(names, ", "))
	}
	if l.pattern != nil && l.want != "" {
		parts = append(parts, l.want)
	}
	switch {
	case entries != nil:
		parts = append(parts, entries[1]+" to "+entries[2]+" entries")
	case l.min != "" && l.max != "":
		parts = append(parts, l.min+" to "+l.max)
	case l.example != "" && !l.hasDefault:
		parts = append(parts, "such as "+quoted(l.example))
	}
	if l.hasDefault {
		parts = append(parts, "default "+quoted(l.def))
	} else if f.Type.Kind() == reflect.Bool && !l.required {
		parts = append(parts, "default "+quoted("false"))
	}
	sentence := strings.Join(parts, "; ")
	if sentence == "" {
		return ""
	}
	return strings.ToUpper(sentence[:1]) + sentence[1:] + "."
}

// Limits and defaults stand in the tags only, and every tag can be read.
func TestLimitsStandOnce(t *testing.T) {
	t.Parallel()
	g := newGenerator(t)
	repeated := regexp.MustCompile(`(?i)\bdefaults?\b|\brequired\b|\b[0-9]+[smh]? to [0-9]`)
	for _, s := range sectionsOf(reflect.TypeFor[Config]()) {
		for i := range s.of.NumField() {
			f := s.of.Field(i)
			if yamlName(f) == "" {
				continue
			}
			name, l := s.of.Name()+"."+f.Name, limitsOf(f)
			comment := g.reflector.CommentMap[s.of.PkgPath()+"."+name]
			require.NotEmpty(t, comment, name)
			require.NotRegexp(t, repeated, comment, name)
			if l.pattern != nil || l.required && f.Type.Kind() == reflect.String && len(l.choices) == 0 && f.Type != secretType {
				require.True(t, l.want != "" || l.example != "" || !strings.HasSuffix(s.of.PkgPath(), "/config"), "%s: no words for a problem", name)
			}
			require.Equal(t, l.min == "", l.max == "", "%s: one limit without the other", name)
			for _, text := range []string{l.min, l.max, l.def} {
				if text == "" || f.Type.Kind() == reflect.Pointer {
					continue
				}
				v := reflect.New(f.Type).Elem()
				require.NoError(t, setText(v, text), name)
				if f.Type == durationType && text != l.def {
					require.Equal(t, tidy(time.Duration(v.Int())), text, "%s: as problems print it", name)
				}
			}
			if len(l.choices) > 0 && l.hasDefault {
				require.Contains(t, l.choices, l.def, name)
			}
		}
	}
}

// A number or duration that the tags of a section allow by itself is allowed by
// Defaults, too: a default outside its limits would be refused only when it is used.
func TestDefaultsKeepTheirLimits(t *testing.T) {
	t.Parallel()
	v := &validator{}
	v.section(reflect.ValueOf(Defaults()).Elem(), "")
	for _, p := range v.problems {
		require.Equal(t, "nothing", p.Got, "%s", p.Path)
	}
}
