package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// Saved changes are listed the newest last, found with their files, kept once and forgotten
// in time.
func TestSavedChangesAreKept(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l, ctx := ledgertest.Open(t, o), t.Context()
		for i := range 4 {
			require.NoError(t, l.KeepSave(ctx, ledger.ConfigSave{ID: fmt.Sprint("s", i), At: noon.Add(time.Duration(i) * time.Hour), By: "ada", Verified: i == 1, Subject: "a1", Reason: "why", Says: []byte("says"), Files: []byte("files")}))
		}
		require.NoError(t, l.KeepSave(ctx, ledger.ConfigSave{ID: "s1", At: noon, Says: []byte("x"), Files: []byte("x")}), "a second time")
		ids := func(before time.Time, limit int) (out []string) {
			saves, err := l.Saves(ctx, before, limit)
			require.NoError(t, err)
			for _, s := range saves {
				require.Equal(t, "says", string(s.Says))
				require.Empty(t, s.Files)
				out = append(out, s.ID)
			}
			return out
		}
		require.Equal(t, []string{"s0", "s1", "s2", "s3"}, ids(time.Time{}, 10))
		require.Equal(t, []string{"s1", "s2"}, ids(noon.Add(3*time.Hour), 2))
		s, err := l.Save(ctx, "s1")
		require.NoError(t, err)
		require.Equal(t, ledger.ConfigSave{ID: "s1", At: noon.Add(time.Hour), By: "ada", Verified: true, Subject: "a1", Reason: "why", Says: []byte("says"), Files: []byte("files")}, s)
		_, err = l.Save(ctx, "s9")
		require.ErrorIs(t, err, ledger.ErrNotFound)
		n, err := l.PruneSaves(ctx, noon.Add(2*time.Hour))
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		require.Equal(t, []string{"s2", "s3"}, ids(time.Time{}, 0))
	})
}
