package ingress_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/dataverse"
	"causeway.dev/sandbox/kit"
)

// narrowed is Dynamics for an application user whose role was narrowed: rows whose id
// begins with a digit are left out of its lists without a word.
type narrowed struct{ *dataverse.Client }

func hidden(id string) bool { return id[0] <= '9' }

func (n narrowed) Query(ctx context.Context, q dataverse.Query) (*dataverse.Page, error) {
	return without(n.Client.Query(ctx, q))
}

func (n narrowed) Follow(ctx context.Context, q dataverse.Query, link string) (*dataverse.Page, error) {
	return without(n.Client.Follow(ctx, q, link))
}

func (n narrowed) ByIDs(ctx context.Context, q dataverse.Query, ids []string) (*dataverse.Page, error) {
	return without(n.Client.ByIDs(ctx, q, ids))
}

func without(page *dataverse.Page, err error) (*dataverse.Page, error) {
	if err == nil {
		page.Changes = slices.DeleteFunc(page.Changes, func(c dataverse.Change) bool { return hidden(c.Key) && !c.Deleted })
	}
	return page, err
}

// narrow hides rows from now on. Asked for by its id, one is answered with status.
func narrow(t *testing.T, s *activitytest.World, status int) {
	t.Helper()
	body := `{"error":{"code":"0x80040220","message":"Principal user is missing prvReadContact privilege."}}`
	if status == 404 {
		body = `{"error":{"code":"0x80040217","message":"contact With Id = 1 Does Not Exist"}}`
	}
	_, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "dataverse", Method: "GET", Path: `/contacts\([0-9]`, Action: kit.Respond, Status: status,
		Headers: map[string]string{"Content-Type": "application/json; odata.metadata=minimal", "OData-Version": "4.0"}, Body: body})
	require.NoError(t, err)
	s.IngressOptions.Source = narrowed{s.IngressOptions.Source.(*dataverse.Client)}
	s.Ingress = ingress.New(s.IngressOptions)
	s.Env = activitytest.NewEnv()
	s.Register()
}

// A role that was narrowed is told as a missing privilege, and nothing is taken for gone.
func TestHiddenRowsAreNotGone(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 60)
	s.Load()
	narrow(t, s, 403)

	t.Run("a backfill", func(t *testing.T) {
		ref := s.Ref(activities.KindBackfill)
		activitytest.Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref})
		_, err := s.Env.ExecuteActivity(s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseScan, Lanes: 4})
		require.ErrorContains(t, err, "Dynamics hides records from the application user: of 60 that were looked at, ")
		require.ErrorContains(t, err, "They are not gone, and nothing was deleted.")
	})
	t.Run("an audit, or a plan", func(t *testing.T) {
		_, err := s.Env.ExecuteActivity(s.Ingress.Plan, activities.PlanInput{Table: s.Table, Baseline: true, AllNew: true})
		require.ErrorContains(t, err, "Dynamics hides records from the application user")
	})
	t.Run("a new baseline", func(t *testing.T) {
		ref := s.Ref(activities.KindInitial)
		activitytest.Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref})
		_, err := s.Env.ExecuteActivity(s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseSweep, Lanes: 4})
		require.ErrorContains(t, err, "lacks a privilege")
	})
	require.EqualValues(t, 60, s.Sandboxes.Campaign.Count("profile"))
}

// Where Dynamics says of hidden rows that they are not there, its count of the table
// tells that it showed too few.
func TestRowsThatReadAsGoneAreToldByTheCount(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 60)
	s.Load()
	narrow(t, s, 404)
	plan := activitytest.Call[activities.PlanResult](s, s.Ingress.Plan, activities.PlanInput{Table: s.Table, Baseline: true, AllNew: true})
	require.NotZero(t, plan.Counts.Deleted)
	require.Equal(t, &activities.ShortLoad{Expected: 60, Listed: 60 - plan.Counts.Deleted}, plan.Short)
}

