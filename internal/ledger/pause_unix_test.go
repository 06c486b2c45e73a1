//go:build unix

package ledger_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func pause(t *testing.T, p *os.Process) {
	t.Helper()
	require.NoError(t, p.Signal(syscall.SIGSTOP))
}
