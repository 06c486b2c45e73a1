package commands

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

const auditFlow = contactsFlow + "/audit"

func auditResult(change func(*workflows.AuditResult)) workflows.AuditResult {
	r := workflows.AuditResult{Run: "audit-contacts-20260302T120000.000Z", Held: 40_000,
		Findings: activities.AuditFindings{Changed: 12, Missing: 3, Stray: 2, Duplicate: 1, Fields: []activities.PlanCount{{What: "lastName", Records: 12}},
			Examples: []activities.PlanExample{
				{ID: "6f0c1d2e-0000-4000-8000-000000000001", Outcome: "changed", Changes: map[string]string{"lastName": "differs from what was written"}},
				{ID: "6f0c1d2e-0000-4000-8000-000000000002", Outcome: "missing"}}},
		Source: activities.PlanResult{Run: "new baseline", Counts: activities.Counts{Read: 40_010, Created: 10, Unchanged: 40_000}},
	}
	if change != nil {
		change(&r)
	}
	return r
}

func TestAudit(t *testing.T) {
	t.Parallel()
	w := newWorld()
	at := workflows.AuditProgress{Phase: "listing Campaign", Held: 40_000, Listed: 20_000}
	result := auditResult(nil)
	w.on("Begin "+auditFlow, true)
	w.on("Query "+auditFlow+" Progress", operator.ErrNoWorker, at, workflows.AuditProgress{Phase: "done", Result: &result})
	w.on("Describe "+auditFlow, operator.Description{Running: true})
	code, out, stderr := w.run(t, "audit", "contacts")
	require.Equal(t, 2, code, "something differs")
	golden(t, "audit.txt", out+"--- stderr\n"+stderr)
	in := w.Requests["Begin "+auditFlow][0].(workflows.AuditInput)
	require.Equal(t, revision("contacts"), in.Table.Revision())
	require.Equal(t, "acme", in.Instance)
	require.False(t, in.Repair)
	require.Equal(t, "ada", in.By)

	w.on("Begin "+auditFlow, false)
	code, _, stderr = w.run(t, "audit", "contacts", "--repair")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "an audit of contacts is running already; watching that one")
	require.Contains(t, stderr, "had not been asked to repair; run causeway audit contacts --repair again")

	w.on("Begin "+auditFlow, true)
	result = auditResult(func(r *workflows.AuditResult) { r.Repair = true })
	w.on("Query "+auditFlow+" Progress", workflows.AuditProgress{Result: &result})
	code, out, _ = w.run(t, "audit", "contacts", "--repair")
	require.Equal(t, 2, code)
	require.Contains(t, out, "The flow loads the table anew and repairs this")
	result = auditResult(func(r *workflows.AuditResult) { r.Refused = "the flow of contacts does not run" })
	w.on("Query "+auditFlow+" Progress", workflows.AuditProgress{Result: &result})
	_, out, _ = w.run(t, "audit", "contacts", "--repair")
	require.Contains(t, out, "Nobody repairs this: the flow of contacts does not run")

	result = auditResult(func(r *workflows.AuditResult) { r.Source.Short = &activities.ShortLoad{Expected: 60, Listed: 25} })
	w.on("Query "+auditFlow+" Progress", workflows.AuditProgress{Result: &result})
	_, out, _ = w.run(t, "audit", "contacts")
	require.Contains(t, out, "Dynamics showed 25 records and counts about 60, up to a day ago: some may be hidden from the application user, and not gone.")

	result = workflows.AuditResult{Run: "a", Held: 5}
	w.on("Query "+auditFlow+" Progress", workflows.AuditProgress{Result: &result})
	code, out, _ = w.run(t, "audit", "contacts")
	require.Zero(t, code)
	require.Contains(t, out, "Both systems are in step.")
	code, out, _ = w.run(t, "audit", "contacts", "-o", "json")
	require.Zero(t, code)
	require.True(t, json.Valid([]byte(out)))
}

// An audit that ends without a result says why, and one that nobody carries out
// is not waited for without end.
func TestAnAuditThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Begin "+auditFlow, true)
	w.on("Query "+auditFlow+" Progress", workflows.AuditProgress{Phase: "begin"})
	w.on("Describe "+auditFlow, operator.Description{Ended: "Failed"})
	w.on("Result "+auditFlow, failed("nothing of contacts was written to Campaign yet"))
	code, _, stderr := w.run(t, "audit", "contacts")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "nothing of contacts was written to Campaign yet")

	w.on("Query "+auditFlow+" Progress", operator.ErrNoWorker)
	w.on("Describe "+auditFlow, operator.Description{Running: true})
	began := w.clock
	code, _, stderr = w.run(t, "audit", "contacts")
	require.Equal(t, 3, code)
	require.Contains(t, stderr, "no answer for 5 s; waiting for up to 2 min for the worker and Temporal to come back\ncauseway: no worker answered for the audit of contacts within 2m0s")
	require.Less(t, w.clock.Sub(began), 10*time.Minute)

	code, _, stderr = w.run(t, "audit", "kontakte")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "kontakte")
}

// Strays are listed, and deleted only when somebody says so.
func TestAuditStrays(t *testing.T) {
	t.Parallel()
	w := newWorld()
	result := auditResult(nil)
	w.on("Begin "+auditFlow, true)
	w.on("Query "+auditFlow+" Progress", workflows.AuditProgress{Result: &result})
	gone := []string{"6f0c1d2e-0000-4000-8000-000000000001", "6f0c1d2e-0000-4000-8000-000000000002"}
	w.on("Run ListStrays", activities.StraysResult{Audit: result.Run, Gone: gone, Left: 3, More: true})
	w.on("Update "+contactsFlow+" DeleteStrays", contacts(nil))

	code, _, stderr := w.run(t, "audit", "contacts", "--strays")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "--strays goes with --repair")
	code, _, stderr = w.run(t, "audit", "contacts", "--repair", "--strays")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "this deletes records in Campaign; say --yes")
	require.Empty(t, w.Asked, "nothing is asked for before that")

	w.terminal, w.stdin = true, "n\n"
	_, out, stderr := w.run(t, "audit", "contacts", "--repair", "--strays")
	require.Contains(t, stderr, "2 records in Campaign that are not known here, and are gone from Dynamics or left out by the filter:\n  "+gone[0]+"\n  "+gone[1]+"\nDelete them in Campaign? [y/N]")
	require.Contains(t, out, "2 strays kept.")
	require.Empty(t, w.Requests["Update "+contactsFlow+" DeleteStrays"])

	w.stdin = "y\n"
	_, out, _ = w.run(t, "audit", "contacts", "--repair", "--strays")
	require.Contains(t, out, "3 strays left alone: they belong there by what Dynamics says, or their key is none of ours.\nThe flow deletes 2 strays, as far as deletes.stop_ratio lets it; watch it with: causeway status contacts\nThere are more;")
	require.Equal(t, []any{workflows.DeleteStraysRequest{IDs: gone, By: "ada"}}, w.Requests["Update "+contactsFlow+" DeleteStrays"])
	_, out, _ = w.run(t, "audit", "contacts", "--repair", "--strays", "--yes", "-o", "json")
	require.Contains(t, out, `"deleting": true`)
}
