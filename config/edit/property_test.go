package edit_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/config/edit"
	"causeway.dev/internal/mapping"
)

// Each form that a list of pairs can be written in.
var forms = map[string]string{
	"brackets": "fields: [{from: a, to: b}, { from: c, to: d, replace: {x: y} } ]\n",
	"lines":    "fields:\n  - from: a\n    to: b # note\n    # head\n    apply_updates: true\n  - to: d\n    from: c\n    replace:\n      x: y\n",
	"deep":     "fields:\n      -   {from: a,\n            to: b}   # one\n\n      # between\n      -   from: c\n\n          to: \"d\"\n          replace:\n              'x': >-\n                y\n\n\n          # last\n",
	"level":    "fields:\n- from: a\n  to: b\n- from: c # d\n  to: 'd'\n  replace: {\n    x: y, # why\n  }\n",
	"bare":     "fields:\n- {from: a, to: b}\n- {from: c, to: d, replace: {x: 'y'}}",
	"windows":  "fields:\r\n- from: a\r\n  to: b\r\n- from: c\r\n  to: d\r\n  replace: {x: y}\r\n",
}

// written is a configuration with one mapping whose fields stand in a form.
func written(t *testing.T, form string) string {
	t.Helper()
	nl := "\n"
	if strings.Contains(form, "\r") {
		nl = "\r\n"
	}
	dir := t.TempDir()
	main, err := os.ReadFile("../example.yaml")
	require.NoError(t, err)
	path := filepath.Join(dir, "causeway.yaml")
	require.NoError(t, os.WriteFile(path, main, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "mappings"), 0o700))
	head := strings.ReplaceAll("# élan\ningress:\n  tables:\n    contacts:\n      campaign: { resource: profile, key: externalId } # é\n      dynamics: { table: contact }\n      ", "\n", nl)
	body := strings.ReplaceAll(form, "\n", "\n      ")
	if strings.HasSuffix(form, "\n") {
		body = strings.TrimSuffix(body, "      ")
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mappings", "c.yaml"), []byte(head+body), 0o600))
	return path
}

func TestAnEditAndItsInverseLeaveEachFormAsItWas(t *testing.T) {
	t.Parallel()
	fields := edit.TablePath("contacts").And("fields")
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := written(t, form)
			d := open(t, path)
			require.Empty(t, d.Changes(), "opened")
			cfg, err := d.Check()
			require.NoError(t, err)
			require.Len(t, cfg.Ingress.Tables["contacts"].Fields, 2)

			do := func(errs ...error) {
				t.Helper()
				for _, err := range errs {
					require.NoError(t, err)
				}
				_, err := d.Check()
				require.NoError(t, err)
			}
			for i := range 3 { // at the start, in the middle, at the end
				if name == "brackets" && i == 0 {
					continue // the first of a line in brackets takes its space with it
				}
				do(d.Insert(fields, i, mapping.Field{From: "e", To: "f", Replace: map[string]string{"": "#, ] }"}}))
				require.NotEmpty(t, d.Changes())
				do(d.Remove(fields.And(i)))
				require.Empty(t, d.Changes(), "inserted at %d", i)
			}
			for i := range 2 {
				do(d.Set(fields.And(i, "time_zone"), "Europe/Paris"), d.Remove(fields.And(i, "time_zone")))
				require.Empty(t, d.Changes(), "a key of %d", i)
			}
			do(d.Set(fields.And(1, "replace", "a: b"), "'"), d.Remove(fields.And(1, "replace", "a: b")))
			require.Empty(t, d.Changes(), "a replacement")
			do(d.Set(fields.And(1, "to"), "else.where"))
			require.NotEmpty(t, d.Changes())
			do(d.Set(fields.And(1, "to"), "d"))
			require.Empty(t, d.Changes(), "a value")

			do(d.Remove(fields.And(0)), d.Remove(fields.And(0, "replace")))
			cfg, err = d.Check()
			require.NoError(t, err)
			require.Equal(t, []mapping.Field{{From: "c", To: "d"}}, cfg.Ingress.Tables["contacts"].Fields)
		})
	}
}

