package dataverse_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/sandbox/kit"
)

// now is a secret or certificate that may be replaced.
type now struct {
	mu    sync.Mutex
	value string
	err   error
}

func (n *now) set(value string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.value, n.err = value, err
}

func (n *now) read() (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.value, n.err
}

// A secret that is replaced is taken up at the next token; a refusal in between is
// not remembered, and a file that is missing for a moment does no harm.
func TestAReplacedSecretIsTakenUpAtTheNextToken(t *testing.T) {
	t.Parallel()
	in := newSignIn(t)
	kept := &now{value: secret}
	o := in.options()
	o.Reread = kept.read
	tokens := source(t, o)
	first, err := tokens.Token(t.Context())
	require.NoError(t, err)
	kept.set("new-s&cret~2", nil)
	same, err := tokens.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, same, "a token that lives is kept")

	tokens.Invalidate(first)
	_, err = tokens.Token(t.Context())
	require.Equal(t, "AADSTS7000215", failure(t, err).Code, "the directory does not know the new one yet")
	require.Equal(t, apierr.Retryable, failure(t, err).Class, "and may soon")
	kept.set("", errors.New("secret file: no such file"))
	_, err = in.faults.Add(kit.Rule{Service: "entra", Action: kit.Named, Name: "secret_replaced", Body: "new-s&cret~2"})
	require.NoError(t, err)
	second, err := tokens.Token(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.True(t, in.entra.Valid(second))
}

func TestAnExpiredSecretIsReplacedWhileItIsRefused(t *testing.T) {
	t.Parallel()
	in := newSignIn(t)
	kept := &now{value: secret}
	_, err := in.faults.Add(kit.Rule{Service: "entra", Action: kit.Named, Name: "secret_replaced", Body: "new-s&cret~2"})
	require.NoError(t, err)
	served := in.entra
	in.recorder = record(t, func(w http.ResponseWriter, r *http.Request) {
		r.Body = body(in.last().Body)
		served.ServeHTTP(w, r)
		if r.Method == http.MethodPost {
			kept.set("new-s&cret~2", nil) // while the answer to the old one is on its way
		}
	})
	o := in.options()
	o.Reread = kept.read
	token, err := source(t, o).Token(t.Context())
	require.NoError(t, err)
	require.True(t, in.entra.Valid(token))
	require.Len(t, in.posted(t), 2)
}

func TestAReplacedCertificateIsTakenUpAtTheNextToken(t *testing.T) {
	t.Parallel()
	before, _, _ := certificate(t)
	after, _, der := certificate(t)
	in := newSignIn(t)
	served := in.entra
	in.recorder = record(t, func(w http.ResponseWriter, r *http.Request) {
		r.Body = body(in.last().Body)
		if r.Method != http.MethodPost {
			served.ServeHTTP(w, r)
			return
		}
		forms := in.posted(t)
		var header struct{ X5c []string }
		decode(t, strings.Split(forms[len(forms)-1].Get("client_assertion"), ".")[0], &header)
		if header.X5c[0] != base64.StdEncoding.EncodeToString(der) {
			answer(401, `{"error":"invalid_client","error_description":"AADSTS700027: expired"}`)(w, r)
			return
		}
		answer(200, `{"access_token":"t1","expires_in":3599,"token_type":"Bearer"}`)(w, r)
	})
	kept := &now{value: string(before)}
	o := in.options()
	o.Secret, o.CertificatePEM, o.Reread = "", before, kept.read
	tokens := source(t, o)
	_, err := tokens.Token(t.Context())
	require.ErrorContains(t, err, "dynamics.client_certificate is registered with the app and has not expired")
	kept.set(string(after[:len(after)/2]), nil)
	_, err = tokens.Token(t.Context())
	require.ErrorContains(t, err, "the one that is configured now cannot be used: the client certificate cannot be read")
	kept.set(string(after), nil)
	token, err := tokens.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, "t1", token)
}

// A refusal says what to do, where its code tells.
func TestARefusalNamesWhatToCheck(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"AADSTS500011":  "dynamics.url names no environment of this tenant",
		"AADSTS90002":   "there is no such tenant",
		"AADSTS700016":  "no such app registration",
		"AADSTS7000215": "the secret is wrong",
		"AADSTS7000222": "the secret has expired",
		"AADSTS1":       "check dynamics.tenant, client_id and the secret or certificate and its expiry",
	} {
		in := newSignIn(t)
		_, err := in.faults.Add(kit.Rule{Service: "entra", Method: http.MethodPost, Action: kit.Respond, Status: 400, Body: `{"error":"x","error_description":"` + code + `: s&cret~1"}`})
		require.NoError(t, err)
		_, err = source(t, in.options()).Token(t.Context())
		require.ErrorContains(t, err, want, code)
	}
}
