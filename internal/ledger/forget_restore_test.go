package ledger_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// A person who was forgotten, came back and was forgotten once more: a ledger from a backup
// in between knows of the first time.
func TestASecondErasureSurvivesARestore(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		now := noon
		o.Now = func() time.Time { return now }
		o.Erasures = filepath.Join(t.TempDir(), "erasures")
		l := ledgertest.Open(t, o)
		require.NoError(t, l.AskForget(t.Context(), table, person))
		forgetNow(t, l)
		db := connect(t, o)
		backup := all(t, db, `SELECT at FROM erasure`)
		now = now.Add(time.Hour)
		require.NoError(t, l.AskForget(t.Context(), table, person))
		forgetNow(t, l)
		apply(t, db, `UPDATE erasure SET at = `+backup[0])
		leave(t, l, db)
		l = reopen(t, l, o)
		forgetNow(t, l)
		forgetNow(t, l) // what the search has found
		require.False(t, holdsSecret(t, l))
		at, err := l.Forgotten(t.Context(), person)
		require.NoError(t, err)
		require.Equal(t, now, at)
	})
}

// A ledger from a backup is searched for those who were forgotten since; the file that
// outlives it tells. Keys were changed meanwhile, and the last line was cut by a crash.
func TestErasuresSurviveARestore(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		o.Erasures = filepath.Join(t.TempDir(), "erasures")
		l := ledgertest.Open(t, keyed(o, key1))
		require.NoError(t, l.AskForget(t.Context(), table, person))
		forgetNow(t, l)
		l = reopen(t, l, keyed(o, key2, key1))
		rekey(t, l, func(int) {})
		l = reopen(t, l, keyed(o, key2))
		file, err := os.OpenFile(o.Erasures, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = file.WriteString("0123")
		require.NoError(t, err)
		require.NoError(t, file.Close())

		db := connect(t, o)
		apply(t, db, `DELETE FROM erasure`) // as a backup from before has it
		leave(t, l, db)
		l = reopen(t, l, keyed(o, key2))
		forgetNow(t, l)
		forgetNow(t, l) // what the search has found
		require.False(t, holdsSecret(t, l))
		require.NotEmpty(t, traces(t, l, other))

		// The same by hand, when somebody says that it was restored.
		apply(t, db, `DELETE FROM lane_data`)
		apply(t, db, `DELETE FROM lane`)
		apply(t, db, `DELETE FROM page`)
		apply(t, db, `DELETE FROM run`)
		apply(t, db, `DELETE FROM event`)
		leave(t, l, db)
		require.NoError(t, l.SearchErased(t.Context()))
		is, err := l.Erasures(t.Context())
		require.NoError(t, err)
		require.True(t, is.Searching)
		forgetNow(t, l)
		forgetNow(t, l)
		require.False(t, holdsSecret(t, l))
		is, err = l.Erasures(t.Context())
		require.NoError(t, err)
		require.Equal(t, ledger.Erasures{Done: 1, File: o.Erasures}, is)
	})
}

// A file that was damaged is told of, and does not keep anybody from being forgotten. The
// beginning of a line, which a crash has cut, is no damage.
func TestADamagedFileOfErasuresIsToldOf(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		path := filepath.Join(t.TempDir(), "erasures")
		l := open(func(o *ledger.Options) { o.Erasures = path })
		damage := func(text string) {
			file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			require.NoError(t, err)
			_, err = file.WriteString(text)
			require.NoError(t, err)
			require.NoError(t, file.Close())
		}
		damage("0123abcd 2026-03\n")
		damage(strings.Repeat("\x00", 100_000))
		require.NoError(t, l.AskForget(t.Context(), table, person))
		forgetNow(t, l)
		is, err := l.Erasures(t.Context())
		require.NoError(t, err)
		require.Equal(t, ledger.Erasures{Done: 1, File: path, Damaged: 1}, is)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(text), "\n"+l.Erasure(person)+" ")

		require.NoError(t, os.Remove(path))
		require.NoError(t, os.Mkdir(path, 0o700))
		is, err = l.Erasures(t.Context())
		require.NoError(t, err)
		require.Contains(t, is.Problem, "cannot be used, and nobody is forgotten before it can")
	})
}

// Each worker's file has all erasures, also those that another worker carried out.
func TestTheFilesOfSeveralWorkersAgree(t *testing.T) {
	t.Parallel()
	o := ledgertest.Postgres(t)
	open := func(name string) (*ledger.Ledger, string) {
		o := o
		o.Erasures = filepath.Join(t.TempDir(), name)
		return ledgertest.Open(t, o), o.Erasures
	}
	first, _ := open("first")
	require.NoError(t, first.AskForget(context.WithoutCancel(t.Context()), table, person))
	forgetNow(t, first)
	second, file := open("second")
	forgetNow(t, second)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), second.Erasure(person))
}