// ours gives all but some contacts to the application user, and narrows its role to
// what it owns, as an administrator of Dynamics would.
func ours(t *testing.T, s *activitytest.World, without int) {
	t.Helper()
	const user = "0a11ce00-0000-4000-8000-000000000001"
	for _, key := range s.Sandboxes.Dynamics.Keys("contacts")[without:] {
		require.NoError(t, s.Sandboxes.Dynamics.Update("contacts", key, map[string]any{"ownerid@odata.bind": "/systemusers(" + user + ")"}))
	}
	s.Load()
	s.Sandboxes.Dynamics.SetPrivilege("prvReadContact", "Basic")
}

// The same with a role that Dynamics itself applies: lists leave rows out, one row is
// refused, and changes are refused as a whole. Nothing is deleted.
func TestARoleThatDynamicsNarrows(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 60)
	ours(t, s, 20)
	t.Run("a backfill", func(t *testing.T) {
		ref := s.Ref(activities.KindBackfill)
		activitytest.Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref})
		_, err := s.Env.ExecuteActivity(s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseScan, Lanes: 4})
		require.ErrorContains(t, err, "Dynamics hides records from the application user: of 60 that were looked at, ")
	})
	t.Run("changes", func(t *testing.T) {
		ref := s.Ref(activities.KindDelta)
		activitytest.Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref})
		_, err := s.Env.ExecuteActivity(s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 4})
		require.ErrorContains(t, err, "lacks a privilege")
	})
	require.EqualValues(t, 60, s.Sandboxes.Campaign.Count("profile"))
}

// A role that hides rows as if they were not there is told by the count.
func TestARoleThatDynamicsNarrowsSilently(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 60)
	ours(t, s, 20)
	s.Sandboxes.Dynamics.SetHiddenStatus(404)
	plan := activitytest.Call[activities.PlanResult](s, s.Ingress.Plan, activities.PlanInput{Table: s.Table, Baseline: true, AllNew: true})
	require.EqualValues(t, 20, plan.Counts.Deleted)
	require.Equal(t, &activities.ShortLoad{Expected: 60, Listed: 40}, plan.Short)
	require.EqualValues(t, 60, s.Sandboxes.Campaign.Count("profile"))
}

// What was deleted in Dynamics and is not in its count either is simply gone.
func TestRowsThatAreGoneAreNotHidden(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 60)
	s.Load()
	for _, key := range s.Sandboxes.Dynamics.Keys("contacts")[:20] {
		require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	}
	plan := activitytest.Call[activities.PlanResult](s, s.Ingress.Plan, activities.PlanInput{Table: s.Table, Baseline: true, AllNew: true})
	require.EqualValues(t, 20, plan.Counts.Deleted)
	require.Nil(t, plan.Short)
	require.EqualValues(t, 40, s.Scan(activities.Window{}).Unchanged)
}

// A backfill by ids names those that Dynamics does not have, and deletes nothing.
func TestABackfillByIDsNamesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	never := "00000000-0000-4000-8000-00000000dead"
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[1]))
	s.Window = activities.Window{IDs: []string{keys[0], keys[1], never}}
	out := s.Pass(activities.KindBackfill, activities.PhaseIDs)
	require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, out.Counts)
	require.Equal(t, []string{keys[1], never}, out.NotFound)
	require.NotNil(t, s.Sandboxes.Campaign.Profile(keys[1]))
	shown := activitytest.Call[activities.ShowRunResult](s, s.Operator.ShowRun, activities.ShowRunInput{Run: s.LastRun()})
	require.Equal(t, out.NotFound, shown.NotFound)
}

// One that is hidden is no answer to whether it is there.
func TestABackfillByIDsDoesNotTakeHiddenForNotThere(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 60)
	s.Load()
	narrow(t, s, 403)
	s.Window = activities.Window{IDs: s.Sandboxes.Dynamics.Keys("contacts")}
	ref := s.Ref(activities.KindBackfill)
	activitytest.Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref, Window: s.Window})
	_, err := s.Env.ExecuteActivity(s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseIDs, Lanes: 4, Window: s.Window})
	require.ErrorContains(t, err, "lacks a privilege")
}
