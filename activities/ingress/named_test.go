package ingress_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
)

// Before a backfill by ids, Dynamics is asked which of them there are: in groups, and
// without reading, writing or remembering anything.
func TestNamedRecordsAreLookedForBeforeTheyAreRead(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 500)
	s.Load()
	ids := s.Sandboxes.Dynamics.Keys("contacts")
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", ids[7]))
	asked := append([]string{"6f0c1d2e-0000-4000-8000-00000000dead"}, ids...)
	ask := func(ids []string) (activities.CheckNamedResult, int64) {
		before := s.Sandboxes.Dynamics.Requests()
		found := activitytest.Call[activities.CheckNamedResult](s, s.Ingress.CheckNamed, activities.CheckNamedInput{Table: s.Table, IDs: ids})
		return found, s.Sandboxes.Dynamics.Requests() - before
	}
	calls := s.EngineCalls()
	got, requests := ask(asked)
	require.Equal(t, activities.CheckNamedResult{Found: 499, NotFound: []string{asked[0], ids[7]}}, got)
	require.Equal(t, calls, s.EngineCalls())
	require.Less(t, requests, int64(len(asked)/10), "records are asked for in groups")

	for n := range 1001 - len(asked) {
		asked = append(asked, fmt.Sprintf("6f0c1d2e-0000-4000-8000-%012d", n))
	}
	for _, bad := range [][]string{nil, asked} {
		_, err := s.Env.ExecuteActivity(s.Ingress.CheckNamed, activities.CheckNamedInput{Table: s.Table, IDs: bad})
		require.ErrorContains(t, err, "want 1 to 1000")
	}
}
