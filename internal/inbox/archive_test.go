package inbox_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/ledger"
)

type archive = inbox.Archive[*lines]

// all reads an archive from a position to its end, some rows at a time.
func (w *world) all(open func() *archive, at inbox.Position) (rows, told []string) {
	w.Helper()
	rows = []string{}
	for {
		a := open() // each page is another activity
		f, err := a.Next(w.Context(), at)
		require.NoError(w, err)
		told = append(told, a.BadFiles...)
		if f == nil {
			return rows, told
		}
		var more []string
		more, at = w.page(f)
		rows = append(rows, more...)
	}
}

// An archive is read as a whole, as often as somebody asks for it. Nothing is noted of
// its files, and they stay. What is left alone is told, once.
func TestAnArchiveIsReadAsOftenAsIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"log_1": "a\nb\nc\nend\n", "log_2": "a\nb\nc\nend\n", "log_3": "x\n", "other": "y\n", "log_\x02": "z\nend\n", "log_4": "d\nend\n"} {
		w.put("archive/"+name, text, time.Hour)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	b := w.worker()
	for name, open := range map[string]func() *archive{
		"on the server":   func() *archive { return b.OnServer(folder + "/archive") },
		"on this machine": func() *archive { return b.OnDisk(dir) },
	} {
		for range 2 {
			rows, told := w.all(open, inbox.Position{})
			require.Equal(t, []string{"a", "b", "c", "end", "a", "b", "c", "end", "d", "end"}, rows, name)
			require.Equal(t, []string{`"log_\x02": it cannot be read under this name; rename it`, "log_3, line 1: it does not end"}, told, name)
		}
	}
	require.Len(t, w.names("archive"), 6)
	for _, state := range []ledger.FileState{ledger.FileReading, ledger.FileDone, ledger.FileBad} {
		notes, err := w.books.ExportFiles(t.Context(), flow, state, 0)
		require.NoError(t, err)
		require.Empty(t, notes)
	}
	local, err := os.ReadDir(w.source.Dir)
	require.NoError(t, err)
	require.Empty(t, local)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 6)
}

// A file of an archive that was changed a moment ago may still be written. A date far
// ahead comes from a clock that is wrong, and leaves no file alone for ever.
func TestWhenAFileOfAnArchiveIsTooYoung(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		age, wait time.Duration
		young     bool
	}{
		"long ago":                              {age: time.Hour, wait: time.Minute},
		"a minute ago":                          {age: time.Minute, wait: time.Minute},
		"just now":                              {age: 59 * time.Second, wait: time.Minute, young: true},
		"just now, by a clock a bit ahead":      {age: -59 * time.Second, wait: time.Minute, young: true},
		"in an hour":                            {age: -time.Hour, wait: time.Minute},
		"just now, where nothing is waited for": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.source.StableFor = tc.wait
			b := w.worker()
			w.put("log_1", "a\nend\n", tc.age)
			rows, told := w.all(func() *archive { return b.OnServer(folder) }, inbox.Position{})
			if tc.young {
				require.Empty(t, rows)
				require.Equal(t, []string{"log_1: it was changed a moment ago and may still be written; load it again later"}, told)
				return
			}
			require.Equal(t, []string{"a", "end"}, rows)
			require.Empty(t, told)
		})
	}
}

// A file of an archive that is written anew while it is read is read anew, because
// nobody comes back for it; one that goes is told.
func TestAFileOfAnArchiveThatChangesWhileItIsRead(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		meanwhile func(file string) error
		rows      []string
		told      []string
	}{
		"as it was":    {meanwhile: func(string) error { return nil }, rows: []string{"c", "end", "z", "end"}},
		"written anew": {meanwhile: func(file string) error { return os.WriteFile(file, []byte("x\nend\n"), 0o600) }, rows: []string{"x", "end", "z", "end"}},
		"as long":      {meanwhile: func(file string) error { return os.WriteFile(file, []byte("a\nX\nc\nend\n"), 0o600) }, rows: []string{"a", "X", "c", "end", "z", "end"}},
		"removed": {meanwhile: os.Remove, rows: []string{"z", "end"},
			told: []string{"log_1: it was removed or written anew after 2 of its rows had been read; if it is gone, export it again"}},
	} {
		for _, remote := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.put("log_1", "a\nb\nc\nend\n", time.Hour)
				w.put("log_2", "z\nend\n", time.Hour)
				open := func() *archive {
					b := w.worker()
					if remote {
						return b.OnServer(folder)
					}
					return b.OnDisk(w.path(""))
				}
				f, err := open().Next(t.Context(), inbox.Position{})
				require.NoError(t, err)
				_, at := w.page(f)
				require.NoError(t, tc.meanwhile(w.path("log_1")))
				rows, told := w.all(open, at)
				require.Equal(t, tc.rows, rows)
				require.Equal(t, tc.told, told)
			})
		}
	}
}

// A folder that is not there is told with what it was taken for.
func TestAnArchiveThatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.worker()
	_, err := b.OnDisk("/nowhere").Next(t.Context(), inbox.Position{})
	require.ErrorContains(t, err, "/nowhere cannot be read on the worker's machine: no such file or directory")
	require.Equal(t, apierr.Blocked, apierr.ClassOf(err))
	_, err = b.OnServer("nowhere").Next(t.Context(), inbox.Position{})
	require.Equal(t, apierr.ReasonNotFound, apierr.ReasonOf(err))
}

// An archive and the inbox may be the same folder, read at the same time.
func TestAnArchiveBesideTheInbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("log_1", "a\nb\nc\nend\n", time.Hour)
	b := w.worker()
	_, at := w.page(w.next(b, "r", inbox.Position{}))
	rows, _ := w.all(func() *archive { return b.OnServer(folder) }, inbox.Position{})
	require.Equal(t, []string{"a", "b", "c", "end"}, rows)
	w.server.download = errDown
	f, err := b.Resume(t.Context(), "r", at)
	require.NoError(t, err, "its copy is its own")
	f.Close()
}
