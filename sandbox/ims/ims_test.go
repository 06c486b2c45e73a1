package ims_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

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

// Rows IMS-1 to IMS-3: a token is validated, whichever way it is shown, and says of
// itself what Adobe's library reads in it.
func TestValidation(t *testing.T) {
	t.Parallel()
	clock := &kit.Clock{}
	s := ims.New(ims.Options{Clock: clock, Faults: &kit.Faults{}, ClientID: "app", Secrets: []string{"old"}})
	send := func(method, path, body string, headers ...string) (int, gjson.Result) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code, gjson.ParseBytes(w.Body.Bytes())
	}
	const form, path = "application/x-www-form-urlencoded", "/ims/validate_token/v1"
	multipart := "--b\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--b\r\nContent-Disposition: form-data; name=\"client_id\"\r\n\r\napp\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"client_secret\"\r\n\r\nold\r\n--b\r\nContent-Disposition: form-data; name=\"scope\"\r\n\r\ncampaign_sdk\r\n--b--\r\n"
	status, issued := send("POST", "/ims/token/v2", multipart, "Content-Type", "multipart/form-data; boundary=b")
	require.Equal(t, 200, status, issued)
	token := issued.Get("access_token").Str
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	require.NoError(t, err)
	require.Equal(t, "app", gjson.GetBytes(claims, "client_id").Str)
	require.Equal(t, "86399000", gjson.GetBytes(claims, "expires_in").Str, "milliseconds, as a text")

	for name, c := range map[string]struct {
		method, query, body, bearer string
		status                      int
		valid                       bool
		says                        string
	}{
		"in the query":     {"GET", "?type=access_token&client_id=app&token=" + token, "", "", 200, true, ""},
		"as the bearer":    {"GET", "?type=access_token&client_id=app", "", token, 200, true, ""},
		"in the form":      {"POST", "", "type=access_token&client_id=app&token=" + token, "", 200, true, ""},
		"forged":           {"GET", "?type=access_token&client_id=app", "", token + "x", 200, false, "bad_signature"},
		"no token":         {"GET", "?type=access_token&client_id=app", "", "", 400, false, "invalid_request"},
		"no type":          {"GET", "?client_id=app", "", token, 400, false, "invalid_request"},
		"another client":   {"GET", "?type=access_token&client_id=x", "", token, 400, false, "invalid_client"},
		"an unusable verb": {"PUT", "?type=access_token&client_id=app", "", token, 405, false, "invalid_request"},
	} {
		headers := []string{"Content-Type", form}
		if c.bearer != "" {
			headers = append(headers, "Authorization", "Bearer "+c.bearer)
		}
		status, got := send(c.method, path+c.query, c.body, headers...)
		require.Equal(t, c.status, status, name)
		require.Equal(t, c.valid, got.Get("valid").Bool(), name)
		require.Contains(t, got.Raw, c.says, name)
	}
	clock.Advance(25 * time.Hour)
	_, late := send("GET", path+"?type=access_token&client_id=app&token="+token, "")
	require.Equal(t, "expired", late.Get("reason").Str)
}
