package bulk_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/bulk"
	"causeway.dev/internal/mapping"
)

// small is a sheet of a key and a text.
func small(t testing.TB) *bulk.Sheet {
	t.Helper()
	s, err := bulk.NewSheet(&mapping.Plan{Fields: []mapping.PlanField{{To: "externalId", Target: mapping.ToText, Key: true}, {To: "location.city", Target: mapping.ToText}}})
	require.NoError(t, err)
	return s
}

func record(t testing.TB, n int) *mapping.Payload {
	t.Helper()
	return payload(t, map[string]any{"externalId": fmt.Sprint("k", n), "location.city": strings.Repeat("x", n%40)})
}

func TestWhatAMappingMustNotHaveForAFile(t *testing.T) {
	t.Parallel()
	plan := func(change func(p *mapping.Plan)) error {
		p := &mapping.Plan{Table: mapping.Table{Name: "contacts"}, Fields: []mapping.PlanField{
			{From: "donotemail", To: "blackListEmail", Target: mapping.ToBoolean}, {From: "contactid", To: "externalId", Key: true}, {From: "city", To: "location.city"}}}
		change(p)
		_, err := bulk.NewSheet(p)
		return err
	}
	require.NoError(t, plan(func(*mapping.Plan) {}))
	for want, change := range map[string]func(p *mapping.Plan){
		"donotemail -> blackListEmail: a file never clears an opt-out": func(p *mapping.Plan) { p.Table.ClearOptOuts = true },
		"city -> location.city: an import also updates":                func(p *mapping.Plan) { p.Fields[2].SkipUpdates = true },
		"city -> location_city: another field has the column": func(p *mapping.Plan) {
			p.Fields = append(p.Fields, mapping.PlanField{From: "city", To: "location_city"})
		},
		"another field has the column causeway_row": func(p *mapping.Plan) { p.Fields[2].To = "causeway_row" },
		"no key field": func(p *mapping.Plan) { p.Fields[1].Key = false },
	} {
		require.ErrorContains(t, plan(change), want)
	}
}

// An opt-out is in no file: not as TRUE, because the record goes by REST, and not as
// FALSE, because there is no column for it.
func TestNoFileHoldsAnOptOut(t *testing.T) {
	t.Parallel()
	sheet, err := bulk.NewSheet(profilePlan)
	require.NoError(t, err)
	require.NotContains(t, strings.Join(sheet.Columns(), " "), "blackList")
	out := files{}
	w, err := sheet.Split("p", 1, bulk.Limits{Rows: 9, Bytes: 1 << 20}, out.open)
	require.NoError(t, err)
	for _, optsOut := range []bool{false, true} {
		_, _, err = w.Add(payload(t, map[string]any{"birthDate": "", "blackListEmail": optsOut, "email": "", "externalId": "k", "firstName": "", "gender": "male",
			"isExternal": true, "location.city": "", "preferredLanguage": "none", "timeZone": "Europe_Paris"}))
		aside, rest := errors.AsType[*bulk.ByREST](err)
		require.Equal(t, optsOut, rest)
		if rest {
			require.Equal(t, "blackListEmail", aside.Field)
		}
	}
	_, err = w.Close()
	require.NoError(t, err)
	require.Equal(t, "causeway_file,causeway_row,birthDate,email,externalId,firstName,gender,isExternal,location_city,preferredLanguage,timeZone\n"+
		"p-0001,1,,,k,,1,1,,none,Europe/Paris\n", out["p-0001"].String())
}

func TestARecordOfAnotherPlanIsNotWritten(t *testing.T) {
	t.Parallel()
	w, err := small(t).Split("p", 1, bulk.Limits{Rows: 9, Bytes: 1 << 20}, files{}.open)
	require.NoError(t, err)
	for _, p := range []map[string]any{{"externalId": "k"}, {"externalId": "k", "location.city": "", "more": "x"}} {
		_, _, err := w.Add(payload(t, p))
		require.Error(t, err)
		_, rest := errors.AsType[*bulk.ByREST](err)
		require.False(t, rest, "that is a fault, and no record for REST")
	}
	parts, err := w.Close()
	require.NoError(t, err)
	require.Empty(t, parts)
}

