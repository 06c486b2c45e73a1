package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	contactsMapping = "ingress:\n  tables:\n    contacts:\n      dynamics: { table: contact }\n      campaign: { resource: profile, key: externalId }\n      fields: [{ from: lastname, to: lastName }]\n"
	vehiclesMapping = "ingress:\n  tables:\n    vehicles:\n      dynamics: { table: new_vehicle }\n      campaign: { resource: cusVehicle, key: d365Id }\n      fields:\n        - { from: new_name, to: label }\n        - { from: new_owner, to: owner, parent: contacts }\n"
)

// memory is a folder that a test gives.
func memory(files map[string]string) folder {
	return folder{
		glob: func(pattern string) ([]string, error) {
			var out []string
			for _, name := range slices.Sorted(maps.Keys(files)) {
				matched, err := filepath.Match(pattern, name)
				if err != nil {
					return nil, err
				}
				if matched {
					out = append(out, name)
				}
			}
			return out, nil
		},
		read: func(path string) ([]byte, error) {
			text, known := files[path]
			if !known || text == "unreadable" {
				return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrPermission}
			}
			return []byte(text), nil
		},
	}
}

// included parses conf/main.yaml, which is complete, with the files beside it.
func included(t *testing.T, more string, files map[string]string) (*Config, Problems) {
	t.Helper()
	c, err := parse("conf/main.yaml", []byte(good(t)+more), memory(files))
	if err == nil {
		return c, nil
	}
	problems, ok := errors.AsType[*Problems](err)
	require.True(t, ok, "want *Problems, got %v", err)
	return nil, *problems
}

// Mappings of all files are one configuration: they may link to each other, and
// what a mapping is does not depend on the file it is in.
func TestIncludedMappingsAreLikeOthers(t *testing.T) {
	t.Parallel()
	alone, problems := included(t, contactsMapping+strings.TrimPrefix(vehiclesMapping, "ingress:\n  tables:\n"), nil)
	require.Empty(t, problems.text())
	split, problems := included(t, "include: [maps/*.yaml, 'maps/c*.yaml', more.yaml]\n", map[string]string{
		"conf/maps/contacts.yaml": contactsMapping, "conf/more.yaml": vehiclesMapping, "conf/other.yaml": "unreadable", "conf/maps/.#contacts.yaml": "unreadable",
	})
	require.Empty(t, problems.text())
	mixed, problems := included(t, "include: [maps/vehicles.yaml]\n"+contactsMapping, map[string]string{"conf/maps/vehicles.yaml": vehiclesMapping})
	require.Empty(t, problems.text())

	for _, c := range []*Config{split, mixed} {
		require.Equal(t, alone.Ingress.Tables, c.Ingress.Tables)
		require.Equal(t, alone.ParentsFirst(), c.ParentsFirst())
		require.Equal(t, alone.Ingress.Tables["vehicles"].Revision(), c.Ingress.Tables["vehicles"].Revision())
		require.Equal(t, alone.String(), c.String(), "one file holds all that is in effect")
		require.Equal(t, alone.OptOutSettings(), c.OptOutSettings())
	}
	require.Equal(t, "conf/maps/contacts.yaml", split.DefinedIn("contacts"))
	require.Equal(t, "conf/main.yaml", mixed.DefinedIn("contacts"))
	require.Empty(t, mixed.DefinedIn("nothing"))
	require.Equal(t, []string{"conf/main.yaml", "conf/maps/contacts.yaml", "conf/more.yaml"}, split.source.files, "in the order of the patterns, once each")
}

