package commands

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/stack"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	b := newBoxes(t, stack.Options{Contacts: 50})
	out, code := b.run("events", "generate", "--events", "300", "--duplicates", "0.5")
	require.Zero(t, code, out)
	require.Equal(t, "300 events\n", out)
	require.Greater(t, b.Events.Len(), 350)

	before := b.Events.Len()
	out, code = b.run("events", "push", "click", "--contact", "6f1d", "--times", "2", "--url", "https://shop.example.test/a")
	require.Zero(t, code, out)
	require.Regexp(t, `^event [0-9a-f-]{36}, delivery log \d+, tracking log \d+\n$`, out)
	require.Equal(t, before+2, b.Events.Len())
	found := false
	b.Events.Each(func(e eventlog.Event) bool {
		found = found || e.Kind == eventlog.Click && e.ExternalID == "6f1d" && e.URL == "https://shop.example.test/a"
		return true
	})
	require.True(t, found)

	for name, c := range map[string]struct {
		args string
		want string
	}{
		"unknown type":    {"events push sms", `type: got "sms", want send, open, click, bounce`},
		"share above one": {"events generate --opens 2", "opens: got 2, want 0 to 1"},
		"unknown message": {"events push open --broadlog 1", `broadlog_id: got "1"`},
	} {
		out, code := b.run(strings.Fields(c.args)...)
		require.Equal(t, 2, code, name)
		require.Contains(t, out, c.want, name)
	}
	out, code = b.run("events", "count")
	require.Zero(t, code)
	require.Contains(t, out, `"published"`)
}

// Mailings go to profiles that did not opt out. While there is no profile, they go to
// contacts.
func TestRecipients(t *testing.T) {
	t.Parallel()
	b := newBoxes(t, stack.Options{Contacts: 20})
	f := eventlog.DefaultFunnel()
	f.NoContact, f.Unknown = 0, 0
	_, err := b.GenerateEvents(f)
	require.NoError(t, err)
	b.Events.Each(func(e eventlog.Event) bool {
		require.NotNil(t, b.Dynamics.Row("contacts", e.ExternalID))
		return true
	})
	require.NoError(t, b.Campaign.Insert("profile", []byte(`{"externalId":"in","email":"in@example.test"}`)))
	require.NoError(t, b.Campaign.Insert("profile", []byte(`{"externalId":"out","blackListEmail":true}`)))
	n, err := b.GenerateEvents(f)
	require.NoError(t, err)
	got := map[string]int{}
	b.Events.Each(func(e eventlog.Event) bool { got[e.ExternalID]++; return true })
	require.Equal(t, n, got["in"])
	require.Zero(t, got["out"])
}
