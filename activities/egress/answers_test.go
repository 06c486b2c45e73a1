package egress_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/sandbox/kit"
)

// What stands between us and a service answers in its place once: the flow neither
// stops nor takes a page for an answer.
func TestAnswersOfSomebodyElseChangeNothing(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 40)
	s.generate(600, nil)
	s.begin()
	page := map[string]string{"Content-Type": "text/html"}
	for i, rule := range []kit.Rule{
		{Service: "journal", Status: 404, Body: `{"error":"not now"}`},
		{Service: "journal", Status: 200, Headers: page, Body: "<html>back soon"},
		{Service: "journal", Status: 307, After: 2},
		{Service: "dataverse", Method: http.MethodPost, Path: `\$batch`, Status: 200, Headers: page, Body: "<html>back soon"},
		{Service: "dataverse", Method: http.MethodPost, Path: `\$batch`, Status: 307, After: 1},
		{Service: "dataverse", Method: http.MethodPost, Path: `\$batch`, Status: 404, Headers: page, Body: "<html>", After: 2},
		{Service: "dataverse", Method: http.MethodPost, Path: `\$batch`, Action: kit.Replace, Status: 200, Headers: page, Body: "<html>back soon", After: 3},
		{Service: "dataverse", Method: http.MethodPost, Path: `\$batch`, Status: 200, Headers: map[string]string{"Content-Type": "multipart/mixed; boundary=b"}, After: 4,
			Body: "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 401 Unauthorized\r\n\r\n\r\n--b--\r\n"},
		{Service: "dataverse", Method: http.MethodGet, Path: `/contacts`, Status: 403, Headers: page, Body: "<html>no"},
		{Service: "dataverse", Method: http.MethodGet, Path: `/contacts`, Status: 403, After: 1, Body: `{"error":{"code":"0x8004a104","message":"The organisation is disabled."}}`},
	} {
		if rule.Times, rule.Seed = 1, uint64(i); rule.Action == "" {
			rule.Action = kit.Respond
		}
		s.fault(rule)
	}
	out := s.patiently(activities.KindDelta)
	require.Equal(t, "COMPLETED", out.State)
	require.Empty(t, s.timeline())
	require.Equal(t, int64(s.Sandboxes.Events.Counts().Published), out.Counts.Read)
	require.Zero(t, out.Counts.Quarantined)
	for _, rule := range s.Sandboxes.Faults.List() {
		require.Equal(t, 1, rule.Hits, "%s %s %d", rule.Service, rule.Path, rule.Status)
	}
}

// An address that leads to no journal is told at the start, once it has lasted.
func TestAJournalThatIsNotThereIsNoStart(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 1)
	s.fault(kit.Rule{Service: "journal", Action: kit.Respond, Status: 404, Times: 1})
	_, err := s.Env.ExecuteActivity(s.eg.PreflightEvents, activities.PreflightEventsInput{Settings: s.settings})
	require.ErrorContains(t, err, "check campaign.journal.url")
	fail, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok)
	require.False(t, fail.NonRetryable(), "it may pass")
	s.begin()
}