// Every problem names the file it is in, and the path inside it.
func TestIncludeProblems(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		more  string
		files map[string]string
		want  string
	}{
		"nothing matches": {"include: [maps/*.yaml]\n", nil,
			`conf/main.yaml:11: include[0]: got "maps/*.yaml", which matches no file, want files with mappings; looked for conf/maps/*.yaml; correct or remove it`},
		"hidden files do not count": {"include: [maps/*]\n", map[string]string{"conf/maps/.contacts.swp": "unreadable"},
			`conf/main.yaml:11: include[0]: got "maps/*", which matches no file, want files with mappings; looked for conf/maps/*; correct or remove it`},
		"an absolute path": {"include: [/srv/*.yaml]\n", nil,
			`conf/main.yaml:11: include[0]: got "/srv/*.yaml", which matches no file, want files with mappings; looked for /srv/*.yaml; correct or remove it`},
		"nothing": {"include: ['']\n", nil,
			`conf/main.yaml:11: include[0]: got "", want a file or a pattern such as mappings/*.yaml`},
		"not a list": {"include: maps/*.yaml\n", nil,
			`conf/main.yaml:11: include: got "maps/*.yaml", want a list; begin each entry with a hyphen, or put the entries in brackets`},
		"not a pattern": {"include: ['maps/[.yaml']\n", map[string]string{"conf/maps/a.yaml": ""},
			`conf/main.yaml:11: include[0]: got "maps/[.yaml", which is no pattern, want a file or a pattern such as mappings/*.yaml`},
		"all folders below": {"include: ['maps/**/*.yaml']\n", map[string]string{"conf/maps/a/b.yaml": ""},
			`conf/main.yaml:11: include[0]: got "maps/**/*.yaml", want a pattern without **; give each folder a pattern of its own`},
		"itself": {"include: ['*.yaml']\n", map[string]string{"conf/main.yaml": "", "conf/a.yaml": ""},
			`conf/main.yaml:11: include[0]: got "*.yaml", which matches this file itself, want files with mappings; keep them in a folder of their own, such as mappings`},
		"not readable": {"include: [a.yaml]\n", map[string]string{"conf/a.yaml": "unreadable"},
			`conf/main.yaml:11: include[0]: got conf/a.yaml, which cannot be read (permission denied), want a file with mappings`},
		"not YAML": {"include: [a.yaml]\n", map[string]string{"conf/a.yaml": "a: 'hunter2"},
			`conf/a.yaml:1: got text that is not YAML (could not find end character of single-quoted text), want YAML; check indentation, colons and quotes there`},
		"a list": {"include: [a.yaml]\n", map[string]string{"conf/a.yaml": "- contacts"},
			`conf/a.yaml:1: got a list, want a section with ingress`},
		"a mapping without its place": {"include: [a.yaml]\n", map[string]string{"conf/a.yaml": "contacts: { dynamics: { table: contact } }"},
			`conf/a.yaml:1: contacts: got an unknown key, want mappings only, under ingress.tables`},
		"a misspelt section": {"include: [a.yaml]\n", map[string]string{"conf/a.yaml": "ingres: { }"},
			`conf/a.yaml:1: ingres: got an unknown key, want mappings only, under ingress.tables; did you mean ingress?`},
		"credentials": {"include: [a.yaml]\n", map[string]string{"conf/a.yaml": contactsMapping + "campaign:\n  client_secret: hunter2\n"},
			`conf/a.yaml:7: campaign: got a setting of the main file, want mappings only, under ingress.tables; move it to conf/main.yaml`},
		"another setting of ingress": {"include: [a.yaml]\n", map[string]string{"conf/a.yaml": contactsMapping + "  lanes: 4\n"},
			`conf/a.yaml:7: ingress.lanes: got a setting of the main file, want mappings only, under ingress.tables; move it to conf/main.yaml`},
		"a nested include": {"include: [a.yaml]\n", map[string]string{"conf/a.yaml": "include: [b.yaml]\n", "conf/b.yaml": contactsMapping},
			`conf/a.yaml:1: include: got an include in an included file, want mappings only, under ingress.tables; name those files under include in conf/main.yaml`},
		"a key of a mapping": {"include: [a.yaml]\n", map[string]string{"conf/a.yaml": strings.Replace(contactsMapping, "from:", "form:", 1)},
			"conf/a.yaml:6: ingress.tables.contacts.fields[0].form: got an unknown key, want one of from, to, on_too_long, time_zone, apply_updates, lower_case, replace, parent; did you mean from?\n" +
				"conf/a.yaml:6: ingress.tables.contacts.fields[0].from: got nothing, want the name of a Dynamics column"},
		"a value in the first of two files": {"include: [a.yaml, b.yaml]\n  \ntelemetry: { log_level: loud }\n", map[string]string{"conf/b.yaml": contactsMapping, "conf/a.yaml": strings.Replace(vehiclesMapping, "key: d365Id", "key: ''", 1)},
			"conf/main.yaml:13: telemetry.log_level: got \"loud\", want debug, info, warn or error\n" +
				"conf/a.yaml:5: ingress.tables.vehicles.campaign.key: got nothing, want the Campaign text field that holds the Dynamics id"},
		"defined in two files": {"include: ['*.map']\n", map[string]string{"conf/a.map": "\n" + contactsMapping, "conf/b.map": contactsMapping},
			"conf/b.map:3: ingress.tables.contacts: got a second time, want once; it is in conf/a.map on line 4 already; remove one of the two"},
		"defined in the main file too": {contactsMapping + "include: [a.yaml]\n", map[string]string{"conf/a.yaml": contactsMapping},
			"conf/a.yaml:3: ingress.tables.contacts: got a second time, want once; it is in conf/main.yaml on line 13 already; remove one of the two"},
		"one table in two mappings": {contactsMapping + "include: [a.yaml]\n", map[string]string{"conf/a.yaml": strings.Replace(contactsMapping, "    contacts:", "    people:", 1)},
			"conf/a.yaml:4: ingress.tables.people.dynamics.table: got \"contact\", which ingress.tables.contacts.dynamics.table maps already, want each table in one mapping only; remove one of the two mappings\n" +
				"conf/a.yaml:5: ingress.tables.people.campaign.resource: got \"profile\", which ingress.tables.contacts.campaign.resource maps already, want each table in one mapping only; remove one of the two mappings"},
		"a parent that no file has": {"include: [a.yaml]\n", map[string]string{"conf/a.yaml": vehiclesMapping},
			"conf/a.yaml:8: ingress.tables.vehicles.fields[1].parent: got \"contacts\", want a mapping of this configuration: vehicles"},
		"a parent in a file that was not read": {"include: [a.yaml, contacts.yaml]\n", map[string]string{"conf/a.yaml": vehiclesMapping},
			`conf/main.yaml:11: include[1]: got "contacts.yaml", which matches no file, want files with mappings; looked for conf/contacts.yaml; correct or remove it`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problems := included(t, tt.more, tt.files)
			got := problems.text()
			require.NotContains(t, got, "hunter2")
			require.Contains(t, got, tt.want)
			require.Equal(t, strings.Count(tt.want, "\n"), strings.Count(got, "\n"), "no other problem: %s", got)
		})
	}
}

