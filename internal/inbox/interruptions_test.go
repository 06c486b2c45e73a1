package inbox_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/ledger"
)

// A file that is not there any more as it was begun is cut off: neither its rest nor
// what took its place counts as read, and what is there later is read.
func TestAFileThatIsReplacedWhileItIsRead(t *testing.T) {
	t.Parallel()
	const text = "a\nb\nc\nend\n"
	for name, tc := range map[string]struct {
		meanwhile func(w *world)
		later     func(w *world)
		read      []string
	}{
		"written longer":        {meanwhile: func(w *world) { w.put("log_1", text+"d\nend\n", 0) }, read: []string{"a", "b", "c", "end", "d", "end"}},
		"written anew, as long": {meanwhile: func(w *world) { w.put("log_1", "a\nb\nX\nend\n", 0) }, read: []string{"a", "b", "X", "end"}},
		"removed":               {meanwhile: func(w *world) { require.NoError(w, os.Remove(w.path("log_1"))) }, read: []string{}},
		"removed, and put back with its date": {
			meanwhile: func(w *world) { require.NoError(w, os.Remove(w.path("log_1"))) },
			later:     func(w *world) { w.put("log_1", text, 0) }, read: []string{"a", "b", "c", "end"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put("log_1", text, 0)
			w.put("log_2", "z\nend\n", 0)
			rows, at := w.page(w.next(w.worker(), "r", inbox.Position{}))
			require.Equal(t, []string{"a", "b"}, rows)
			tc.meanwhile(w)
			b := w.worker()
			_, err := b.Resume(t.Context(), "r", at)
			require.ErrorIs(t, err, inbox.ErrCutOff)
			told := []string{"log_1: it was removed or written anew after 2 of its rows had been read; if it is gone, export it again"}
			require.Equal(t, told, b.BadFiles(t.Context()))
			f := w.next(b, "r", at)
			require.Equal(t, "log_2", f.Name(), "the others are read")
			f.Close()
			done, err := b.Finish(t.Context(), "r")
			require.NoError(t, err)
			require.Len(t, done, 1)
			require.False(t, w.state("log_1", ledger.FileDone))
			require.Equal(t, told, b.BadFiles(t.Context()), "the end of its own run is no news")
			if tc.later != nil {
				tc.later(w)
			}
			require.Equal(t, tc.read, w.read(b, "r2"))
			require.Empty(t, w.names(""))
			w.put("log_3", "end\n", 0)
			require.Equal(t, []string{"end"}, w.read(b, "r3"))
			require.Empty(t, b.BadFiles(t.Context()))
		})
	}
}

// A file that is written anew between its last page and the end of its run is not put
// away: what is new in it is read next.
func TestAFileThatIsReplacedBeforeItIsPutAway(t *testing.T) {
	t.Parallel()
	for _, remove := range []bool{false, true} {
		w := newWorld(t)
		w.source.Delete = remove
		b := w.worker()
		w.put("log_1", "a\nend\n", 0)
		w.next(b, "r", inbox.Position{}).Close()
		w.put("log_1", "a\nend\nb\nend\n", 0)
		done, err := b.Finish(t.Context(), "r")
		require.NoError(t, err)
		require.Len(t, done, 1)
		require.Equal(t, []string{"log_1"}, w.names(""))
		require.Equal(t, []string{"a", "end", "b", "end"}, w.read(b, "r2"))
		require.Empty(t, w.names(""))
	}
}

// A file that goes, or is written to after all, before it is fetched is left out; the
// others are read.
func TestAFileThatGoesBeforeItIsFetched(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(w *world){
		"it goes":  func(w *world) { _ = os.Remove(w.path("log_1")) },
		"it grows": func(w *world) { w.put("log_1", "a\nb\nend\n", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put("log_1", "a\nend\n", 0)
			w.put("log_2", "z\nend\n", 0)
			b := w.worker()
			w.server.listed = func() { meanwhile(w) }
			f := w.next(b, "r", inbox.Position{})
			require.Equal(t, "log_2", f.Name())
			f.Close()
		})
	}
}

