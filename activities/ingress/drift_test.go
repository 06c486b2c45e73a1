package ingress_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/kit"
)

// R11.14: what changed in the data models without breaking the mapping is said at
// the next start; every worker applies the plan of that start, not one it kept.
func TestChangedOptionsAreAWarning(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	s.Table.Fields = append(s.Table.Fields, mapping.Field{From: "familystatuscode", To: "fax"})
	s.Load()
	first := activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	require.Empty(t, first.Warnings)
	require.NotEmpty(t, first.Plan)

	// As if "Married" had been called "Wed" when the flow was started last.
	doc, err := s.Ledger.Revision(t.Context(), s.Table.Revision())
	require.NoError(t, err)
	require.NoError(t, s.Ledger.SaveRevision(t.Context(), s.Table.Revision(), []byte(strings.Replace(string(doc), `"Married"`, `"Wed"`, 1))))
	again := activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	require.Equal(t, []string{`familystatuscode -> fax: option 2 was "Wed" and is "Married" now; records get the new label when they change or are replayed`}, again.Warnings)
	require.Equal(t, first.Plan, again.Plan, "the same models give the same plan")
}

// R11.14, R8.18: a field that is gone when records are on their way stops the run
// with the field's name. Nothing is set aside or lost: the next start goes on.
func TestAFieldThatIsGoneStopsTheRunAndLosesNothing(t *testing.T) {
	t.Parallel()
	gone := map[string]struct {
		rule kit.Rule
		says string
	}{
		"unknown to Campaign": {kit.Rule{Service: "campaign", Method: "PATCH", Path: "/profile/", Action: kit.Respond, Status: 500,
			Body: `{"error_code":"RST-360011","message":"RST-360011 An error has occurred - please contact your administrator. 'city' property is not valid for the 'profile' resource."}`},
			"profile no longer fits the mapping: Campaign's resource has no such field: field city; check the field in Campaign or correct ingress.tables.contacts, then start the table again"},
		"read-only in Campaign": {kit.Rule{Service: "campaign", Method: "PATCH", Path: "/profile/", Action: kit.Respond, Status: 500,
			Body: `{"error_code":"RST-360011","message":"RST-360011 An error has occurred - please contact your administrator. Cannot update the 'city' property that is read-only"}`},
			"a read-only field of Campaign cannot be written: field city"},
		"unknown to Dynamics": {kit.Rule{Service: "dataverse", Path: "/contacts", Action: kit.Respond, Status: 400,
			Body: `{"error":{"code":"0x80060888","message":"Could not find a property named 'address1_city' on type 'Microsoft.Dynamics.CRM.contact'."}}`},
			"address1_city"},
	}
	for name, c := range gone {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := activitytest.NewWorld(t, 40)
			s.Load()
			keys := s.Sandboxes.Dynamics.Keys("contacts")
			for i, key := range keys[:30] {
				s.Edit(key, map[string]any{"address1_city": fmt.Sprintf("Nebelheim %d", i)})
			}
			rule, err := s.Sandboxes.Faults.Add(c.rule)
			require.NoError(t, err)
			ref := activities.RunRef{Run: "contacts-x", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindDelta}
			err = s.RunToFailure(ref)
			fail, ok := errors.AsType[*temporal.ApplicationError](err)
			require.True(t, ok, "%v", err)
			require.True(t, fail.NonRetryable(), "a retry would say the same")
			require.Equal(t, apierr.ReasonSchema, fail.Type())
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "Nebelheim")
			s.FailRun(ref)
			require.Empty(t, activitytest.Call[activities.QuarantineListResult](s, s.Operator.ListQuarantine, activities.QuarantineListInput{}).Records)

			s.Sandboxes.Faults.Clear(rule)
			require.False(t, s.Preflight().NeedsBaseline, "the watermark is where it was")
			require.Equal(t, activities.Counts{Read: 30, Updated: 30}, s.Delta())
			require.Empty(t, s.Differences())
		})
	}
}

// A resource that is not published any more refuses deletes too.
func TestAResourceThatIsGoneStopsDeletes(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 20)
	s.Load()
	for _, key := range s.Sandboxes.Dynamics.Keys("contacts")[:5] {
		require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	}
	rule, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Method: "DELETE", Action: kit.Respond, Status: 404,
		Body: `{"error_code":"RST-360011","message":"RST-360011 An error has occurred - please contact your administrator. Error rc=-2003"}`})
	require.NoError(t, err)
	ref := activities.RunRef{Run: "contacts-x", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindDelta}
	require.ErrorContains(t, s.RunToFailure(ref), "profile no longer fits the mapping: Campaign does not know the resource")
	s.FailRun(ref)
	s.Sandboxes.Faults.Clear(rule)
	require.Equal(t, activities.Counts{Read: 5, Deleted: 5}, s.Delta())
}