// The folder's own name is no pattern, and a file without mappings does no harm.
func TestIncludeReadsTheDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "[a]*")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "maps", "folder.yaml"), 0o755))
	for name, text := range map[string]string{"main.yaml": good(t) + "include: [maps/?*s.yaml]\n", "maps/contacts.yaml": contactsMapping, "maps/vehicles.yaml": "# later\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	c, err := Load(filepath.Join(dir, "main.yaml"))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "maps", "contacts.yaml"), c.DefinedIn("contacts"))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.yaml"), []byte(good(t)+"include: [maps/*.yaml]\n"), 0o600))
	_, err = Load(filepath.Join(dir, "main.yaml"))
	require.ErrorContains(t, err, fmt.Sprintf("got %s, which cannot be read (is a directory)", filepath.Join(dir, "maps", "folder.yaml")))
}

// What is refused here, an editor refuses with the schema of included files.
func TestSchemaOfIncludedFiles(t *testing.T) {
	t.Parallel()
	schema := compiledFrom(t, MappingsSchema)
	require.NoError(t, schema.Validate(document(t, []byte(contactsMapping))))
	for _, text := range []string{"campaign: { rate: 1 }\n", "include: [a]\n", contactsMapping + "  lanes: 4\n", strings.Replace(contactsMapping, "from:", "form:", 1)} {
		require.Error(t, schema.Validate(document(t, []byte(text))), text)
	}
}
