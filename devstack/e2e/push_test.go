package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/sandbox/dataverse"
	"causeway.dev/workflows"
)

const hookSecret = "a secret of some length"

// hooked is a world whose flows ask Dynamics every ten minutes, which is longer than any test
// waits: what arrives before was told by a call.
func hooked(t *testing.T, open func(*testing.T, worldOptions) *world) (w *world, address string) {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte(hookSecret+"\n"), 0o600))
	port := freePort(t)
	w = open(t, worldOptions{contacts: 50, yaml: func(s string) string {
		s = strings.Replace(s, "poll_every: 1s", "poll_every: 10m", 1)
		return s + fmt.Sprintf("hooks: {listen: \"127.0.0.1:%d\", secret: \"file:%s\", poll: 10m, every: 100ms}\n", port, secret)
	}})
	return w, fmt.Sprintf("http://127.0.0.1:%d/hooks/dynamics/contact", port)
}

// city is that of a contact in Campaign.
func (w *world) city(id string) any {
	location, _ := w.boxes.Campaign.Profile(id)["location"].(map[string]any)
	return location["city"]
}

func (w *world) pushed(id, city string) {
	w.t.Helper()
	w.edit(id, map[string]any{"address1_city": city})
	require.Eventually(w.t, func() bool { return w.city(id) == city }, settleWithin, 10*time.Millisecond, "worker log:\n%s", w.tail())
}

// Dynamics calls, and the change is in Campaign long before anybody would have asked for it:
// whichever worker takes the call, and whichever waits. Calls that nothing follows cost
// no events, and calls with another secret nothing.
func TestDynamicsWakesAFlow(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, worldOptions) *world{"sqlite": newWorld, "postgres": newPostgresWorld} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, address := hooked(t, open)
			first := w.startedWorker()
			if name == "postgres" {
				w.startedWorker() // it cannot have the address, and is told by the other one
			}
			w.startFlow()
			w.loaded()
			require.NoError(t, w.boxes.Dynamics.RegisterWebhook(dataverse.Webhook{Name: "w", URL: address, AuthType: "HttpHeader",
				AuthPairs: map[string]string{"X-Causeway-Secret": hookSecret}, Table: "contact"}))
			ids := w.ids()
			for i, id := range ids[:12] {
				w.pushed(id, fmt.Sprintf("Pushed %d", i))
			}
			hook := w.boxes.Dynamics.Webhooks()[0]
			require.Zero(t, hook.Failed, hook.LastError)
			require.Eventually(t, func() bool { return strings.Contains(w.metrics(), "flow_pushed") }, settleWithin, 100*time.Millisecond, "it shows that it relies on them")
			w.remove(ids[20])
			require.Eventually(t, func() bool { return w.boxes.Campaign.Profile(ids[20]) == nil }, settleWithin, 10*time.Millisecond, "a delete is told as well")

			// Calls for changes that the flow does not read wake it in vain.
			w.waits()
			before := w.events()
			asked := w.boxes.Dynamics.Requests()
			require.True(t, w.boxes.Dynamics.RemoveWebhook("w"))
			for n := range 3 {
				require.NoError(t, w.boxes.Dynamics.RegisterWebhook(dataverse.Webhook{Name: fmt.Sprint("account", n), URL: address, AuthType: "WebhookKey", AuthKey: hookSecret, Table: "account"}))
			}
			_, err := w.boxes.Dynamics.Insert("accounts", map[string]any{"name": "Acme"})
			require.NoError(t, err)
			require.Eventually(t, func() bool { return w.boxes.Dynamics.Requests() > asked }, settleWithin, 10*time.Millisecond)
			require.Equal(t, before, w.events(), "a look that finds nothing is no event")

			// The worker that took the calls dies. Another one takes them when it starts.
			first.kill()
			require.NoError(t, w.boxes.Dynamics.RegisterWebhook(dataverse.Webhook{Name: "w", URL: address, AuthType: "WebhookKey", AuthKey: hookSecret, Table: "contact"}))
			w.edit(ids[30], map[string]any{"address1_city": "While nobody took calls"})
			w.startedWorker()
			require.Eventually(t, func() bool { return w.city(ids[30]) == "While nobody took calls" }, settleWithin, 10*time.Millisecond, "worker log:\n%s", w.tail())
			w.pushed(ids[31], "Afterwards")
			require.Empty(t, w.differences(10))
			st, err := w.status()
			require.NoError(t, err)
			require.Equal(t, workflows.StateRunning, st.State)
		})
	}
}

// events is how long the history of the flow is.
func (w *world) events() int64 {
	w.t.Helper()
	d, err := w.client.DescribeWorkflowExecution(w.t.Context(), w.flowID(), "")
	require.NoError(w.t, err)
	return d.WorkflowExecutionInfo.HistoryLength
}

// waits returns once the flow waits for changes: nothing else is in hand.
func (w *world) waits() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		d, err := w.client.DescribeWorkflowExecution(w.t.Context(), w.flowID(), "")
		return err == nil && len(d.PendingActivities) == 1 && len(d.PendingChildren) == 0 && d.PendingWorkflowTask == nil &&
			d.PendingActivities[0].ActivityType.Name == activities.FetchPage
	}, settleWithin, 10*time.Millisecond)
}
