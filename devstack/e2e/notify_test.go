package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// inbox is a webhook that does not take the first message.
type inbox struct {
	mu    sync.Mutex
	asked int
	took  []activities.Notice
}

func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.asked++; b.asked == 1 {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	var m struct {
		Notices []activities.Notice `json:"notices"`
	}
	_ = json.Unmarshal(body, &m)
	b.took = append(b.took, m.Notices...)
}

// told are the states of what was told of a cause, in order.
func (b *inbox) told(cause string) (out []activities.NoticeState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.took {
		if n.Name == cause {
			out = append(out, n.State)
		}
	}
	return out
}

// A webhook is told of a flow that was ended, though it refuses the first message and the
// worker is killed; it is told once, and when it is over.
func TestAWebhookIsToldWhatNeedsSomebody(t *testing.T) {
	t.Parallel()
	box := &inbox{}
	hook := httptest.NewServer(box)
	t.Cleanup(hook.Close)
	secret := filepath.Join(t.TempDir(), "webhook")
	require.NoError(t, os.WriteFile(secret, []byte(hook.URL+"/services/secret"), 0o600))
	w := newWorld(t, worldOptions{contacts: 20, yaml: func(s string) string {
		return s + "notify:\n  webhook: file:" + secret + "\n  format: json\n  every: 1s\n  after: 0s\n"
	}})
	worker := w.startWorker()
	w.startFlow()
	w.loaded()
	ctx := t.Context()
	require.NoError(t, w.client.TerminateWorkflow(ctx, w.flowID(), "", "the test ends it"))
	told := func(want ...activities.NoticeState) {
		t.Helper()
		require.Eventually(t, func() bool { return len(box.told(config.CauseFlowEnded)) >= len(want) }, settleWithin, 100*time.Millisecond, "worker log:\n%s", w.tail())
		require.Equal(t, want, box.told(config.CauseFlowEnded))
	}
	told(activities.NoticeBegun)
	worker.kill()
	w.startWorker()
	w.startFlow()
	told(activities.NoticeBegun, activities.NoticeEnded)

	temporal, err := operator.Connect(ctx, operator.Address{HostPort: w.address, Namespace: "default"})
	require.NoError(t, err)
	i := operator.New(w.cfg, temporal, operator.Options{File: w.cfgPath, By: "test"})
	t.Cleanup(i.Close)
	r, err := i.NotifyTest(ctx)
	require.NoError(t, err)
	require.True(t, r.Sent, r.Problem)
	log, err := os.ReadFile(w.log)
	require.NoError(t, err)
	require.NotContains(t, string(log), "services/secret")
	w.replay(map[string][]string{workflows.TypeNotify: {"notify"}})
}
