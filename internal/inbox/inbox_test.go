package inbox_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/ledger"
)

// Every file is read, to its end, once, whatever it is called.
func TestEachContentIsReadOnce(t *testing.T) {
	t.Parallel()
	type put struct {
		name, text string
		age        time.Duration
	}
	for name, tc := range map[string]struct {
		first, then []put
		read        []string // of then
		processed   []string
	}{
		"a file": {
			first:     []put{{"log_1", "a\nb\nc\nend\n", 0}},
			processed: []string{"log_1"}, read: []string{},
		},
		"one of many pages, and others": {
			first:     []put{{"log_0", "end\n", 0}},
			then:      []put{{"log_1", "a\nb\nc\nd\nend\n", 0}, {"log_2", "e\nend\n", 0}, {"other", "x\n", 0}},
			read:      []string{"a", "b", "c", "d", "end", "e", "end"},
			processed: []string{"log_0", "log_1", "log_2"},
		},
		"its content again, under another name": {
			first: []put{{"log_1", "a\nend\n", 0}}, then: []put{{"log_2", "a\nend\n", 0}},
			read: []string{}, processed: []string{"log_1", "log_2"},
		},
		"its content twice in one run": {
			first: []put{{"log_1", "end\n", 0}}, then: []put{{"log_2", "a\nend\n", 0}, {"log_3", "a\nend\n", 0}},
			read: []string{"a", "end"}, processed: []string{"log_1", "log_2", "log_3"},
		},
		"its content again, with another date": {
			first: []put{{"log_1", "a\nend\n", time.Minute}}, then: []put{{"log_1", "a\nend\n", 0}},
			read: []string{}, processed: []string{"log_1", "log_2fa40a49_1"},
		},
		"it was put back, with its date": {
			first: []put{{"log_1", "a\nend\n", 0}}, then: []put{{"log_1", "a\nend\n", 0}},
			read: []string{}, processed: []string{"log_1", "log_2fa40a49_1"},
		},
		"another content under its name": {
			first: []put{{"log_1", "a\nend\n", time.Minute}}, then: []put{{"log_1", "b\nend\n", 0}},
			read: []string{"b", "end"}, processed: []string{"log_1", "log_c3773663_1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.worker()
			for _, p := range tc.first {
				w.put(p.name, p.text, p.age)
			}
			require.NotEmpty(t, w.read(b, "first"))
			var kept []string
			for n := range 4 { // however often it comes
				for _, p := range tc.then {
					w.put(p.name, p.text, p.age)
				}
				got := w.read(b, fmt.Sprint("then", n))
				switch n {
				case 0:
					require.Equal(t, tc.read, got)
					require.Equal(t, tc.processed, w.names("processed"))
				case 2:
					kept = w.names("processed")
				case 3:
					require.Equal(t, kept, w.names("processed"), "they do not become more and more")
				}
				require.True(t, n == 0 || len(got) == 0)
				require.Subset(t, []string{"other"}, w.names(""))
			}
			require.Empty(t, b.BadFiles(t.Context()))
			local, err := os.ReadDir(w.source.Dir)
			require.NoError(t, err)
			require.Empty(t, local, "copies hold what persons did, and do not stay")
		})
	}
}

// docs/protocol/campaign.md §8: a file is taken once it has not changed for a while,
// by our own clock, whatever its date says.
func TestAFileIsTakenOnceItHasSettled(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]time.Duration{"dated now": 0, "dated long ago": time.Hour, "dated ahead": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.source.StableFor = time.Minute
			b := w.worker()
			require.False(t, b.Due(), "nothing is awaited")
			w.put("log_1", "a\nend\n", age)
			require.Nil(t, w.next(b, "r", inbox.Position{}))
			require.False(t, b.Due())
			w.now = w.now.Add(50 * time.Second)
			w.put("log_1", "a\nb\nend\n", age)
			require.Nil(t, w.next(b, "r", inbox.Position{}))
			w.now = w.now.Add(50 * time.Second)
			require.False(t, b.Due(), "it has grown")
			require.Nil(t, w.next(b, "r", inbox.Position{}))
			w.now = w.now.Add(10 * time.Second)
			require.True(t, b.Due())
			require.Equal(t, []string{"a", "b", "end"}, w.read(b, "r"))
			require.False(t, b.Due())
		})
	}
}

