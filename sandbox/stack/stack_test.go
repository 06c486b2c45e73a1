package stack_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/stack"
)

// R3.7, R3.8: Adobe's solution is installed unless an option says no. The admin port
// shows it.
func TestTheSolutionIsInstalledByDefault(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]stack.Options{
		"by default": {}, "without it": {NoSolution: true}, "with limits": {Protection: dataverse.ServiceLimits, OperationTime: time.Nanosecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Dir = t.TempDir()
			s, err := stack.Start(t.Context(), o)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.AdminURL+"/dynamics/processes", nil)
			require.NoError(t, err)
			res, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer res.Body.Close()
			var list struct{ Processes []dataverse.Process }
			require.NoError(t, json.NewDecoder(res.Body).Decode(&list))
			require.Equal(t, s.Dynamics.Processes(), list.Processes)
			require.Len(t, list.Processes, map[bool]int{false: 2, true: 0}[o.NoSolution])
			for _, p := range list.Processes {
				require.True(t, p.Active, p.Name)
			}
		})
	}
}

// A seed file declares activity types too.
func TestASeedFileDeclaresActivities(t *testing.T) {
	t.Parallel()
	file := func(more string) string {
		path := filepath.Join(t.TempDir(), "seed.yaml")
		require.NoError(t, os.WriteFile(path, []byte("dynamics:\n  tables:\n    - table: acme_visit\n      activity: true\n"+more), 0o600))
		return path
	}
	s, err := stack.Start(t.Context(), stack.Options{Dir: t.TempDir(), SeedFile: file("      columns: [{name: acme_place, type: String, length: 20}]\n      rows: [{subject: a visit, acme_place: Farsund}]\n")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	s.Dynamics.Each("activitypointers", func(key string, row map[string]any) bool {
		require.Equal(t, "acme_visit", row["activitytypecode"])
		require.Equal(t, "Farsund", s.Dynamics.Row("acme_visits", key)["acme_place"])
		return true
	})
	require.EqualValues(t, 1, s.Dynamics.Count("activitypointers"))
	_, err = stack.Start(t.Context(), stack.Options{Dir: t.TempDir(), SeedFile: file("      key: acme_visitid\n")})
	require.ErrorContains(t, err, "activityid and subject")
}
