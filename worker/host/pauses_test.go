package host

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
)

// The pause grows with failures that this process has seen, and with nothing else. What
// is said of the failure stays.
func TestPausesGrowWithFailuresOnly(t *testing.T) {
	t.Parallel()
	p, now := &pauses{}, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	pauseAfter := func(id string, err error) time.Duration {
		t.Helper()
		var app *temporal.ApplicationError
		require.ErrorAs(t, p.after(id, now, err), &app)
		return app.NextRetryDelay()
	}
	bug := errors.New("out of reach")
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		require.Equal(t, want*time.Second, pauseAfter("one", bug))
	}
	require.Equal(t, time.Second, pauseAfter("other", bug))
	p.forget("one")
	require.Equal(t, time.Second, pauseAfter("one", bug), "it has succeeded meanwhile")
	require.Equal(t, 2*time.Second, pauseAfter("other", bug))
	now = now.Add(2 * forgetPause)
	require.Equal(t, time.Second, pauseAfter("other", bug), "long ago")
	require.Len(t, p.failed, 1)

	for name, err := range map[string]error{
		"final":         temporal.NewNonRetryableApplicationError("refused", "Credentials", nil),
		"its own pause": temporal.NewApplicationErrorWithOptions("busy", "Throttled", temporal.ApplicationErrorOptions{NextRetryDelay: 7 * time.Second}),
	} {
		require.Same(t, err, p.after("x", now, err), name)
	}
	var app *temporal.ApplicationError
	require.ErrorAs(t, p.after("y", now, temporal.NewApplicationErrorWithOptions("busy", "Timeout", temporal.ApplicationErrorOptions{
		Category: temporal.ApplicationErrorCategoryBenign, Cause: bug,
	})), &app)
	require.Equal(t, []any{"busy", "Timeout", temporal.ApplicationErrorCategoryBenign}, []any{app.Message(), app.Type(), app.Category()})
	require.ErrorIs(t, app, bug)
	require.ErrorAs(t, p.after("z", now, fmt.Errorf("reading: %w", bug)), &app)
	require.Equal(t, []any{"reading: out of reach", "wrapError"}, []any{app.Message(), app.Type()}, "as the SDK would name it")
}