// A file that cannot be read is named with the place for as long as it is there. It
// holds up nothing, and it does not stay for ever (R20.7).
func TestABadFileIsNamedAndLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("log_1", "a\nb\n", 0)
	w.put("log_2", "c\nend\n", 0)
	w.put("log_\x01", "d\nend\n", 0)
	b := w.worker()
	bad := []string{`"log_\x01": it cannot be read under this name; rename it`, "log_1, line 2: it does not end"}
	require.Equal(t, []string{"c", "end"}, w.read(b, "r1"))
	require.Equal(t, bad, b.BadFiles(t.Context()))
	b = w.worker()
	w.server.download = failing(apierr.Retryable, apierr.ReasonNetwork)
	require.Empty(t, w.read(b, "r2"), "it is known")
	w.server.download = nil
	require.Equal(t, bad, b.BadFiles(t.Context()), "another worker tells it, too")

	w.put("log_1", "a\nb\nend\n", 0)
	require.Equal(t, []string{"a", "b", "end"}, w.read(b, "r3"), "written to its end")
	require.Equal(t, bad[:1], b.BadFiles(t.Context()))

	w.put("log_3", "e\n", 0)
	require.Empty(t, w.read(b, "r4"))
	require.Len(t, b.BadFiles(t.Context()), 2)
	w.now = w.now.Add(15*24*time.Hour + time.Second)
	require.Empty(t, w.read(b, "r5"))
	require.NoFileExists(t, w.path("log_3"))
	require.Equal(t, bad[:1], b.BadFiles(t.Context()))
}

// Bad files that are gone do not crowd out those that are there.
func TestBadFilesThatAreGoneAreNotTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.worker()
	w.put("log_0", "x\n", 0)
	require.Empty(t, w.read(b, "first"))
	for i := range 30 {
		require.NoError(t, w.books.PutExportFile(t.Context(), ledger.ExportFile{
			Flow: flow, Name: fmt.Sprint(folder, "/log_", i+1), Size: 1, Modified: w.now, State: ledger.FileBad, Error: "gone"}))
	}
	require.Equal(t, []string{"log_0, line 1: it does not end"}, b.BadFiles(t.Context()))
	for i := range 30 {
		w.put(fmt.Sprintf("log_%02d", i+31), "x\n", 0)
	}
	require.Empty(t, w.read(b, "second"))
	require.Len(t, b.BadFiles(t.Context()), 20, "a screenful")
}

// What lies in the folder processed goes in time (R20.7); with processed: delete,
// files that were read go at once.
func TestReadFilesDoNotStay(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		delete bool
		keep   time.Duration
		stay   []string // after 16 days
	}{
		"moved":    {keep: 15 * 24 * time.Hour, stay: []string{}},
		"deleted":  {delete: true, keep: 15 * 24 * time.Hour, stay: []string{}},
		"for ever": {stay: []string{"log_1", "other"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.source.Delete, w.source.Keep = tc.delete, tc.keep
			b := w.worker()
			w.put("processed/other", "x\n", 0)
			w.put("log_1", "a\nend\n", 0)
			require.Equal(t, []string{"a", "end"}, w.read(b, "r1"))
			require.Empty(t, w.names(""))
			if tc.delete {
				require.Equal(t, []string{"other"}, w.names("processed"))
			} else {
				require.Equal(t, []string{"log_1", "other"}, w.names("processed"))
			}
			w.now = w.now.Add(16 * 24 * time.Hour)
			require.Empty(t, w.read(b, "r2"))
			require.Equal(t, tc.stay, w.names("processed"))
		})
	}
}

// Without a file server there are no files, and nothing fails.
func TestNoFileServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.worker(func(o *inbox.Options) { o.Source = nil })
	require.Empty(t, w.read(b, "r"))
	require.Empty(t, b.BadFiles(t.Context()))
	require.Nil(t, b.OnServer("x"))
}
