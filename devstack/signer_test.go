package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/entra/entratest"
)

// signer reads what causeway login prints, and signs somebody in at the address.
type signer struct {
	t      *testing.T
	ca, as string
	text   string
	begun  bool
}

func (s *signer) Write(p []byte) (int, error) {
	s.text += string(p)
	at := strings.Index(s.text, "https://")
	if at < 0 || s.begun {
		return len(p), nil
	}
	address, _, whole := strings.Cut(s.text[at:], "\n")
	if !whole {
		return len(p), nil
	}
	s.begun = true
	pem, err := os.ReadFile(s.ca)
	require.NoError(s.t, err)
	pool := x509.NewCertPool()
	require.True(s.t, pool.AppendCertsFromPEM(pem))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	go func() { _, _ = entratest.Browser{Client: client, As: s.as}.SignIn(s.t.Context(), address) }()
	return len(p), nil
}