// Whatever mapping is asked for, the file says it afterwards, and nothing else in it.
func TestAnyMappingCanBeWrittenInAnyForm(t *testing.T) {
	t.Parallel()
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := written(t, form)
			r := rand.New(rand.NewPCG(1, uint64(len(form)))) //nolint:gosec // repeatable
			d := open(t, path)
			for n := range 25 {
				want := anyTable(r)
				require.NoError(t, d.SetTable("contacts", want), "mapping %d", n)
				data := d.Changes()
				cfg, err := d.Check()
				if err != nil {
					t.Fatalf("mapping %d: %v\n%s", n, err, data[0].After)
				}
				want.Name, want.OptOuts = "contacts", cfg.Ingress.Tables["contacts"].OptOuts
				require.Empty(t, mapping.Differences(want, cfg.Ingress.Tables["contacts"]), "mapping %d", n)
				require.Equal(t, want.Revision(), cfg.Ingress.Tables["contacts"].Revision())
				if !strings.Contains(string(data[0].After), "resource: profile, key: externalId } # é") {
					t.Fatalf("mapping %d changed more:\n%s", n, data[0].After)
				}
			}
		})
	}
}

// awkward is text that YAML could take for something else.
var awkward = []string{"", " ", "a", "Active", "yes", "null", "~", "1", "1.0", "0x1f", "1e3", "2026-11-30", "12:30:00", "a: b", "a #b", "#a", "{a}", "[a", "a, b", "- a", "? a", "!a", "&a", "*a", "|", ">", "%a", "@a", "`a", "it's", `say "hi"`, `back\slash`, "two\nlines", "tab\tbed", "St. Gallen", "Zürich", "日本", "🙂", "\u00a0", "-", "--- a", "...", "<<", "=", "a:", ":a", "a ", " a", "true"}

func anyTable(r *rand.Rand) mapping.Table {
	text := func() string { return awkward[r.IntN(len(awkward))] }
	t := mapping.Table{Dynamics: mapping.SourceTable{Table: "contact"}, Campaign: mapping.TargetTable{Resource: "profile", Key: "externalId"},
		ApplyDeletes: r.IntN(2) == 0, TechnicalValues: r.IntN(2) == 0, Erased: []string{"", "leave", "restore"}[r.IntN(3)]}
	for i := range 1 + r.IntN(4) {
		f := mapping.Field{From: fmt.Sprintf("c%d", r.IntN(4)*10+i), To: fmt.Sprintf("t%d", i), LowerCase: r.IntN(3) == 0, OnTooLong: []string{"", "reject", "truncate"}[r.IntN(3)]}
		if r.IntN(3) == 0 {
			on := r.IntN(2) == 0
			f.ApplyUpdates = &on
		}
		for range r.IntN(3) {
			if f.Replace == nil {
				f.Replace = map[string]string{}
			}
			if old, value := text(), text(); old != value {
				f.Replace[old] = value
			}
		}
		t.Fields = append(t.Fields, f)
	}
	r.Shuffle(len(t.Fields), func(i, j int) { t.Fields[i], t.Fields[j] = t.Fields[j], t.Fields[i] })
	for range r.IntN(3) {
		t.Filter.Where = append(t.Filter.Where, mapping.Condition{Column: fmt.Sprintf("c%d", r.IntN(3)), Is: "equals", Value: "x" + text()})
	}
	if len(t.Filter.Where) > 0 && r.IntN(2) == 0 {
		t.Filter.Match, t.Filter.DeleteUnmatched = "any", true
	}
	return t
}

// FuzzSet: no file and no value make an edit panic, or say anything else than asked for.
func FuzzSet(f *testing.F) {
	for _, form := range forms {
		f.Add([]byte(form), "fields[0].to", "x")
		f.Add([]byte(form), "fields[1].replace.x", "a: b")
	}
	f.Fuzz(func(t *testing.T, data []byte, at, value string) {
		path := filepath.Join(t.TempDir(), "c.yaml")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		d, err := edit.Open(path)
		if err != nil {
			return
		}
		require.Empty(t, d.Changes())
		to, err := edit.ParsePath(at)
		if err != nil {
			return
		}
		for _, err := range []error{d.Set(to, value), d.Insert(to, 0, value), d.Remove(to)} {
			_ = err // refusing is fine
		}
	})
}
