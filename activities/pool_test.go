package activities_test

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"
)

// poolOf trusts the certificates in pem only.
func poolOf(t *testing.T, pem []byte) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	return pool
}
