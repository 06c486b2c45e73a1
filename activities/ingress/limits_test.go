package ingress_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/ledger"
	"causeway.dev/sandbox/kit"
)

// R15.7: the limit is one of all tables together, those that load at the time included.
func TestTheRecordsOfAllTablesAreLimitedTogether(t *testing.T) {
	t.Parallel()
	s := limited(t, 40)
	begin := func(id, table string, state ledger.RunState, expected int64, age time.Duration) {
		_, err := s.Ledger.BeginRun(t.Context(), ledger.Run{ID: id, Flow: activities.FlowIngress, Table: table, Kind: ledger.RunInitial, State: state, Expected: expected, Started: time.Now().Add(-age)})
		require.NoError(t, err)
	}
	begin("vehicles-1", "vehicles", ledger.RunCompleted, 1000, 2*time.Hour)
	begin("vehicles-2", "vehicles", ledger.RunCompleted, 10, time.Hour) // the newest says how many there are
	begin("warranties-1", "warranties", ledger.RunFailed, 1000, time.Hour)
	begin("warranties-2", "warranties", ledger.RunRunning, 1, time.Minute)
	_, err := s.Env.ExecuteActivity(s.Ingress.OpenRun, activities.OpenRunInput{RunRef: s.Ref(activities.KindInitial)})
	require.ErrorContains(t, err, "the table holds about 30 records, and 41 with those of the other tables, more than the 40 of ingress.max_records")
	require.Zero(t, s.Sandboxes.Campaign.Count("profile"))
}

// A count that fails is no licence to load.
func TestALoadThatCannotBeCountedDoesNotBegin(t *testing.T) {
	t.Parallel()
	s := limited(t, 40)
	_, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "dataverse", Path: "RetrieveTotalRecordCount", Action: kit.Respond, Status: 403,
		Headers: map[string]string{"Content-Type": "application/json; odata.metadata=minimal", "OData-Version": "4.0"}, Body: `{"error":{"code":"0x80040220","message":"missing a privilege"}}`})
	require.NoError(t, err)
	_, err = s.Env.ExecuteActivity(s.Ingress.OpenRun, activities.OpenRunInput{RunRef: s.Ref(activities.KindInitial)})
	require.ErrorContains(t, err, "counting the records of contacts, which ingress.max_records limits")
	activitytest.Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: s.Ref(activities.KindBackfill)})
}

// limited is a world of 30 contacts with a limit of records.
func limited(t *testing.T, records int64) *activitytest.World {
	t.Helper()
	s := activitytest.NewWorld(t, 30)
	s.IngressOptions.MaxRecords = records
	s.Ingress = ingress.New(s.IngressOptions)
	s.Register()
	activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	return s
}
