package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/kit"
	"causeway.dev/workflows"
)

// R8.18, R11.14: when a field was removed from Campaign, the flow stops and names it. No
// record is quarantined or lost. A start before the fix fails with the same message,
// and a start after it goes on.
func TestAFieldThatIsGoneStopsTheFlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 300, pageSize: 100})
	w.startWorker()
	w.startFlow()
	w.loaded()
	rule, err := w.boxes.Faults.Add(kit.Rule{Service: "campaign", Method: http.MethodPatch, Path: "/profile/", Action: kit.Respond, Status: 500,
		Body: `{"error_code":"RST-360011","message":"RST-360011 An error has occurred - please contact your administrator. 'city' property is not valid for the 'profile' resource."}`})
	require.NoError(t, err)
	ids := w.ids()
	change := func(from, to int) {
		for i, id := range ids[from:to] {
			w.edit(id, map[string]any{"address1_city": fmt.Sprintf("Nebelheim %d", i)})
		}
	}
	stopped := func() {
		t.Helper()
		st := w.until("the flow to stop", func(st workflows.Status) bool { return st.State == workflows.StateFailed })
		require.Contains(t, st.Reason, "Campaign's resource has no such field: field city; check the field in Campaign or correct ingress.tables.contacts, then start the table again")
		require.Zero(t, st.Quarantined)
		require.Empty(t, w.quarantine().Records)
	}
	change(0, 50)
	stopped()
	change(50, 80)
	w.remove(ids[100])
	w.insert("Quibblethorn")
	w.startFlow()
	stopped()

	w.boxes.Faults.Clear(rule)
	w.startFlow()
	w.inStep()
	require.Equal(t, workflows.StateRunning, w.until("the pass", func(st workflows.Status) bool { return st.Run == "" }).State)
	w.noPersonalData()
}
