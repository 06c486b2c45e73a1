package optout_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities/optout"
	rules "causeway.dev/internal/optout"
	"causeway.dev/sandbox/kit"
)

// A choice that a system refuses keeps the time up to which choices are carried over from
// moving on, until it is taken.
func TestChoicesAreCarriedUpToTheOldestThatIsRefused(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 5, rules.Bidirectional, rules.SourceREST)
	carried := func() time.Time {
		at, err := optout.CarriedUpTo(t.Context(), s.Ledger)
		require.NoError(t, err)
		require.NoError(t, s.opt.RefreshGauges(t.Context()))
		return at
	}
	require.Zero(t, carried(), "nobody has looked yet")
	s.startOptOut()
	first := carried()
	require.NotZero(t, first)
	s.later()
	s.settle()
	require.False(t, carried().Before(first))

	_, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Method: http.MethodPatch, Action: kit.Respond, Status: 400, Body: `{"error_code":"XTK-170015","message":"refused"}`})
	require.NoError(t, err)
	s.inDynamics(s.keys[0], "donotbulkemail", true)
	s.settle()
	refused := carried()
	s.later()
	s.settle()
	require.Equal(t, refused, carried(), "the refused one is the oldest")
}
