package temporalconn_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/temporalconn"
)

func TestAWorkerIsNamedByInstanceHostAndProcess(t *testing.T) {
	host, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("acme@%s:%d", host, os.Getpid()), temporalconn.WorkerName("acme"))
}
