package commands

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

func TestNotifyTest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer any
		code   int
		says   string
	}{
		"taken":      {activities.NotifyTestResult{Sent: true}, exitDone, "the webhook took a trial message"},
		"not taken":  {activities.NotifyTestResult{Problem: "it answered with status 500"}, exitFailed, "it answered with status 500"},
		"no webhook": {activities.NotifyTestResult{Off: true}, exitBadInput, "no notify.webhook"},
		"no worker":  {operator.ErrNoWorker, exitUnreachable, "no worker"},
	} {
		w := newWorld()
		w.on("Run "+activities.NotifyTest, c.answer)
		code, out, stderr := w.run(t, "notify", "test")
		require.Equal(t, c.code, code, name)
		require.Contains(t, out+stderr, c.says, name)
	}
}
