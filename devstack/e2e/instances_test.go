package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/operator"
)

// Two instances with one Temporal server, each in a namespace of its own, and one PostgreSQL
// server, each in a database of its own, know nothing of each other: neither what runs, nor
// who works, nor what is asked of them.
func TestTwoInstancesDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	acme := newPostgresWorld(t, worldOptions{contacts: 40})
	other := newPostgresWorld(t, worldOptions{contacts: 30, beside: acme, yaml: func(s string) string {
		return strings.Replace(s, "instance: acme", "instance: other", 1)
	}})
	code, _, stderr := other.causeway("setup")
	require.Zero(t, code, stderr)

	acme.startWorker()
	killed := other.startWorker()
	acme.startFlow()
	acme.loaded()
	require.Zero(t, other.profileCount(), "nobody started it")
	other.startFlow()
	other.loaded()
	for w, want := range map[*world]int64{acme: 40, other: 30} {
		require.Equal(t, want, w.profileCount())
		require.Empty(t, w.differences(10))
		r := w.report()
		require.Len(t, r.Flows, 1)
		require.Len(t, r.Workers, 1, "its own")
		require.True(t, strings.HasPrefix(r.Workers[0].Name, w.cfg.Instance+"@"), r.Workers[0].Name)
		versions, err := w.versions().Describe(t.Context())
		require.NoError(t, err)
		require.Len(t, versions.Versions, 1)
	}

	// What is asked of one, and what becomes of it, is nothing to the other.
	code, _, stderr = other.causeway("pause", "contacts", "--reason", "a release")
	require.Zero(t, code, stderr)
	acme.edit(acme.ids()[0], map[string]any{"address1_city": "Nebelheim"})
	acme.inStep()
	require.Equal(t, "PAUSED", string(other.report().Flows[0].Status.State))
	killed.kill()
	acme.edit(acme.ids()[1], map[string]any{"address1_city": "Nebelheim"})
	acme.inStep()
	require.Len(t, acme.report().Workers, 1)
}

// report is what "causeway status" says.
func (w *world) report() (r operator.Report) {
	w.t.Helper()
	_, out, stderr := w.causeway("status", "-o", "json")
	require.NoError(w.t, json.Unmarshal([]byte(out), &r), stderr)
	return r
}
