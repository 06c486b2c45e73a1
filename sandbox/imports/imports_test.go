package imports_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/imports"
	"causeway.dev/sandbox/kit"
)

const id = "WKF_import"

var header = []string{"causeway_file", "causeway_row", "externalId", "firstName", "email", "birthDate", "gender", "isExternal", "location_city"}

// world is an instance with an import workflow and its file server.
type world struct {
	*testing.T
	*imports.Engine
	campaign *campaign.Server
	clock    *kit.Clock
	dir      string
	room     error
}

func newWorld(t *testing.T, change ...func(*imports.Options)) *world {
	t.Helper()
	w := &world{T: t, clock: &kit.Clock{}, dir: t.TempDir()}
	w.campaign = campaign.New(campaign.Options{Clock: w.clock, Faults: &kit.Faults{}, APIKey: "key", Tenant: "acme"})
	o := imports.Options{Clock: w.clock, Dir: w.dir, Into: w.campaign.Importer, Room: func(int64) error { return w.room }, BatchSize: 2}
	for _, c := range change {
		c(&o)
	}
	w.Engine = imports.New(o)
	require.NoError(t, w.Build(imports.Workflow{ID: id, Resource: "profile", Columns: header, File: "import/profile.csv", Results: "import/results"}))
	return w
}

func (w *world) put(lines ...string) {
	w.Helper()
	text := strings.Join(header, ",") + "\n" + strings.Join(lines, "\n") + "\n"
	require.NoError(w, os.WriteFile(filepath.Join(w.dir, "import", "profile.csv"), []byte(text), 0o600))
}

// tell gives a command and lets it take effect.
func (w *world) tell(method string) {
	w.Command(id, method)
	w.clock.Advance(5 * time.Second)
	w.RunDue()
}

func (w *world) state() string {
	w.Helper()
	s, err := w.Status(id)
	require.NoError(w, err)
	return s.State
}

// results are the lines below the headers of the results, by the beginning of their names.
func (w *world) results() map[string]string {
	w.Helper()
	found, err := filepath.Glob(filepath.Join(w.dir, "import", "results", "*.csv"))
	require.NoError(w, err)
	out := map[string]string{}
	for _, path := range found {
		data, err := os.ReadFile(path)
		require.NoError(w, err)
		_, rows, _ := strings.Cut(string(data), "\n")
		kind, _, _ := strings.Cut(filepath.Base(path), "_")
		out[kind] += rows
	}
	return out
}

func TestAnImportSaysWhatBecameOfEachRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.campaign.Insert("profile", []byte(`{"externalId":"b","firstName":"Old","email":"b@example.com"}`)))
	w.put(
		"p1,1,a,ada,a@example.com,1985-08-17,2,1,Paris",
		"p1,2,b,New,b@example.com,,0,0,",
		"p1,3,c,Bad,c@example.com,17/08/1985,0,0,",
		"p1,4,a,Twin,a@example.com,,0,0,",
		"p1,5,,Nobody,n@example.com,,0,0,",
		"p1,6,e,Short",
		"p1,7,f,F,not an address,,0,0,",
	)
	require.Equal(t, "edition", w.state())
	w.tell("start")
	require.Equal(t, "finished", w.state())
	a := w.campaign.Profile("a")
	require.Equal(t, []any{"Ada", "1985-08-17", "female", true}, []any{a["firstName"], a["birthDate"], a["gender"], a["isExternal"]}, "a data policy holds here too")
	require.Equal(t, "Paris", a["location"].(map[string]any)["city"])
	require.Equal(t, "New", w.campaign.Profile("b")["firstName"])
	require.Nil(t, w.campaign.Profile("c"))
	got := w.results()
	require.Equal(t, "p1,1,a\n", got["inserted"])
	require.Equal(t, "p1,2,b\n", got["updated"])
	require.Equal(t, "p1,4,a\np1,5,\n", got["refused"], "a key twice in the file, and none")
	require.Equal(t, 3, strings.Count(got["rejects"], "\n"), got["rejects"])
	for _, begin := range []string{"p1,3,c,", "p1,6,e,", "p1,7,f,"} {
		require.Contains(t, got["rejects"], begin)
	}
	require.Zero(t, w.campaign.Calls().Engine(), "no engine call")
}

func TestAnImportAgainChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("p1,1,a,Ada,a@example.com,,0,0,")
	w.tell("start")
	before := w.campaign.Profile("a")
	w.clock.Advance(time.Hour)
	w.tell("start")
	require.Equal(t, before, w.campaign.Profile("a"), "not even lastModified")
	require.Equal(t, map[string]string{"inserted": "p1,1,a\n", "updated": "p1,1,a\n", "refused": "", "rejects": ""}, w.results())
}

func TestHowAnImportFails(t *testing.T) {
	t.Parallel()
	good := strings.Join(header, ",") + "\np1,1,a,Ada,a@example.com,,0,0,\n"
	for name, c := range map[string]struct {
		text, want string
		room       error
	}{
		"no file":          {"", "no file was found", nil},
		"another header":   {strings.Replace(good, "email", "mail", 1), "do not match the column definition", nil},
		"a mark in front":  {"\ufeff" + good, "do not match the column definition", nil},
		"a column more":    {strings.Replace(good, "\n", ",more\n", 1), "do not match the column definition", nil},
		"another encoding": {strings.Replace(good, "Ada", "Ad\xe9", 1), "not encoded in UTF-8", nil},
		"an open quote":    {strings.Replace(good, "Ada", `"Ada`, 1), "quotation mark", nil},
		"no room":          {good, "transferring", errors.New("quota exceeded")},
	} {
		w := newWorld(t)
		w.room = c.room
		if c.text != "" {
			require.NoError(t, os.WriteFile(filepath.Join(w.dir, "import", "profile.csv"), []byte(c.text), 0o600))
		}
		w.tell("start")
		s, err := w.Status(id)
		require.NoError(t, err)
		require.Equal(t, "error", s.State, name)
		require.Contains(t, s.Error, c.want, name)
		require.Empty(t, w.results(), name)
		w.tell("start")
		require.Equal(t, "error", w.state(), "%s: it must be stopped first", name)
		w.room = nil
		w.tell("stop")
		require.Equal(t, "finished", w.state(), name)
		w.put("p1,1,a,Ada,a@example.com,,0,0,")
		w.tell("start")
		require.Equal(t, "finished", w.state(), name)
		require.NotEmpty(t, w.results(), name)
	}
}

// What was written before a run ends in the middle stays, and no file says what that is.
func TestAnImportThatStopsHalfWay(t *testing.T) {
	t.Parallel()
	var lines []string
	for n := range 10 {
		lines = append(lines, fmt.Sprintf("p1,%d,k%d,Ada,k%d@example.com,,0,0,", n+1, n, n))
	}
	w := newWorld(t)
	w.put(lines...)
	require.NoError(t, w.BreakAfter(id, 5))
	w.tell("start")
	require.Equal(t, "error", w.state())
	require.EqualValues(t, 5, w.campaign.Count("profile"))
	require.Empty(t, w.results())

	w = newWorld(t, func(o *imports.Options) { o.RowsPerSecond = 1.0 / 3600 })
	w.put(lines...)
	w.tell("start")
	require.Equal(t, "started", w.state())
	w.clock.Advance(5 * time.Hour) // batches of two
	w.RunDue()
	require.EqualValues(t, 4, w.campaign.Count("profile"))
	require.NoError(t, os.Remove(filepath.Join(w.dir, "import", "profile.csv")))
	w.tell("pause")
	require.Equal(t, "warning", w.state())
	w.clock.Advance(24 * time.Hour)
	w.RunDue()
	require.EqualValues(t, 4, w.campaign.Count("profile"))
	w.tell("resume")
	w.clock.Advance(3 * time.Hour)
	w.RunDue()
	require.EqualValues(t, 6, w.campaign.Count("profile"), "the file was copied before it was removed")
	require.Equal(t, "started", w.state())
	w.tell("stop")
	require.Equal(t, "finished", w.state())
	require.Empty(t, w.results(), "finished does not say that it came to its end")
}

func TestACommandTakesEffectLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("p1,1,a,Ada,a@example.com,,0,0,")
	w.Command(id, "start")
	w.RunDue()
	require.Equal(t, "edition", w.state())
	w.clock.Advance(5 * time.Second)
	described, ok := w.Workflow(id)
	require.True(t, ok)
	require.Equal(t, "finished", described.LogicalStatus)
	_, ok = w.Workflow("WKF_other")
	require.False(t, ok)
}
