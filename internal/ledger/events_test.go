package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// eventOf is the result of entry i of a lane: an event with an outcome.
func eventOf(ln *ledger.Lane, i int, outcome ledger.Outcome) ledger.Result {
	return ledger.Result{Index: i, Outcome: outcome, Event: &ledger.Event{
		Key: ln.Entries[i].Key, Type: "click", Contact: key(1), Outcome: outcome, Time: noon,
	}}
}

func event(t testing.TB, l *ledger.Ledger, k string) *ledger.Event {
	t.Helper()
	found, err := l.Events(t.Context(), []string{k, "unknown"})
	require.NoError(t, err)
	require.NotContains(t, found, "unknown")
	return found[k]
}

// R18.14: what was written stays known as written, however often it comes again.
func TestAnEventIsRememberedAsItWasWritten(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		commitAs := func(run string, outcomes ...ledger.Outcome) *ledger.Event {
			begin(t, l, run)
			in := ledger.PageInput{Run: run, Table: table, Number: 1, Lanes: [][]ledger.Entry{make([]ledger.Entry, len(outcomes))}}
			for i := range in.Lanes[0] {
				in.Lanes[0][i] = entry(7)
			}
			_, err := l.StagePage(t.Context(), in)
			require.NoError(t, err)
			ln := openLane(t, l, run, 1, 0)
			var group []ledger.Result
			for i, o := range outcomes {
				group = append(group, eventOf(ln, i, o))
			}
			require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, group))
			_, err = l.CloseLane(t.Context(), ln.ID, ln.Token)
			require.NoError(t, err)
			return event(t, l, key(7))
		}
		got := commitAs("a", ledger.NoContact)
		require.Equal(t, ledger.NoContact, got.Outcome)
		require.False(t, got.Written())
		got = commitAs("b", ledger.Created, ledger.Unchanged, ledger.Unchanged)
		require.Equal(t, ledger.Created, got.Outcome)
		require.Equal(t, "b", got.Run)
		require.EqualValues(t, 2, got.Again)
		handled, err := l.EventsHandled(t.Context(), got.At, got.At.Add(time.Second), nil, 5)
		require.NoError(t, err)
		require.Len(t, handled, 1)
		require.Equal(t, ledger.Created, handled[0].Outcome)
		behind, err := l.EventsHandled(t.Context(), got.At, got.At.Add(time.Second), &handled[0], 5)
		require.NoError(t, err)
		require.Empty(t, behind, "it is behind itself")
		got = commitAs("c", ledger.Unchanged)
		require.True(t, got.Written())
		of, err := l.EventsOf(t.Context(), key(1), 10)
		require.NoError(t, err)
		require.Len(t, of, 1)
		require.Equal(t, ledger.Event{Key: key(7), Type: "click", Contact: key(1), Outcome: ledger.Created, Time: noon, Run: "b", At: of[0].At}, of[0])
		of, err = l.EventsOf(t.Context(), key(2), 10)
		require.NoError(t, err)
		require.Empty(t, of)
		require.Equal(t, ledger.Created, got.Outcome)
		require.Equal(t, "b", got.Run)
		require.EqualValues(t, 3, got.Again)
		require.Equal(t, "c", got.AgainRun)
		require.Equal(t, noon, got.Time)
		require.Equal(t, key(1), got.Contact)

		got = commitAs("d", ledger.SoftBounce, ledger.Disabled)
		require.Equal(t, ledger.Created, got.Outcome, "what Dynamics has is not forgotten")
		require.Equal(t, "b", got.Run)

		// Also when somebody else had put it there.
		begin(t, l, "e")
		stage(t, l, "e", 1, 2)
		ln := openLane(t, l, "e", 1, 0)
		for i, o := range []ledger.Outcome{ledger.Unchanged, ledger.Disabled} {
			again := eventOf(ln, i, o)
			again.Event.Key = "tracking/9"
			require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{again}))
		}
		events, err := l.Events(t.Context(), []string{"tracking/9"})
		require.NoError(t, err)
		require.True(t, events["tracking/9"].Written())

		run, err := l.Run(t.Context(), "b")
		require.NoError(t, err)
		require.Equal(t, ledger.Counts{Read: 3, Created: 1, Unchanged: 2}, run.Counts)
	})
}

