package ingress_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/mapping"
)

func straysOf(s *activitytest.World) activities.StraysResult {
	s.T.Helper()
	return activitytest.Call[activities.StraysResult](s, s.Ingress.ListStrays, activities.StraysInput{Table: s.Table})
}

func deleteStrays(s *activitytest.World, ids ...string) activities.DeleteStraysResult {
	s.T.Helper()
	s.Runs++
	ref := activities.RunRef{Run: s.LastRun(), Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindAudit}
	return activitytest.Call[activities.DeleteStraysResult](s, s.Ingress.DeleteStrays, activities.DeleteStraysInput{RunRef: ref, IDs: ids})
}

// stray is the key of a profile that was created since a backup.
func stray(n int) string { return fmt.Sprintf("0b1dc0de-0000-4000-8000-%012d", n) }

// Of the strays of an audit, only those are deleted that have a key of ours, that Dynamics
// says are gone, and that an operator has named. A rollback brings them back.
func TestStraysAreDeletedOnlyWhenTheyAreGoneAndAskedFor(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	s.Table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}}
	s.Load()
	require.Equal(t, activities.StraysResult{Gone: []string{}}, straysOf(s), "no audit yet")
	s.InsertProfile(map[string]any{"externalId": stray(1), "lastName": "Gone", "email": "gone@example.com"})
	s.InsertProfile(map[string]any{"externalId": stray(2), "lastName": "Not named"})
	s.InsertProfile(map[string]any{"externalId": "not-ours", "lastName": "Other"})
	there := s.InsertRow("contacts", map[string]any{"lastname": "New"})
	s.InsertProfile(map[string]any{"externalId": there, "lastName": "New"})

	left := s.InsertRow("contacts", map[string]any{"lastname": "Left", "jobtitle": "left"})
	s.InsertProfile(map[string]any{"externalId": left, "lastName": "Left"})

	require.Equal(t, int64(5), s.Audit("a1").Stray)
	listed := straysOf(s)
	require.Equal(t, "a1", listed.Audit)
	inOrder := []string{stray(1), stray(2), left}
	slices.Sort(inOrder) // the id of left is made up at random
	require.Equal(t, inOrder, listed.Gone)
	require.Equal(t, int64(2), listed.Left)
	require.Equal(t, int64(4), s.Preflight().Strays, "those with a key of ours")
	require.Zero(t, s.Delta().Deleted, "nothing is deleted unasked")
	before := s.Profiles()

	took := deleteStrays(s, stray(1), left, "not-ours", there)
	require.Equal(t, activities.DeleteStraysResult{Adopted: 2, Left: 2, Strays: 2}, took)
	require.Equal(t, activities.Counts{Read: 2, Deleted: 2}, s.Delta())
	deleted := s.LastRun()
	require.Nil(t, s.Sandboxes.Campaign.Profile(stray(1)))
	for _, key := range []string{stray(2), "not-ours", there} {
		require.NotNil(t, s.Sandboxes.Campaign.Profile(key), key)
	}
	require.Equal(t, []string{stray(2)}, straysOf(s).Gone)
	require.Equal(t, activities.DeleteStraysResult{Left: 1, Strays: 2}, deleteStrays(s, stray(1)), "again does nothing")

	s.Rollback(deleted)
	require.Equal(t, before, s.Profiles())
}

// Strays count for the delete guard: more than may go unasked wait for an approval.
func TestManyStraysWaitForTheDeleteGuard(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 300)
	s.Load()
	var ids []string
	for n := range 130 {
		ids = append(ids, stray(n))
		s.InsertProfile(map[string]any{"externalId": stray(n), "lastName": "Gone"})
	}
	s.Audit("a1")
	require.Equal(t, ids, straysOf(s).Gone)
	took := deleteStrays(s, ids...)
	run := s.LastRun()
	require.Equal(t, []activities.Approval{{Run: run, Deletes: 130}}, took.Waiting)
	require.Zero(t, s.Delta().Deleted)
	activitytest.Call[activities.ApproveResult](s, s.Ingress.ApproveDeletes, activities.ApproveInput{Table: "contacts", Run: run})
	require.Equal(t, int64(130), s.Delta().Deleted)
	require.Empty(t, s.Differences())
}

// Where deletes are not applied, no stray is deleted either.
func TestStraysStayWhereDeletesAreNotApplied(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	s.Table.ApplyDeletes = false
	s.Load()
	s.InsertProfile(map[string]any{"externalId": stray(1), "lastName": "Gone"})
	s.Audit("a1")
	_, err := s.Env.ExecuteActivity(s.Ingress.ListStrays, activities.StraysInput{Table: s.Table})
	require.ErrorContains(t, err, "ingress.tables.contacts.apply_deletes is false")
	require.Equal(t, int64(1), deleteStrays(s, stray(1)).Left)
	s.Delta()
	require.True(t, slices.Contains(s.Differences(), stray(1)+" is too many"))
}
