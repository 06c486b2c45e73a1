package run_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
)

// A start tells a refused credential at once; it waits for what may pass.
func TestAStartTellsARefusedCredentialAtOnce(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		final  bool
	}{
		"a refused credential":            {apierr.ReasonCredentials, true},
		"a service that is down":          {apierr.ReasonServiceFault, false},
		"an address that nobody explains": {apierr.ReasonConfig, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fail := &apierr.Error{Class: apierr.Retryable, Reason: tc.reason, Service: "ims", Op: "get a token", Message: "no"}
			app, ok := errors.AsType[*temporal.ApplicationError](run.AtStart(run.ToTemporal(t.Context(), fail)))
			require.True(t, ok)
			require.Equal(t, tc.final, app.NonRetryable())
			require.Equal(t, tc.reason, app.Type())
			require.Equal(t, fail.Error(), app.Message())
		})
	}
	require.NoError(t, run.AtStart(nil))
}