// Parts are bounded, and the same when they are written again, from any of them on.
func TestPartsAreTheSameWhenWrittenAgain(t *testing.T) {
	t.Parallel()
	const records = 200
	split := func(limits bulk.Limits, from, first int) (files, []bulk.Part, map[string]int) {
		out, begins := files{}, map[string]int{}
		w, err := small(t).Split("r1", from, limits, out.open)
		require.NoError(t, err)
		for n := first; n < records; n++ {
			id, row, err := w.Add(record(t, n))
			require.NoError(t, err)
			if row == 1 {
				begins[id] = n
			}
			require.LessOrEqual(t, row, limits.Rows)
		}
		parts, err := w.Close()
		require.NoError(t, err)
		return out, parts, begins
	}
	for _, limits := range []bulk.Limits{{Rows: 7, Bytes: 1 << 20}, {Rows: 1000, Bytes: 600}, {Rows: 9, Bytes: 400}, {Rows: 3, Bytes: 1}} {
		out, parts, begins := split(limits, 1, 0)
		require.Greater(t, len(parts), 5)
		total := 0
		for i, p := range parts {
			require.Equal(t, fmt.Sprintf("r1-%04d", i+1), p.ID)
			require.EqualValues(t, out[p.ID].Len(), p.Bytes)
			require.True(t, p.Bytes <= limits.Bytes || p.Rows == 1, "%+v", p)
			total += p.Rows
		}
		require.Equal(t, records, total)
		for _, from := range []int{1, 3, len(parts)} {
			again, rest, _ := split(limits, from, begins[parts[from-1].ID])
			require.Equal(t, parts[from-1:], rest)
			for id, b := range again {
				require.Equal(t, out[id].String(), b.String())
			}
		}
		require.NoError(t, parts[0].Same(parts[0]))
		require.ErrorContains(t, parts[0].Same(parts[1]), "it differs")
	}
}

type fullDisk struct{ left int }

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.left -= len(b); d.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}
func (d *fullDisk) Close() error { return nil }

func TestAPartThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	w, err := small(t).Split("p", 1, bulk.Limits{Rows: 9, Bytes: 1 << 20}, func(string) (io.WriteCloser, error) { return &fullDisk{left: 70}, nil })
	require.NoError(t, err)
	for n := 0; err == nil && n < 9; n++ {
		_, _, err = w.Add(record(t, n))
	}
	require.ErrorIs(t, err, io.ErrShortWrite)
	for _, prefix := range []string{"", "A", "a/b", strings.Repeat("x", 51)} {
		_, err := small(t).Split(prefix, 1, bulk.Limits{Rows: 1, Bytes: 1}, files{}.open)
		require.Error(t, err, prefix)
	}
}

const head = "causeway_file,causeway_row,key\n"

func TestWhatBecameOfEachRow(t *testing.T) {
	t.Parallel()
	tally := bulk.NewTally(bulk.Part{ID: "p", Rows: 5})
	read := func(kind bulk.Kind, text string) {
		require.NoError(t, tally.Read(kind, "f.csv", strings.NewReader(text)))
	}
	require.False(t, tally.Counts().Balanced(), "nothing is known")
	read(bulk.Inserted, head+"p,1,a\nother,1,z\np,2,b\n")
	read(bulk.Updated, head+"p,3,c\n")
	read(bulk.Refused, "\ufeff"+head)
	require.Equal(t, bulk.Counts{Read: 5, Inserted: 2, Updated: 1, Missing: 2, Foreign: 1}, tally.Counts())
	read(bulk.Rejects, "causeway_file,causeway_row,externalId,city\np,4,d,\"x\ny\",some reason\np,5,e\n")
	require.Equal(t, bulk.Counts{Read: 5, Inserted: 2, Updated: 1, Refused: 2, Foreign: 1}, tally.Counts())
	require.True(t, tally.Counts().Balanced())
	require.Equal(t, bulk.WasRefused, tally.Outcome(5))
	require.Equal(t, bulk.Unknown, tally.Outcome(6))

	read(bulk.Updated, head+"p,1,a\np,2,b\np,3,c\n") // the part was imported again
	require.True(t, tally.Counts().Balanced())
	require.Equal(t, bulk.WasInserted, tally.Outcome(1))
	read(bulk.Inserted, head+"p,5,e\n")
	require.Equal(t, bulk.Contradictory, tally.Outcome(5), "refused before, written now")
	require.False(t, tally.Counts().Balanced())
	read(bulk.Inserted, head+"p,5,e\n")
	require.Equal(t, bulk.Contradictory, tally.Outcome(5))
}