// The run of events balances over reasons of its own.
func TestReasonsOfEventsAreCounted(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "a")
		stage(t, l, "a", 1, 6)
		ln := openLane(t, l, "a", 1, 0)
		var group []ledger.Result
		for i, o := range []ledger.Outcome{ledger.Disabled, ledger.SoftBounce, ledger.SeedOrProof, ledger.NoContact, ledger.Ignored, ledger.Refused} {
			group = append(group, eventOf(ln, i, o))
		}
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, group))
		want := ledger.Counts{Read: 6, Disabled: 1, SoftBounce: 1, SeedOrProof: 1, NoContact: 1, Ignored: 1, Quarantined: 1}
		counts, err := l.CloseLane(t.Context(), ln.ID, ln.Token)
		require.NoError(t, err)
		require.Equal(t, want, counts)
		run, err := l.Advance(t.Context(), "a", ledger.Watermark{})
		require.NoError(t, err)
		require.Equal(t, ledger.RunCompleted, run.State)
		require.Equal(t, want, run.Counts)
	})
}

func TestEventsAreForgottenInTime(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "a")
		stage(t, l, "a", 1, 20)
		ln := openLane(t, l, "a", 1, 0)
		var group []ledger.Result
		for i := range ln.Entries {
			group = append(group, eventOf(ln, i, ledger.Created))
		}
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, group))
		n, err := l.PruneEvents(t.Context(), time.Now().Add(-time.Hour))
		require.NoError(t, err)
		require.Zero(t, n)
		n, err = l.PruneEvents(t.Context(), time.Now().Add(time.Hour))
		require.NoError(t, err)
		require.EqualValues(t, 20, n)
		require.Nil(t, event(t, l, ln.Entries[0].Key))
	})
}

// R20: a file is known by its listing and by its content.
func TestExportFiles(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		file := ledger.ExportFile{Flow: "egress", Name: "broadlog_1.csv", Size: 10, Modified: noon, Hash: "ab", State: ledger.FileReading, Run: "r"}
		_, err := l.ExportFile(t.Context(), file.Flow, file.Name, file.Size, file.Modified)
		require.ErrorIs(t, err, ledger.ErrNotFound)
		require.NoError(t, l.PutExportFile(t.Context(), file))
		twin := ledger.ExportFile{Flow: "egress", Name: "broadlog_2.csv", Size: 10, Modified: noon, Hash: "ab", Run: "r2"}
		_, err = l.ExportFileTwin(t.Context(), twin)
		require.ErrorIs(t, err, ledger.ErrNotFound, "it is not read yet")
		file.State, file.Rows = ledger.FileDone, 3
		require.NoError(t, l.PutExportFile(t.Context(), file))
		done, err := l.ExportFileTwin(t.Context(), twin)
		require.NoError(t, err)
		require.EqualValues(t, 3, done.Rows)
		require.Equal(t, "broadlog_1.csv", done.Name)
		require.Equal(t, noon, done.Modified)
		others := twin
		others.Flow = "optout"
		_, err = l.ExportFileTwin(t.Context(), others)
		require.ErrorIs(t, err, ledger.ErrNotFound, "each flow has its own")
		_, err = l.ExportFile(t.Context(), file.Flow, file.Name, file.Size+1, file.Modified)
		require.ErrorIs(t, err, ledger.ErrNotFound, "it has changed since")
		for i := range 3 {
			require.NoError(t, l.PutExportFile(t.Context(), ledger.ExportFile{Flow: "egress", Name: fmt.Sprint("bad", i), State: ledger.FileBad, Error: "line 2"}))
		}
		_, err = l.ExportFileTwin(t.Context(), *done)
		require.ErrorIs(t, err, ledger.ErrNotFound, "it is no twin of itself")
		twin.Hash = "cd"
		twin.State = ledger.FileReading
		require.NoError(t, l.PutExportFile(t.Context(), twin))
		other := twin
		other.Name = "broadlog_3.csv"
		_, err = l.ExportFileTwin(t.Context(), other)
		require.NoError(t, err, "the same run reads it")
		other.Run = "r3"
		_, err = l.ExportFileTwin(t.Context(), other)
		require.ErrorIs(t, err, ledger.ErrNotFound, "another run may fail")
		require.NoError(t, l.DropExportFile(t.Context(), twin))
		_, err = l.ExportFile(t.Context(), twin.Flow, twin.Name, twin.Size, twin.Modified)
		require.ErrorIs(t, err, ledger.ErrNotFound, "it counts as not seen")
		_, err = l.ExportFile(t.Context(), done.Flow, done.Name, done.Size, done.Modified)
		require.NoError(t, err, "the others stay")
		bad, err := l.ExportFiles(t.Context(), "egress", ledger.FileBad, 2)
		require.NoError(t, err)
		require.Len(t, bad, 2)
		require.NoError(t, l.ForgetExportFiles(t.Context(), "egress", time.Now().Add(time.Hour)))
		bad, err = l.ExportFiles(t.Context(), "egress", ledger.FileBad, 0)
		require.NoError(t, err)
		require.Empty(t, bad)
	})
}
