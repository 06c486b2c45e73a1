package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// patient is a start of which the flow tries again by itself after 10 minutes, then 20,
// then every half an hour.
func patient() workflows.StartRequest {
	req := start
	req.Tuning.RetryAfter, req.Tuning.RetryAtMost = activities.Duration(10*time.Minute), activities.Duration(30*time.Minute)
	return req
}

// A flow that failed because a service was in the wrong hands for a while goes on when
// that is over, with growing pauses, and says when it tries again.
func TestAFailedFlowGoesOnByItself(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"Config", "Permission", "Credentials", "Schema", "LinkRepeated", "ResponseTooLarge"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			o, _ := loaded(t, patient())
			broken := temporal.NewNonRetryableApplicationError("got status 302", reason, nil)
			o.at(asked, func() {
				o.f.failOnce["write 1/0"] = broken
				o.f.preflight = broken
				o.changed(3)
			})
			var first time.Time
			o.at(asked+8*time.Minute, func() {
				st := o.status()
				require.Equal(t, workflows.StateFailed, st.State)
				require.Equal(t, "got status 302", st.Reason)
				require.Equal(t, 1, st.Retries)
				first = st.RetryAt
				require.False(t, first.IsZero())
				require.Contains(t, o.details(), "Tries again by itself at")
			})
			o.at(asked+25*time.Minute, func() {
				st := o.status()
				require.Equal(t, workflows.StateFailed, st.State, "also while it tries")
				require.Equal(t, 2, st.Retries)
				require.GreaterOrEqual(t, st.RetryAt.Sub(first), 20*time.Minute, "pauses grow")
				o.f.mu.Lock()
				o.f.preflight = nil
				o.f.mu.Unlock()
				o.changed(3)
			})
			o.at(asked+3*time.Hour, func() {
				st := o.status()
				require.Equal(t, workflows.StateRunning, st.State)
				require.True(t, st.RetryAt.IsZero())
				require.Zero(t, st.Retries)
				require.Equal(t, "COMPLETED", st.LastRun.State)
			})
			o.run(asked + 4*time.Hour)
		})
	}
}

// What our own rules have found waits for an operator, and so does a flow of which the
// pause is 0.
func TestAFailureOfOurOwnRulesWaitsForAnOperator(t *testing.T) {
	t.Parallel()
	never := start
	never.Tuning.RetryAfter = 0
	for name, tc := range map[string]struct {
		start  workflows.StartRequest
		reason string
	}{
		"too many refusals": {patient(), "TooManyRefused"},
		"never by itself":   {never, "Config"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, _ := loaded(t, tc.start)
			o.at(asked, func() {
				o.f.failOnce["write 1/0"] = temporal.NewNonRetryableApplicationError("no", tc.reason, nil)
				o.changed(3)
			})
			o.at(asked+3*time.Hour, func() {
				require.Equal(t, workflows.StateFailed, o.status().State)
				require.True(t, o.status().RetryAt.IsZero())
				o.asks(workflows.UpdateStop, o.mustRefuse("there is nothing to stop"), workflows.StopRequest{})
			})
			o.run(asked + 4*time.Hour)
		})
	}
}

// An operator's word counts while a flow is to try again: a stop, a start, a rollback.
func TestOperatorsCutInBeforeTheNextTry(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ask   func(o *operator)
		state workflows.State
	}{
		"stop":     {func(o *operator) { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) }, workflows.StateStopped},
		"start":    {func(o *operator) { o.asks(workflows.UpdateStart, o.mustAccept, patient()) }, workflows.StateRunning},
		"rollback": {func(o *operator) { o.rollsBack(o.status().LastRun.Run, o.mustAccept) }, workflows.StateFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, _ := loaded(t, patient())
			o.at(asked, func() {
				o.f.failOnce["write 1/0"] = temporal.NewNonRetryableApplicationError("got status 302", "Config", nil)
				o.changed(3)
			})
			o.at(asked+8*time.Minute, func() {
				require.False(t, o.status().RetryAt.IsZero())
				tc.ask(o)
			})
			o.at(asked+3*time.Hour, func() {
				require.Equal(t, tc.state, o.status().State)
				require.True(t, o.status().RetryAt.IsZero())
			})
			o.run(asked + 4*time.Hour)
		})
	}
}

// A backfill that failed for such a reason is read again when the flow goes on.
func TestABackfillThatFailedIsReadAgain(t *testing.T) {
	t.Parallel()
	o, _ := loaded(t, patient())
	o.at(asked, func() {
		o.f.failOnce["fetch scan"] = temporal.NewNonRetryableApplicationError("got status 302", "Config", nil)
		o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{})
	})
	o.at(asked+5*time.Minute, func() {
		require.Equal(t, workflows.StateFailed, o.status().State)
		require.Len(t, o.status().Queue, 1)
	})
	o.at(asked+3*time.Hour, func() {
		require.Equal(t, workflows.StateRunning, o.status().State)
		require.Empty(t, o.status().Queue)
	})
	o.run(asked + 4*time.Hour)
	require.Equal(t, 3, o.scans(), "all of its pages")
}

// A start with a wrong secret says so, and goes on when the file holds the right one.
func TestAStartWithAWrongSecretGoesOnWhenItIsReplaced(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.f.preflight = temporal.NewNonRetryableApplicationError("the secret is wrong", "Credentials", nil)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, patient()) })
	o.at(time.Minute, func() {
		require.Equal(t, workflows.StateFailed, o.status().State)
		require.Equal(t, "the secret is wrong", o.status().Reason)
		require.False(t, o.status().RetryAt.IsZero())
		o.f.mu.Lock()
		o.f.preflight = nil
		o.f.mu.Unlock()
	})
	o.at(2*time.Hour, func() {
		require.Equal(t, workflows.StateRunning, o.status().State)
		require.Equal(t, int64(40), o.status().Totals.Read)
		require.Equal(t, "ada", o.status().StartedBy)
	})
	o.run(3 * time.Hour)
}
