package edit_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
	"causeway.dev/config/edit"
	"causeway.dev/internal/mapping"
)

// example is a copy of the example configuration in a folder of its own.
func example(t *testing.T) (main, contacts string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "mappings"), os.DirFS("../mappings")))
	data, err := os.ReadFile("../example.yaml")
	require.NoError(t, err)
	main = filepath.Join(dir, "causeway.yaml")
	require.NoError(t, os.WriteFile(main, data, 0o640))
	return main, filepath.Join(dir, "mappings", "contacts.yaml")
}

func open(t *testing.T, path string) *edit.Draft {
	t.Helper()
	d, err := edit.Open(path)
	require.NoError(t, err)
	return d
}

// changed are the lines that a draft takes out and puts in, of one file.
func changed(t *testing.T, d *edit.Draft) (path string, out, in []string) {
	t.Helper()
	changes := d.Changes()
	require.Len(t, changes, 1)
	a, b := strings.Split(string(changes[0].Before), "\n"), strings.Split(string(changes[0].After), "\n")
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return changes[0].Path, a, b
}

func off() *bool { return new(bool) }

func TestAnEditChangesOnlyItsLines(t *testing.T) {
	t.Parallel()
	table := edit.TablePath("contacts")
	for name, c := range map[string]struct {
		do      func(*edit.Draft) error
		out, in []string
		says    []string
	}{
		"a number": {func(d *edit.Draft) error { return d.Set(edit.At("ingress", "lanes"), 4) },
			[]string{"  lanes: 8 # parts of a page written in parallel"}, []string{"  lanes: 4 # parts of a page written in parallel"},
			[]string{"ingress.lanes is now 4; it was 8"}},
		"a period": {func(d *edit.Draft) error { return d.Set(edit.At("egress", "poll_every"), 90*time.Second) },
			[]string{"  poll_every: 10s"}, []string{"  poll_every: 1m30s"}, []string{"egress.poll_every is now 1m30s; it was 10s"}},
		"text": {func(d *edit.Draft) error { return d.Set(edit.At("telemetry", "listen"), "") },
			[]string{"  listen: 127.0.0.1:9464 # metrics and health; \"\" serves none"}, []string{"  listen: \"\" # metrics and health; \"\" serves none"},
			[]string{"telemetry.listen is now empty; it was 127.0.0.1:9464"}},
		"a setting that was left out": {func(d *edit.Draft) error { return d.Set(edit.At("opt_out", "lanes"), 2) },
			[]string{}, []string{"  lanes: 2"}, []string{"opt_out.lanes is now 2; it was 4"}},
		"a section that was left out": {func(d *edit.Draft) error {
			return d.Set(edit.At("failures"), config.Failures{RetryAfter: time.Minute, SetAsideAfter: time.Hour, CheckModelsEvery: 24 * time.Hour})
		}, []string{}, []string{"failures:", "  retry_after: 1m", "  set_aside_after: 1h", "  check_models_every: 24h"}, []string{"failures.set_aside_after is now 1h; it was 10m"}},
		"a section in brackets": {func(d *edit.Draft) error {
			return d.Set(edit.At("opt_out", "modified_since", "filter"), "byCusModified")
		}, []string{"  modified_since: { filter: byModifiedSince, parameter: since_parameter } # of the profile, for source rest"},
			[]string{"  modified_since: { filter: byCusModified, parameter: since_parameter } # of the profile, for source rest"},
			[]string{"opt_out.modified_since.filter is now byCusModified; it was byModifiedSince"}},
		"a secret": {func(d *edit.Draft) error { return d.Set(edit.At("campaign", "client_secret"), "file:campaign-secret") },
			[]string{"  client_secret: env:CAMPAIGN_CLIENT_SECRET"}, []string{"  client_secret: file:campaign-secret"},
			[]string{"campaign.client_secret refers to another secret now"}},
		"apply updates of one pair": {func(d *edit.Draft) error { return d.ApplyUpdate("contacts", 0, false) },
			[]string{"        - { from: emailaddress1, to: email } # lower_case: true writes it in lower case"},
			[]string{"        - { from: emailaddress1, to: email, apply_updates: false } # lower_case: true writes it in lower case"},
			[]string{"Mapping contacts: Field emailaddress1 -> email: apply updates is now off"}},
		"a switch": {func(d *edit.Draft) error { return d.Set(table.And("technical_values"), true) },
			[]string{"      technical_values: false # choices: the label (false) or the number (true)"}, []string{"      technical_values: true # choices: the label (false) or the number (true)"},
			[]string{"Mapping contacts: Technical values is now on"}},
		"a new pair": {func(d *edit.Draft) error {
			return d.Insert(table.And("fields"), 1, mapping.Field{From: "jobtitle", To: "cusJobTitle", ApplyUpdates: off()})
		}, []string{}, []string{"        - { from: jobtitle, to: cusJobTitle, apply_updates: false }"}, []string{"Mapping contacts: Field jobtitle -> cusJobTitle is new"}},
		"a pair that goes": {func(d *edit.Draft) error { return d.Remove(table.And("fields", 2)) },
			[]string{"        - { from: middlename, to: middleName, on_too_long: truncate }"}, []string{}, []string{"Mapping contacts: Field middlename -> middleName is gone"}},
		"a filter": {func(d *edit.Draft) error {
			return d.Set(table.And("filter"), mapping.Filter{Where: []mapping.Condition{{Column: "statecode", Is: "equals", Value: "Active"}, {Column: "emailaddress1", Is: "not_empty"}}, DeleteUnmatched: true})
		}, []string{}, []string{"      filter:", "        where:", "          - { column: statecode, is: equals, value: Active }", "          - { column: emailaddress1, is: not_empty }", "        delete_unmatched: true"},
			[]string{`Mapping contacts: Filter: the condition statecode equals "Active" is new`, "Mapping contacts: Filter: the condition emailaddress1 is not empty is new", "Mapping contacts: Deleting what does not match the filter any more is now on"}},
		"a replacement": {func(d *edit.Draft) error {
			return d.Set(table.And("fields", 6, "replace"), map[string]string{"St. Gallen": "SG", "yes": "true", "": "-"})
		}, []string{"        - { from: gendercode, to: gender } # the labels Male and Female match Campaign's"},
			[]string{`        - { from: gendercode, to: gender, replace: { "": "-", St. Gallen: SG, "yes": "true" } } # the labels Male and Female match Campaign's`},
			[]string{`Mapping contacts: Field gendercode -> gender: "" is now replaced by "-"`, `Mapping contacts: Field gendercode -> gender: "St. Gallen" is now replaced by "SG"`, `Mapping contacts: Field gendercode -> gender: "yes" is now replaced by "true"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			main, _ := example(t)
			d := open(t, main)
			require.NoError(t, c.do(d))
			_, out, in := changed(t, d)
			require.Equal(t, c.out, out)
			require.Equal(t, c.in, in)
			differences, err := d.Differences()
			if problems, broken := errors.AsType[*config.Problems](err); broken {
				t.Fatal(problems)
			}
			require.NoError(t, err)
			var says []string
			for _, one := range differences {
				says = append(says, one.Sentence)
			}
			require.Equal(t, c.says, says)
		})
	}
}

// The page sends a whole mapping; what it does not change stays as it is written.
func TestAMappingIsSetWithTheEditsThatItNeeds(t *testing.T) {
	t.Parallel()
	main, contacts := example(t)
	cfg, err := config.Load(main)
	require.NoError(t, err)
	whole := cfg.Ingress.Tables["contacts"]

	d := open(t, main)
	require.NoError(t, d.SetTable("contacts", whole))
	require.Empty(t, d.Changes(), "the same mapping, with its defaults filled in")

	whole.ApplyDeletes = false
	whole.Fields = slices.Clone(whole.Fields)
	whole.Fields[1].OnTooLong = ""
	whole.Fields[2].ApplyUpdates = off()
	whole.Fields[4].To = "cusSalutation"
	whole.Fields = slices.Delete(whole.Fields, 5, 6)
	whole.Fields = slices.Insert(whole.Fields, 3, mapping.Field{From: "jobtitle", To: "cusJobTitle", Replace: map[string]string{"CEO": "Chief"}})
	whole.Filter = mapping.Filter{Match: "any", Where: []mapping.Condition{{Column: "a", Is: "empty"}}}
	require.NoError(t, d.SetTable("contacts", whole))
	edited, err := d.Check()
	require.NoError(t, err)
	require.Equal(t, whole.Revision(), edited.Ingress.Tables["contacts"].Revision())
	changes := d.Changes()
	require.Len(t, changes, 1)
	require.Equal(t, contacts, changes[0].Path)
	for _, stays := range []string{"#   delete_unmatched: false # true deletes", "apply_deletes: false # delete the profile when", "        - { from: firstname, to: firstName } # 50 characters into 30\n", "{ from: middlename, to: middleName, on_too_long: truncate, apply_updates: false }"} {
		require.Contains(t, string(changes[0].After), stays)
	}

	require.NoError(t, d.SetTable("contacts", cfg.Ingress.Tables["contacts"]))
	back, err := d.Check()
	require.NoError(t, err)
	require.Equal(t, cfg.Ingress.Tables["contacts"].Revision(), back.Ingress.Tables["contacts"].Revision())
}

func TestApplyUpdatesOfAllPairs(t *testing.T) {
	t.Parallel()
	main, _ := example(t)
	d := open(t, main)
	require.NoError(t, d.ApplyUpdates("contacts", false))
	cfg, err := d.Check()
	require.NoError(t, err)
	for _, f := range cfg.Ingress.Tables["contacts"].Fields {
		require.NotNil(t, f.ApplyUpdates)
		require.False(t, *f.ApplyUpdates)
	}
	require.NoError(t, d.ApplyUpdates("contacts", true))
	require.Empty(t, d.Changes())
}

func TestAMappingIsAddedAndRemoved(t *testing.T) {
	t.Parallel()
	main, _ := example(t)
	vehicles := mapping.Table{Dynamics: mapping.SourceTable{Table: "new_vehicle"}, Campaign: mapping.TargetTable{API: "customResources", Resource: "cusVehicle", Key: "vehicleId"},
		Fields: []mapping.Field{{From: "new_vin", To: "vin"}, {From: "new_owner", To: "owner", Parent: "contacts"}}}
	d := open(t, main)
	require.ErrorContains(t, d.AddTable("contacts", vehicles, ""), "already")
	require.NoError(t, d.AddTable("vehicles", vehicles, ""))
	require.Equal(t, `ingress:
  tables:
    vehicles:
      dynamics:
        table: new_vehicle
      campaign:
        api: customResources
        resource: cusVehicle
        key: vehicleId
      fields:
        - { from: new_vin, to: vin }
        - { from: new_owner, to: owner, parent: contacts }
`, string(d.Changes()[0].After))
	saved, err := d.Save()
	require.NoError(t, err)
	require.Equal(t, "Mapping vehicles (new_vehicle -> cusVehicle) is new", saved.Differences[0].Sentence)
	require.Equal(t, filepath.Join(filepath.Dir(main), "mappings", "vehicles.yaml"), saved.Files[0].Path)

	d = open(t, main)
	cars := vehicles
	cars.Dynamics.Table, cars.Campaign.Resource = "new_car", "cusCar"
	require.NoError(t, d.AddTable("cars", cars, main), "beside a comment where tables are to be")
	cfg, err := d.Check()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"cars", "contacts", "vehicles"}, slices.Collect(maps.Keys(cfg.Ingress.Tables)))
	require.NoError(t, d.RemoveTable("cars"))
	require.NoError(t, d.RemoveTable("vehicles"))
	cfg, err = d.Check()
	require.NoError(t, err)
	require.Len(t, cfg.Ingress.Tables, 1)
}

// A page shows the problem beside the field that its path names; nothing is written.
func TestABrokenEditNeverReachesTheDisk(t *testing.T) {
	t.Parallel()
	main, contacts := example(t)
	before, err := os.ReadFile(contacts)
	require.NoError(t, err)
	d := open(t, main)
	require.NoError(t, d.Set(edit.TablePath("contacts").And("fields", 1, "on_too_long"), "cut"))
	require.NoError(t, d.Set(edit.At("dynamics", "client_secret"), "hunter2"))
	_, err = d.Save()
	problems, ok := errors.AsType[*config.Problems](err)
	require.True(t, ok)
	require.Len(t, *problems, 2)
	require.Equal(t, "dynamics.client_secret", (*problems)[0].Path)
	require.Equal(t, "ingress.tables.contacts.fields[1].on_too_long", (*problems)[1].Path)
	require.NotContains(t, err.Error(), "hunter2")
	after, err := os.ReadFile(contacts)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestWhatIsSharedIsNotChangedForOne(t *testing.T) {
	t.Parallel()
	main, contacts := example(t)
	require.NoError(t, os.WriteFile(contacts, []byte(`ingress:
  tables:
    contacts: &c
      dynamics: { table: contact }
      campaign: { resource: profile, key: externalId }
      fields: &f
        - { from: emailaddress1, to: email }
    others:
      dynamics: { table: new_other }
      campaign: { api: customResources, resource: cusOther, key: otherId }
      fields: *f
`), 0o600))
	d := open(t, main)
	require.ErrorContains(t, d.ApplyUpdate("others", 0, false), "shared with other settings by *f")
	require.ErrorIs(t, d.ApplyUpdate("contacts", 0, false), edit.ErrForm, "it would change both")
	require.Empty(t, d.Changes())
	require.NoError(t, d.Set(edit.TablePath("contacts").And("apply_deletes"), true))
	require.Len(t, d.Changes(), 1)
}
