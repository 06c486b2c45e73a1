package transport_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

// A credential is taken up as it is now; while it cannot be read, or is half written,
// the last one that worked stays.
func TestARotatingCredential(t *testing.T) {
	t.Parallel()
	now, readErr := "old", error(nil)
	build := func(raw string) (string, error) {
		if raw == "half" {
			return "", errors.New("half a file")
		}
		return strings.ToUpper(raw), nil
	}
	r, err := transport.NewRotating("old", func() (string, error) { return now, readErr }, build)
	require.NoError(t, err)
	for _, step := range []struct {
		now, value string
		err        error
		version    int
		fails      bool
	}{
		{"old", "OLD", nil, 0, false},
		{"", "OLD", errors.New("no such file"), 0, true},
		{"half", "OLD", nil, 0, true},
		{"new", "NEW", nil, 1, false},
		{"new", "NEW", nil, 1, false},
		{"old", "OLD", nil, 2, false},
	} {
		now, readErr = step.now, step.err
		value, version, err := r.Get()
		require.Equal(t, step.value, value)
		require.Equal(t, step.version, version)
		require.Equal(t, step.fails, err != nil)
	}
	_, err = transport.NewRotating("half", nil, build)
	require.Error(t, err)
	fixed, err := transport.NewRotating("old", nil, build)
	require.NoError(t, err)
	value, version, err := fixed.Get()
	require.NoError(t, err)
	require.Equal(t, "OLD", value)
	require.Zero(t, version)
}

// A refusal may pass: for two minutes in any case, and longer when the service may not
// know a new credential yet.
func TestARefusalAfterARotationMayPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := "old"
		r, err := transport.NewRotating(now, func() (string, error) { return now, nil }, func(raw string) (string, error) { return raw, nil })
		require.NoError(t, err)
		refused := func(unusable error) *apierr.Error {
			e := &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonCredentials, Message: "refused"}
			_, _, err := r.Get()
			require.NoError(t, err)
			r.Refused(e, unusable)
			return e
		}
		require.Equal(t, apierr.Retryable, refused(nil).Class, "once proves nothing")
		time.Sleep(time.Minute)
		r.Accepted()
		require.Equal(t, apierr.Retryable, refused(nil).Class)
		time.Sleep(time.Minute)
		require.Equal(t, apierr.Retryable, refused(nil).Class, "it was accepted in between")
		time.Sleep(time.Minute)
		require.Equal(t, apierr.Blocked, refused(nil).Class)
		now = "new"
		require.Equal(t, apierr.Retryable, refused(nil).Class)
		require.Contains(t, refused(nil).Message, "may not know it yet")
		e := refused(errors.New("no such file"))
		require.Equal(t, apierr.Retryable, e.Class)
		require.Contains(t, e.Message, "cannot be used: no such file")
		time.Sleep(3 * time.Minute)
		require.Equal(t, apierr.Retryable, refused(nil).Class, "longer for a new one")
		require.Equal(t, apierr.Blocked, refused(errors.New("no such file")).Class)
		time.Sleep(2 * time.Minute)
		require.Equal(t, apierr.Blocked, refused(nil).Class)
	})
}

// A token that still lives is used while the next one does not come for a passing
// reason, and the next is not asked for at once again.
func TestAHeldToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passing := &apierr.Error{Class: apierr.Retryable}
		waits := &apierr.Error{Class: apierr.Throttled, RetryAfter: 2 * time.Minute}
		h := &transport.HeldToken{}
		require.Empty(t, h.Fresh())
		require.Empty(t, h.Spare(passing))
		h.Hold("a", time.Hour, 10*time.Minute)
		time.Sleep(50*time.Minute - time.Second)
		require.Equal(t, "a", h.Fresh())
		time.Sleep(time.Second)
		require.Empty(t, h.Fresh())
		require.Empty(t, h.Spare(&apierr.Error{Class: apierr.Blocked}), "a refusal is told")
		require.Equal(t, "a", h.Spare(waits))
		time.Sleep(2*time.Minute - time.Second)
		require.Equal(t, "a", h.Fresh())
		time.Sleep(time.Second)
		require.Empty(t, h.Fresh(), "the service may be asked again")
		require.Equal(t, "a", h.Spare(passing))
		require.Equal(t, "a", h.Fresh())
		require.False(t, h.Drop("b"))
		time.Sleep(7*time.Minute + 31*time.Second)
		require.Empty(t, h.Spare(passing), "too little is left")
		h.Hold("b", time.Hour, time.Minute)
		require.True(t, h.Drop("b"))
		require.False(t, h.Drop(""))
		require.Empty(t, h.Spare(passing))
	})
}