// R20.2: a file that was read and cannot be put away holds up nothing, is not read
// again, and is put away when that can be done.
func TestAFileThatCannotBePutAway(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"the server is full":      failing(apierr.Blocked, apierr.ReasonNoSpace),
		"it may not be moved":     failing(apierr.Blocked, apierr.ReasonPermission),
		"the server fails at it":  failing(apierr.Retryable, apierr.ReasonServiceFault),
		"files of its name exist": failing(apierr.Rejected, apierr.ReasonExists),
	} {
		for _, remove := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.source.Delete = remove
				b := w.worker()
				w.server.move, w.server.remove = err, err
				w.put("log_1", "a\nend\n", 0)
				w.put("processed/log_0", "end\n", 16*24*time.Hour)
				require.Equal(t, []string{"a", "end"}, w.read(b, "r1"))
				w.put("log_2", "b\nend\n", 0)
				require.Equal(t, []string{"b", "end"}, w.read(b, "r2"))
				require.Equal(t, []string{"log_1", "log_2"}, w.names(""))
				require.FileExists(t, w.path("processed/log_0"))
				w.server.move, w.server.remove = nil, nil
				w.now = w.now.Add(time.Hour)
				require.Empty(t, w.read(w.worker(), "r3"))
				require.Empty(t, w.names(""))
				require.NoFileExists(t, w.path("processed/log_0"))
			})
		}
	}
}

// A kill between the end of a run and its files: the end is repeated, and another run
// leaves them alone.
func TestTheEndOfARunMayBeRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.worker()
	w.put("log_1", "a\nend\n", 0)
	w.next(b, "r", inbox.Position{}).Close()
	done, err := b.Finish(t.Context(), "other")
	require.NoError(t, err)
	require.Empty(t, done)
	require.True(t, w.state("log_1", ledger.FileReading))
	for range 2 {
		_, err = w.worker().Finish(t.Context(), "r")
		require.NoError(t, err)
		require.True(t, w.state("log_1", ledger.FileDone))
	}
	require.Equal(t, []string{"log_1"}, w.names("processed"))
}

// A run that did not end leaves its files to be read by the next one.
func TestFilesOfARunThatFailedAreReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("log_1", "a\nend\n", 0)
	w.next(w.worker(), "failed", inbox.Position{}).Close()
	require.Equal(t, []string{"a", "end"}, w.read(w.worker(), "next"))
}

// What an attempt took and did not stage is not read when its run ends: another file
// may come first at the next attempt, and be the last of the run.
func TestAFileThatAnAttemptDidNotStageIsReadLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.worker()
	w.put("log_2", "b\nend\n", 0)
	require.Equal(t, "log_2", w.next(b, "r", inbox.Position{}).Name()) // and the ledger cannot be reached
	w.put("log_1", "a\nend\n", 0)
	f := w.next(b, "r", inbox.Position{})
	require.Equal(t, "log_1", f.Name())
	f.Close()
	_, err := b.Finish(t.Context(), "r")
	require.NoError(t, err)
	require.Equal(t, []string{"log_2"}, w.names(""))
	require.Equal(t, []string{"b", "end"}, w.read(b, "r2"))
}

// Another worker goes on where a page ended, also if it never saw the file, and may
// not list it. One that has the copy does not need the server.
func TestAFileIsReadOn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		with func(w *world) *box // another worker
		fail bool
	}{
		"by a new worker, without a listing": {with: func(w *world) *box {
			w.source.StableFor = time.Hour
			b := w.worker()
			w.server.list = errDown
			return b
		}},
		"by one on the same machine, the server being down": {with: func(w *world) *box {
			w.server.list, w.server.download = errDown, errDown
			return w.worker(func(o *inbox.Options) { o.Source = w.was })
		}},
		"not by another while the server is down": {fail: true, with: func(w *world) *box { w.server.list, w.server.download = errDown, errDown; return w.worker() }},
		"not from a copy of another instance": {fail: true, with: func(w *world) *box {
			w.server.list, w.server.download = errDown, errDown
			return w.worker(func(o *inbox.Options) { o.Source, o.Instance = w.was, "other" })
		}},
		"not from a copy that is not what was begun": {fail: true, with: func(w *world) *box {
			w.server.list, w.server.download = errDown, errDown
			local, err := os.ReadDir(w.was.Dir)
			require.NoError(w, err)
			require.Len(w, local, 1)
			require.NoError(w, os.WriteFile(w.was.Dir+"/"+local[0].Name(), []byte("a\nb\nX\nend\n"), 0o600))
			return w.worker(func(o *inbox.Options) { o.Source = w.was })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put("log_1", "a\nb\nc\nend\n", 0)
			first := w.worker()
			w.was = w.source
			_, at := w.page(w.next(first, "r", inbox.Position{}))
			f, err := tc.with(w).Resume(t.Context(), "r", at)
			if tc.fail {
				require.ErrorIs(t, err, errDown)
				return
			}
			require.NoError(t, err)
			rows, at := w.page(f)
			require.Equal(t, []string{"c", "end"}, rows)
			require.True(t, at.Within(), "whether there is more is not known yet")
		})
	}
}

