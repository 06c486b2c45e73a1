package ims_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/ims"
	"causeway.dev/sandbox/kit"
)

// Two secrets are live during a rotation; one that was replaced is refused.
func TestSecretsDuringARotation(t *testing.T) {
	t.Parallel()
	faults := &kit.Faults{}
	s := ims.New(ims.Options{Clock: &kit.Clock{}, Faults: faults, ClientID: "app", Secrets: []string{"old", "next"}})
	ask := func(secret string) int {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {secret}, "scope": {"campaign_sdk"}}
		r := httptest.NewRequest(http.MethodPost, "/ims/token/v3", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, []int{200, 200, 400}, []int{ask("old"), ask("next"), ask("newest")})
	_, err := faults.Add(kit.Rule{Service: "ims", Action: kit.Named, Name: "secret_replaced", Body: "newest"})
	require.NoError(t, err)
	require.Equal(t, []int{400, 400, 200}, []int{ask("old"), ask("next"), ask("newest")})
}
