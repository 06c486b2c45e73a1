package activities_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/mapping"
)

// R11.14: what changed in the data models without breaking the mapping is said at
// the next start; every worker applies the plan of that start, not one it kept.
func TestChangedOptionsAreAWarning(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 5)
	s.table.Fields = append(s.table.Fields, mapping.Field{From: "familystatuscode", To: "fax"})
	s.load()
	first := call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	require.Empty(t, first.Warnings)
	require.NotEmpty(t, first.Plan)

	// As if "Married" had been called "Wed" when the flow was started last.
	doc, err := s.books.Revision(t.Context(), s.table.Revision())
	require.NoError(t, err)
	require.NoError(t, s.books.SaveRevision(t.Context(), s.table.Revision(), []byte(strings.Replace(string(doc), `"Married"`, `"Wed"`, 1))))
	again := call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	require.Equal(t, []string{`familystatuscode -> fax: option 2 was "Wed" and is "Married" now; records get the new label when they change or are replayed`}, again.Warnings)
	require.Equal(t, first.Plan, again.Plan, "the same models give the same plan")
}
