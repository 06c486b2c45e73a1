package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
)

// backedUp is a SQLite ledger with a folder for its backups.
type backedUp struct {
	*ledger.Ledger
	t      *testing.T
	path   string
	folder string
	now    time.Time
}

func newBackedUp(t *testing.T, keys ...[]byte) *backedUp {
	t.Helper()
	b := &backedUp{t: t, path: filepath.Join(t.TempDir(), "ledger.db"), folder: filepath.Join(t.TempDir(), "copies"), now: noon}
	var err error
	b.Ledger, err = ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: b.path, Synchronous: "normal", Keys: keys, Now: func() time.Time { return b.now }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func (b *backedUp) backup(edit ...func(*ledger.BackupOptions)) (*ledger.Backup, error) {
	o := ledger.BackupOptions{Folder: b.folder, Keep: 3}
	for _, e := range edit {
		e(&o)
	}
	return b.Backup(b.t.Context(), o)
}

func (b *backedUp) kept() []string {
	found, err := os.ReadDir(b.folder)
	require.NoError(b.t, err)
	names := []string{}
	for _, f := range found {
		names = append(names, f.Name())
	}
	return names
}

// A backup is a ledger like the one it was made of, with the same identity, that a worker
// opens with the same key and with no other. It is readable by its owner only.
func TestABackupIsALedgerOfItsOwn(t *testing.T) {
	t.Parallel()
	key := make([]byte, 32)
	b := newBackedUp(t, key)
	begin(t, b.Ledger, "r1")
	id, err := b.Identity(t.Context())
	require.NoError(t, err)
	made, err := b.backup()
	require.NoError(t, err)
	begin(t, b.Ledger, "r2") // after it
	require.Equal(t, []string{"ledger-20260301T120000.000Z.db"}, b.kept(), "and nothing of its making")
	info, err := os.Stat(made.File)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Equal(t, info.Size(), made.Size)

	_, err = ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: made.File})
	require.ErrorContains(t, err, "ledger.encryption_key")
	restored, err := ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: made.File, Keys: [][]byte{key}})
	require.NoError(t, err)
	defer restored.Close()
	same, err := restored.Identity(t.Context())
	require.NoError(t, err)
	require.Equal(t, id, same)
	runs, err := restored.Runs(t.Context(), ledger.RunFilter{})
	require.NoError(t, err)
	require.Len(t, runs, 1)
	require.Equal(t, "r1", runs[0].ID)
}

// Writers go on while a backup is made, and what they commit as one is in it as a whole or
// not at all.
func TestWritersGoOnDuringABackup(t *testing.T) {
	t.Parallel()
	b := newBackedUp(t)
	begin(t, b.Ledger, "r1")
	for page := range 20 { // so that a copy takes longer than a commit
		stage(t, b.Ledger, "r1", page, 400)
	}
	made, committed := make(chan *ledger.Backup), 0
	var err error
	var all sync.WaitGroup
	all.Go(func() {
		var last *ledger.Backup
		for n := 0; n < 5 && err == nil; n++ {
			last, err = b.Backup(t.Context(), ledger.BackupOptions{To: filepath.Join(b.path + fmt.Sprint(".", n))})
		}
		made <- last
	})
	var last *ledger.Backup
	for last == nil {
		select {
		case last = <-made:
			if last == nil {
				require.NoError(t, err)
			}
		default:
			require.NoError(t, b.SaveFact(t.Context(), "turn", fmt.Sprint(committed)))
			committed++
		}
	}
	all.Wait()
	require.NoError(t, err)
	require.Positive(t, committed)
	copied, err := ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: last.File})
	require.NoError(t, err)
	defer copied.Close()
	for page := range 20 {
		require.Len(t, openLane(t, copied, "r1", page, 0).Entries, 400)
	}
}

