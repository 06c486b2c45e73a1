package stack_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/stack"
)

// R3.7, R3.8: Adobe's solution is installed unless asked otherwise; the admin
// port shows it.
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
