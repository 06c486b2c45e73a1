package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// Who does not answer is said with what to do about it: the worker that is not
// there, one that has no time, or Temporal.
func TestWhoDoesNotAnswer(t *testing.T) {
	t.Parallel()
	lost := unreachable("the Temporal server at here:1 does not answer any more")
	tests := map[string]struct {
		args    []string
		prepare func(*world)
		says    []string
	}{
		"no worker": {[]string{"stop", "contacts"}, func(*world) {}, []string{
			"no worker asks for work; waiting for one for up to 1m0s, start it with: worker --config testdata/causeway.yaml\n",
			"causeway: no worker answered for contacts within 1m0s; start one with: worker --config testdata/causeway.yaml (the request may still be carried out: causeway status)\n"}},
		"a worker that died a while ago": {[]string{"stop", "contacts"}, func(w *world) { w.Seen = noon.Add(-2 * time.Minute) }, []string{
			"no worker asks for work", "causeway: no worker answered for contacts within 1m0s"}},
		"a worker that is busy": {[]string{"stop", "contacts"}, func(w *world) { w.Seen = noon.Add(-4 * time.Second) }, []string{
			"waiting for an answer for up to 1m0s\n",
			"causeway: no answer for contacts within 1m0s, though a worker asked for work 4 s ago; it is busy with what is in hand, or has just died (the request may still be carried out: causeway status)\n"}},
		"Temporal is gone": {[]string{"stop", "contacts"}, func(w *world) { w.Lost = lost }, []string{
			"Temporal does not answer; waiting for it for up to 1m0s\n", "causeway: the Temporal server at here:1 does not answer any more\n"}},
		"start":      {[]string{"start", "contacts"}, func(*world) {}, []string{"no worker asks for work", "causeway: no worker answered for contacts"}},
		"the ledger": {[]string{"log"}, func(*world) {}, []string{"no worker asks for work", "causeway: no worker answered within 1m0s"}},
		"a status that Temporal does not answer": {[]string{"status", "contacts"}, func(w *world) { w.Lost = lost }, []string{
			"causeway: the Temporal server at here:1 does not answer any more\n"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.slow = true
			for _, question := range []string{"Update " + contactsFlow + " Stop", "Start " + contactsFlow, "Run " + activities.ListOperations, "Describe " + contactsFlow} {
				w.on(question, operator.ErrNoWorker)
			}
			tc.prepare(w)
			code, _, stderr := w.run(t, tc.args...)
			require.Equal(t, exitUnreachable, code)
			for _, s := range tc.says {
				require.Contains(t, stderr, s)
			}
		})
	}
}

// The state that was recorded last is shown with the worker that may be looked at.
func TestStatusOfABusyWorker(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.Seen = noon.Add(-7 * time.Second)
	w.on("Query "+contactsFlow+" Status", operator.ErrNoWorker)
	w.on("Describe "+contactsFlow, operator.Description{Running: true, State: "RUNNING"})
	code, out, _ := w.run(t, "status", "contacts")
	require.Equal(t, exitUnreachable, code)
	require.Contains(t, out, "no answer for contacts, so this is what Temporal recorded last; a worker asked for work 7 s ago, so it is busy, or has just died: look into its log")
}

// Whoever follows a run is told why it does not move, once for each reason, and
// when nobody answers.
func TestFollowingSaysWhyNothingMoves(t *testing.T) {
	t.Parallel()
	w := newWorld()
	running := contacts(loading)
	w.on("Start "+contactsFlow, running)
	answers := []any{}
	for range 2*10 + 1 {
		answers = append(answers, running)
	}
	for range 15 {
		answers = append(answers, operator.ErrNoWorker)
	}
	w.on("Query "+contactsFlow+" Status", append(answers, contacts(nil))...)
	w.on("Query "+running.RunWorkflow+" Progress", progressOf(4_500, 45))
	w.on("Describe "+contactsFlow, operator.Description{Running: true})
	w.on("Describe "+running.RunWorkflow, retrying("WriteLane"))
	code, _, stderr := w.run(t, "start", "contacts", "--wait")
	require.Zero(t, code, stderr)
	golden(t, "start-wait-while-Campaign-is-down.txt", stderr)
}

// An audit of a system that is down says so.
func TestAnAuditSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	w := newWorld()
	result := workflows.AuditResult{Run: "a", Held: 5}
	w.on("Begin "+auditFlow, true)
	w.on("Query "+auditFlow+" Progress", workflows.AuditProgress{Phase: "begin"}, workflows.AuditProgress{Phase: "begin"}, workflows.AuditProgress{Result: &result})
	w.on("Describe "+auditFlow, retrying("ListProfiles"))
	code, _, stderr := w.run(t, "audit", "contacts")
	require.Zero(t, code)
	require.Equal(t, "audit of contacts: begin\nwaiting: ListProfiles, attempt 7, last failure: campaign: create profile: ServiceFault (503), since 2026-03-02 11:57:00 UTC (3 min ago)\n", stderr)
}