var errDown = failing(apierr.Retryable, apierr.ReasonNetwork)

// A ledger that was restored from a backup: files that it does not know are read
// again from where they were put, once; those that it knows are not, by whatever name.
func TestARestoredLedger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n, text := range []string{"a\nend\n", "b\nend\n", "c\nend\n"} { // of one name
		w.put("log_1", text, time.Duration(10-n)*time.Minute)
		require.NotEmpty(t, w.read(w.worker(), text))
	}
	require.Len(t, w.names("processed"), 3)
	w.server.download = errDown
	require.Empty(t, w.read(w.worker(), "known"), "nothing is fetched")
	w.server.download = nil

	note, err := w.books.ExportFile(t.Context(), flow, folder+"/log_1", 6, w.now.Add(-9*time.Minute))
	require.NoError(t, err)
	require.NoError(t, w.books.DropExportFile(t.Context(), *note))
	require.Equal(t, []string{"b", "end"}, w.read(w.worker(), "one is not known"))

	require.NoError(t, w.books.ForgetExportFiles(t.Context(), flow, time.Now().Add(time.Hour)))
	w.put("log_2", "z\nend\n", 0)
	b := w.worker()
	first := w.next(b, "all", inbox.Position{})
	rows, at := w.page(first)
	require.Len(t, rows, 2)
	b = w.worker() // in the middle of it
	for at.Within() {
		f, err := b.Resume(t.Context(), "all", at)
		require.NoError(t, err)
		var more []string
		more, at = w.page(f)
		rows = append(rows, more...)
	}
	for f := w.next(b, "all", at); f != nil; f = w.next(b, "all", at) {
		line, ok := f.Rows.next()
		require.True(t, ok)
		rows = append(rows, line)
		f.Close()
		at = f.Behind()
	}
	require.ElementsMatch(t, []string{"a", "end", "b", "c", "z"}, rows)
	_, err = b.Finish(t.Context(), "all")
	require.NoError(t, err)
	require.Len(t, w.names("processed"), 4)
	require.Empty(t, w.names(""))
	require.Empty(t, w.read(b, "again"))
	require.Empty(t, w.read(w.worker(), "again"))
}

// A page that could not be staged is read again, from the copy if the server is down.
func TestAPageThatCouldNotBeStaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("log_1", "a\nb\nc\nend\n", 0)
	b := w.worker()
	_, at := w.page(w.next(b, "r", inbox.Position{}))
	w.server.list, w.server.download = errDown, errDown
	for range 2 {
		f, err := b.Resume(t.Context(), "r", at)
		require.NoError(t, err)
		line, ok := f.Rows.next()
		require.True(t, ok)
		require.Equal(t, "c", line)
		f.Leave()
	}
}

// A worker that began a file which another one read to its end drops its copy with the
// run, if it is the one that ends it.
func TestACopyThatWasLeftBehindGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("log_1", "a\nb\nend\n", 0)
	first := w.worker()
	dir := w.source.Dir
	_, at := w.page(w.next(first, "r", inbox.Position{}))
	f, err := w.worker().Resume(t.Context(), "r", at)
	require.NoError(t, err)
	f.Close()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	_, err = first.Finish(t.Context(), "r")
	require.NoError(t, err)
	left, err = os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// Files of which a note may be forgotten are not taken for unread.
func TestOldFilesAreNotReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.source.Keep = 0
	w.put("log_1", "a\nend\n", 0)
	require.NotEmpty(t, w.read(w.worker(), "r"))
	require.NoError(t, w.books.ForgetExportFiles(t.Context(), flow, time.Now().Add(time.Hour)))
	w.now = w.now.Add(30 * 24 * time.Hour)
	require.Empty(t, w.read(w.worker(), "later"))
}

// A file that cannot be read after all, of those that were put away, is told as well.
func TestABadFileAmongThoseThatWerePutAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("processed/log_1", "a\n", 0)
	b := w.worker()
	require.Empty(t, w.read(b, "r"))
	require.Equal(t, []string{"log_1, line 1: it does not end"}, b.BadFiles(t.Context()))
	require.Equal(t, []string{"log_1"}, w.names("processed"))
}

// A file with nothing in it for the flow counts as read without a run.
func TestAFileIsSkipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("log_1", "end\n", 0)
	b := w.worker()
	require.NoError(t, b.Skip(t.Context(), w.next(b, "r", inbox.Position{})))
	require.True(t, w.state("log_1", ledger.FileDone))
	require.Equal(t, []string{"log_1"}, w.names("processed"))
}
