package temporalcodec

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"
)

const ui = "http://localhost:8233"

// request asks the endpoint as a page of origin does.
func request(t *testing.T, e Endpoint, method, path, host, origin string, payloads ...*commonpb.Payload) *httptest.ResponseRecorder {
	t.Helper()
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: payloads})
	require.NoError(t, err)
	r := httptest.NewRequest(method, path, strings.NewReader(string(body)))
	r.Host = host
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	w := httptest.NewRecorder()
	e.Handler().ServeHTTP(w, r)
	return w
}

func TestOnlyTheUIAsksAndOnlyToOpen(t *testing.T) {
	t.Parallel()
	k := keysOf(t, keyText(1))
	sealed, err := k.Converter().ToPayload("ada@example.test")
	require.NoError(t, err)
	other, err := keysOf(t, keyText(2)).Converter().ToPayload("ada@example.test")
	require.NoError(t, err)
	e := Endpoint{Keys: k, UI: ui + "/some/path"}
	for name, c := range map[string]struct {
		method, path, host, origin string
		payload                    *commonpb.Payload
		want                       int
		text                       string
	}{
		"the page of the UI":        {"POST", "/decode", "127.0.0.1:8234", ui, sealed, 200, `"data":`},
		"the temporal command":      {"POST", "/decode", "localhost:8234", "", sealed, 200, `"data":`},
		"a preflight":               {"OPTIONS", "/decode", "127.0.0.1:8234", ui, nil, 204, ""},
		"another page":              {"POST", "/decode", "127.0.0.1:8234", "https://evil.example", sealed, 403, "temporal.ui_url"},
		"a preflight of it":         {"OPTIONS", "/decode", "127.0.0.1:8234", "https://evil.example", nil, 403, "temporal.ui_url"},
		"a page without an origin":  {"POST", "/decode", "127.0.0.1:8234", "null", sealed, 403, "temporal.ui_url"},
		"a name made to point here": {"POST", "/decode", "evil.example:8234", "", sealed, 403, "127.0.0.1"},
		"sealing":                   {"POST", "/encode", "127.0.0.1:8234", ui, sealed, 403, "seals nothing"},
		"another key":               {"POST", "/decode", "127.0.0.1:8234", ui, other, 400, "temporal.encryption_key"},
	} {
		var payloads []*commonpb.Payload
		if c.payload != nil {
			payloads = append(payloads, c.payload)
		}
		got := request(t, e, c.method, c.path, c.host, c.origin, payloads...)
		require.Equal(t, c.want, got.Code, "%s: %s", name, got.Body)
		require.Contains(t, got.Body.String(), c.text, name)
		if allowed := got.Header().Get("Access-Control-Allow-Origin"); c.want == 403 && c.origin != ui {
			require.Empty(t, allowed, name)
		} else {
			require.Equal(t, c.origin, allowed, name)
		}
	}
	require.Equal(t, 403, request(t, Endpoint{Keys: k}, "POST", "/decode", "localhost", ui, sealed).Code, "no UI is configured")
}

func TestItServesOnThisMachineAlone(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:8234", ":8234", "10.1.2.3:8234", "causeway.example:8234", "[::]:8234"} {
		err := Endpoint{Keys: &Keys{}, Listen: listen}.Serve(t.Context(), func(string) { t.Error("it listens") })
		require.ErrorContains(t, err, "this machine alone", listen)
	}
	ctx, stop := context.WithCancel(t.Context())
	k := keysOf(t, keyText(1))
	address, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- Endpoint{Keys: k, Listen: "127.0.0.1:0"}.Serve(ctx, func(a string) { address <- a }) }()
	sealed, err := k.Converter().ToPayload("ada")
	require.NoError(t, err)
	remote := converter.NewRemotePayloadCodec(converter.RemotePayloadCodecOptions{Endpoint: "http://" + <-address})
	opened, err := remote.Decode([]*commonpb.Payload{sealed})
	require.NoError(t, err)
	var got string
	require.NoError(t, json.Unmarshal(opened[0].GetData(), &got))
	require.Equal(t, "ada", got)
	_, err = remote.Encode(opened)
	require.ErrorContains(t, err, http.StatusText(http.StatusForbidden))
	stop()
	require.NoError(t, <-done)
}