// A file that is damaged anywhere says nothing at all.
func TestADamagedResultSaysNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "another header": "file,row,key\np,1,a\n", "an open quote": head + "p,1,a\np,2,\"b", "one column": head + "p,1,a\np\n",
		"a row too far": head + "p,1,a\np,4,d\n", "row 0": head + "p,1,a\np,0,d\n", "no number": head + "p,1,a\np,+2,d\n", "Latin 1": head + "p,1,a\np,2,\xe9\n",
	} {
		tally := bulk.NewTally(bulk.Part{ID: "p", Rows: 3})
		require.Error(t, tally.Read(bulk.Inserted, "f.csv", strings.NewReader(text)), name)
		require.Equal(t, 3, tally.Counts().Missing, name)
	}
	broken := errors.New("the disk is broken")
	require.ErrorIs(t, bulk.NewTally(bulk.Part{ID: "p", Rows: 3}).Read(bulk.Inserted, "f.csv", io.MultiReader(strings.NewReader(head), failing{broken})), broken)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzResults(f *testing.F) {
	f.Add([]byte(head+"p,1,a\np,2,b\n"), []byte("causeway_file,causeway_row,x\np,2,\"b\nc\",why\n"))
	f.Add([]byte(head+"p,1"), []byte("\ufeff"+head))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		tally := bulk.NewTally(bulk.Part{ID: "p", Rows: 3})
		for _, data := range [][]byte{first, second, first} {
			before := tally.Counts()
			for _, kind := range []bulk.Kind{bulk.Inserted, bulk.Rejects} {
				if err := tally.Read(kind, "f.csv", bytes.NewReader(data)); err != nil {
					require.Equal(t, before, tally.Counts(), "a damaged file adds nothing")
				}
				before = tally.Counts()
			}
		}
		c := tally.Counts()
		require.Equal(t, 3, c.Inserted+c.Updated+c.Refused+c.Missing+c.Contradictory)
		require.Equal(t, c.Missing == 0 && c.Contradictory == 0, c.Balanced())
	})
}

// FuzzRow: what a text becomes in a file is the text again, or goes by REST.
func FuzzRow(f *testing.F) {
	for _, s := range texts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "?")
		out := files{}
		w, err := small(t).Split("p", 1, bulk.Limits{Rows: 9, Bytes: 1 << 20}, out.open)
		require.NoError(t, err)
		_, _, err = w.Add(payload(t, map[string]any{"externalId": "k", "location.city": text}))
		if _, rest := errors.AsType[*bulk.ByREST](err); rest {
			return
		}
		require.NoError(t, err)
		_, err = w.Close()
		require.NoError(t, err)
		lines := strings.SplitAfter(out["p-0001"].String(), "\n")
		require.Len(t, lines, 3, "one line a row")
		got := strings.TrimSuffix(strings.TrimPrefix(lines[1], "p-0001,1,k,"), "\n")
		if quoted, ok := strings.CutPrefix(got, `"`); ok {
			got = strings.ReplaceAll(strings.TrimSuffix(quoted, `"`), `""`, `"`)
		}
		require.Equal(t, text, got)
	})
}
