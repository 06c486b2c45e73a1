package host

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/config"
)

func certificateUntil(t *testing.T, ends time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	private := &pem.Block{Type: "PRIVATE KEY", Bytes: []byte("not looked at")}
	return append(pem.EncodeToMemory(private), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
}

// A certificate near its end is warned of at the start and daily, and the gauge shows
// the end of the one in the file.
func TestACertificateNearItsEndIsTold(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "client.pem")
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	put := func(ends time.Time) { require.NoError(t, os.WriteFile(file, certificateUntil(t, ends), 0o600)) }
	scope, log := tally.NewTestScope("", nil), &bytes.Buffer{}
	cfg := &config.Config{Dynamics: config.Dynamics{ClientCertificate: config.Secret("file:" + file)}}
	w := newExpiryWatch(cfg, scope, slog.New(slog.NewTextHandler(log, nil)))
	w.now = func() time.Time { return at }
	look := func(warnings int, words string) {
		t.Helper()
		log.Reset()
		w.refresh()
		require.Equal(t, warnings, strings.Count(log.String(), "level=WARN"), log.String())
		require.Contains(t, log.String(), words)
	}
	gauge := func() float64 {
		for _, g := range scope.Snapshot().Gauges() {
			require.Equal(t, "credential_expiry_timestamp_seconds", g.Name())
			require.Equal(t, map[string]string{"setting": "dynamics.client_certificate"}, g.Tags())
			return g.Value()
		}
		return 0
	}

	ends := at.Add(31 * 24 * time.Hour)
	put(ends)
	look(0, "")
	require.EqualValues(t, ends.Unix(), gauge())
	at = at.Add(24 * time.Hour)
	look(1, "days=30")
	at = at.Add(24*time.Hour - time.Second)
	look(0, "")
	at = at.Add(time.Second)
	look(1, "days=29")
	at = ends.Add(time.Second)
	look(1, "has expired")
	require.NoError(t, os.Remove(file))
	look(0, "")
	at = at.Add(24 * time.Hour)
	look(1, "setting=dynamics.client_certificate")
	require.EqualValues(t, ends.Unix(), gauge(), "of the one in use")
	put(at.Add(400 * 24 * time.Hour))
	look(0, "")
	require.EqualValues(t, at.Add(400*24*time.Hour).Unix(), gauge())
}

func TestSecretsHaveNoKnownEnd(t *testing.T) {
	t.Parallel()
	scope := tally.NewTestScope("", nil)
	newExpiryWatch(&config.Config{Dynamics: config.Dynamics{ClientSecret: "env:SECRET"}}, scope, slog.New(slog.DiscardHandler)).refresh()
	require.Empty(t, scope.Snapshot().Gauges())
}

// The status is told the end of the certificate that is in the file now.
func TestTheEndOfACertificateIsKnownToTheStatus(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "client.pem")
	cfg := &config.Config{Dynamics: config.Dynamics{ClientCertificate: config.Secret("file:" + file)}}
	require.Empty(t, credentialEnds(cfg), "it cannot be read")
	ends := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	require.NoError(t, os.WriteFile(file, certificateUntil(t, ends), 0o600))
	require.Equal(t, []activities.CredentialEnd{{Setting: "dynamics.client_certificate", Ends: ends}}, credentialEnds(cfg))
	require.Empty(t, credentialEnds(&config.Config{}))
}
