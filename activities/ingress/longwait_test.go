package ingress_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/apierr"
	"causeway.dev/sandbox/kit"
)

// A service that asks to wait for hours ends the wait for changes at once, and Temporal
// waits for it, so that the status tells until when.
func TestAServiceThatAsksToWaitForHoursIsTold(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	s.Load()
	_, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "dataverse", Action: kit.Respond, Status: 429, Headers: map[string]string{"Retry-After": "7200"}, Body: "{}", Times: 1})
	require.NoError(t, err)
	ref := activities.RunRef{Run: "contacts-x", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindDelta}
	_, err = s.Env.ExecuteActivity(s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 4,
		Wait: activities.Duration(15 * time.Minute), Poll: activities.Duration(time.Second)})
	fail, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, apierr.ReasonThrottled, fail.Type())
	require.False(t, fail.NonRetryable())
	require.InDelta(t, 2*time.Hour, fail.NextRetryDelay(), float64(time.Minute))
}
