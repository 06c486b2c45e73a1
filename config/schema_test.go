package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/goccy/go-yaml"
	schemas "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// Editors show the description of every setting.
func TestSchemaDescribesEverySetting(t *testing.T) {
	t.Parallel()
	var schema struct {
		Defs map[string]struct {
			Properties map[string]struct{ Description string }
		} `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(Schema, &schema))
	require.Len(t, schema.Defs, 36)
	for name, def := range schema.Defs {
		for property, p := range def.Properties {
			require.NotEmpty(t, p.Description, "%s.%s", name, property)
		}
	}
	require.NotContains(t, schema.Defs["Table"].Properties, "name", "the key under ingress.tables is the name")
}

func compiled(t *testing.T) *schemas.Schema {
	t.Helper()
	return compiledFrom(t, Schema)
}

func compiledFrom(t *testing.T, text []byte) *schemas.Schema {
	t.Helper()
	document, err := schemas.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	compiler := schemas.NewCompiler()
	compiler.AssertFormat()
	require.NoError(t, compiler.AddResource("causeway.schema.json", document))
	schema, err := compiler.Compile("causeway.schema.json")
	require.NoError(t, err)
	return schema
}

// document reads a YAML file as a JSON document.
func document(t *testing.T, data []byte) any {
	t.Helper()
	converted, err := yaml.YAMLToJSON(data)
	require.NoError(t, err)
	out, err := schemas.UnmarshalJSON(bytes.NewReader(converted))
	require.NoError(t, err)
	return out
}

func TestExampleFitsSchemaAndLoads(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("example.yaml")
	require.NoError(t, err)
	require.NoError(t, compiled(t).Validate(document(t, data)))
	c, err := Load("example.yaml")
	require.NoError(t, err)
	require.Empty(t, c.Warnings())
	require.Equal(t, filepath.Join("mappings", "contacts.yaml"), c.DefinedIn("contacts"))
	mappings, err := os.ReadFile(c.DefinedIn("contacts"))
	require.NoError(t, err)
	require.NoError(t, compiledFrom(t, MappingsSchema).Validate(document(t, mappings)))
	require.Len(t, c.Ingress.Tables["contacts"].Fields, 15)
}

// The example shows defaults; what it sets otherwise is what has to be set, and
// what a reader should see switched on.
func TestExampleShowsDefaults(t *testing.T) {
	t.Parallel()
	c, err := Load("example.yaml")
	require.NoError(t, err)
	defaults := settings(Defaults())
	var other []string
	for i, s := range settings(c) {
		if s.hasDefault && !reflect.DeepEqual(s.value.Interface(), defaults[i].value.Interface()) {
			other = append(other, s.path)
		}
	}
	require.Equal(t, []string{"egress.sends", "egress.opens", "egress.clicks", "egress.bounces"}, other)
}

// What the schema refuses, Parse refuses too: both hold the same limits.
func TestSchemaAndParseRefuseTheSame(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 10)
	schema := compiled(t)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			_, err = Parse(file, data)
			require.Error(t, err)
			require.Error(t, schema.Validate(document(t, data)))
		})
	}
}
