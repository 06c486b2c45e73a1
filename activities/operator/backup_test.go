package operator_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"causeway.dev/activities"
	"causeway.dev/activities/operator"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// backsUp is a worker that backs its ledger up.
type backsUp struct {
	t        *testing.T
	ledger   *ledger.Ledger
	settings operator.Backups
	env      *testsuite.TestActivityEnvironment
	operator *operator.Activities
}

func newBacksUp(t *testing.T, o ledger.Options) *backsUp {
	t.Helper()
	b := &backsUp{t: t, ledger: ledgertest.Open(t, o), settings: operator.Backups{Folder: filepath.Join(t.TempDir(), "copies"), Keep: 2, WarnAfter: time.Hour}}
	var suite testsuite.WorkflowTestSuite
	b.env = suite.NewTestActivityEnvironment()
	b.operator = operator.New(operator.Options{Ledger: b.ledger, Backups: b.settings})
	b.operator.Register(b.env)
	return b
}

func (b *backsUp) backup(in activities.BackupLedgerInput) (out activities.BackupLedgerResult, err error) {
	value, err := b.env.ExecuteActivity(b.operator.BackupLedger, in)
	if err == nil {
		require.NoError(b.t, value.Get(&out))
	}
	return out, err
}

func (b *backsUp) state() *activities.BackupState {
	s, err := operator.BackupState(b.t.Context(), b.ledger, b.settings)
	require.NoError(b.t, err)
	return s
}

// A backup is in the log of operations under who asked, and the state has it for status and
// the gauges. One that fails is told until one goes well.
func TestABackupIsLoggedAndKept(t *testing.T) {
	t.Parallel()
	b := newBacksUp(t, ledgertest.SQLite(t))
	require.Equal(t, &activities.BackupState{WarnAfter: time.Hour}, b.state())
	made, err := b.backup(activities.BackupLedgerInput{By: "Ada <6f0c>"})
	require.NoError(t, err)
	require.FileExists(t, made.Backup.File)
	require.Equal(t, b.settings.Folder, filepath.Dir(made.Backup.File))
	require.Equal(t, made.Backup, b.state().Last)
	require.True(t, b.state().Late(time.Now().Add(2*time.Hour)))
	require.False(t, b.state().Late(time.Now()))
	log, err := b.ledger.Operations(t.Context(), ledger.OperationFilter{})
	require.NoError(t, err)
	require.Len(t, log, 1)
	require.Equal(t, activities.OpBackup, log[0].What)
	require.Equal(t, "Ada <6f0c>", log[0].By)
	require.Contains(t, log[0].Detail, made.Backup.File)

	blocked := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(blocked, nil, 0o600))
	_, err = b.backup(activities.BackupLedgerInput{To: filepath.Join(blocked, "below")})
	require.ErrorContains(t, err, "a folder for backups")
	require.Empty(t, b.state().Failed, "whoever named the place was told; nothing is wrong with the backups of the settings")
	for _, to := range []string{"relative.db", blocked} {
		_, err = b.backup(activities.BackupLedgerInput{To: to})
		require.ErrorContains(t, err, "(type: BadInput", "the command ends with the code of bad input")
		require.Empty(t, b.state().Failed)
	}
	require.NoError(t, os.Rename(b.settings.Folder, b.settings.Folder+"-kept"))
	require.NoError(t, os.WriteFile(b.settings.Folder, nil, 0o600))
	_, err = b.backup(activities.BackupLedgerInput{})
	require.ErrorContains(t, err, "a folder for backups")
	require.Contains(t, b.state().Failed, "a folder for backups")
	require.Equal(t, made.Backup, b.state().Last, "the older copy is there yet")
	require.NoError(t, os.Remove(b.settings.Folder))
	again, err := b.backup(activities.BackupLedgerInput{})
	require.NoError(t, err)
	require.Empty(t, b.state().Failed)
	require.Equal(t, again.Backup, b.state().Last)
}

// A ledger in PostgreSQL is not copied: the answer names its database, and no password.
func TestABackupOfPostgreSQLNamesTheDatabase(t *testing.T) {
	t.Parallel()
	o := ledgertest.Postgres(t)
	b := newBacksUp(t, o)
	got, err := b.backup(activities.BackupLedgerInput{})
	require.NoError(t, err)
	require.Nil(t, got.Backup)
	require.Regexp(t, `^t\d+$`, got.Server.Database)
	require.NotEmpty(t, got.Server.User)
	require.Positive(t, got.Server.Port)
	require.NoDirExists(t, b.settings.Folder)
	require.Nil(t, b.state())
}