// Older copies go by number and by age; the newest stays, and so does what is not ours. What
// a killed worker has left of a copy goes too.
func TestOlderBackupsGo(t *testing.T) {
	t.Parallel()
	b := newBackedUp(t)
	require.NoError(t, os.MkdirAll(b.folder, 0o700))
	for _, name := range []string{"notes.txt", "other-20260101T000000.000Z.db", "ledger-old.db", "ledger-20260101T000000.000Z.db.part"} {
		require.NoError(t, os.WriteFile(filepath.Join(b.folder, name), nil, 0o600))
	}
	strange := []string{"ledger-old.db", "notes.txt", "other-20260101T000000.000Z.db"}
	for day := range 5 {
		b.now = noon.AddDate(0, 0, day)
		made, err := b.backup()
		require.NoError(t, err)
		require.Equal(t, max(0, min(1, day-2)), made.Removed, "day %d", day)
	}
	require.ElementsMatch(t, append([]string{"ledger-20260303T120000.000Z.db", "ledger-20260304T120000.000Z.db", "ledger-20260305T120000.000Z.db"}, strange...), b.kept())
	b.now = noon.AddDate(0, 0, 30)
	made, err := b.backup(func(o *ledger.BackupOptions) { o.KeepFor = 26 * 24 * time.Hour })
	require.NoError(t, err)
	require.Equal(t, 2, made.Removed)
	b.now = noon.AddDate(1, 0, 0)
	_, err = b.backup(func(o *ledger.BackupOptions) { o.KeepFor, o.Keep = time.Hour, 1 })
	require.NoError(t, err)
	require.ElementsMatch(t, append([]string{"ledger-20270301T120000.000Z.db"}, strange...), b.kept())
}

// Two instances whose ledgers are named alike can share a folder: neither takes the other's
// copies away, nor one that the other is making.
func TestInstancesShareAFolderForBackups(t *testing.T) {
	t.Parallel()
	prod, test := newBackedUp(t), newBackedUp(t)
	test.folder = prod.folder
	of := func(name string) func(*ledger.BackupOptions) {
		return func(o *ledger.BackupOptions) { o.Name, o.Keep = name, 1 }
	}
	made, err := prod.backup(of("acme"))
	require.NoError(t, err)
	making := filepath.Join(prod.folder, "acme-ledger-20260301T120001.000Z.db.part")
	require.NoError(t, os.WriteFile(making, nil, 0o600))
	for day := range 3 {
		test.now = noon.AddDate(0, 0, day+1)
		_, err := test.backup(of("acme-test"))
		require.NoError(t, err)
	}
	require.FileExists(t, made.File)
	require.FileExists(t, making)
	require.Len(t, test.kept(), 3)
}

// A backup never writes over a file, and says what it wants in place of what it got.
func TestABackupWritesOverNothing(t *testing.T) {
	t.Parallel()
	b := newBackedUp(t)
	elsewhere := t.TempDir()
	there := filepath.Join(elsewhere, "there.db")
	require.NoError(t, os.WriteFile(there, []byte("mine"), 0o600))
	to := func(path string) func(*ledger.BackupOptions) {
		return func(o *ledger.BackupOptions) { o.To = path }
	}
	for path, want := range map[string]string{
		there:           "is there already; name another file",
		b.path:          "is there already; name another file",
		"relative.db":   "want a whole path on the machine of the worker",
		there + "/x.db": "a folder for backups",
	} {
		_, err := b.backup(to(path))
		require.ErrorContains(t, err, want, path)
	}
	kept, err := os.ReadFile(there)
	require.NoError(t, err)
	require.Equal(t, "mine", string(kept))
	made, err := b.backup(to(elsewhere))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(elsewhere, "ledger-20260301T120000.000Z.db"), made.File)
	_, err = b.backup(to(elsewhere))
	require.ErrorContains(t, err, "is there already")
	made, err = b.backup(to(filepath.Join(elsewhere, "deeper", "mine.db")))
	require.NoError(t, err)
	require.FileExists(t, made.File)
}

// A ledger that is damaged gives no backup, and leaves none behind.
func TestADamagedLedgerGivesNoBackup(t *testing.T) {
	t.Parallel()
	b := newBackedUp(t)
	begin(t, b.Ledger, "r1")
	most := make([]byte, 4<<20) // of the file
	for i := range most {
		most[i] = byte(rand.IntN(256))
	}
	_, err := b.StagePage(t.Context(), ledger.PageInput{Run: "r1", Table: table, Number: 1, Phase: "baseline", End: ledger.LinkCursor("d"), ServerTime: noon,
		Lanes: [][]ledger.Entry{{{Key: key(1), Version: "1", Raw: most}}}})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	info, err := os.Stat(b.path)
	require.NoError(t, err)
	f, err := os.OpenFile(b.path, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(make([]byte, 64<<10), info.Size()/2) // of what opening does not read
	require.NoError(t, err)
	require.NoError(t, f.Close())
	b.Ledger, err = ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: b.path})
	require.NoError(t, err)
	_, err = b.backup()
	require.Error(t, err)
	require.Empty(t, b.kept())
}
