package temporalserver

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// A port stays free until the server has it: it is given once, is not in use, and is none
// of those that the system gives to others.
func TestAFreePortIsGivenToNobodyElse(t *testing.T) {
	lowest := afterPorts
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, err := fmt.Sscan(string(text), &lowest)
		require.NoError(t, err)
	}
	given := map[int]bool{}
	for range 100 {
		port, err := FreePort()
		require.NoError(t, err)
		require.False(t, given[port], port)
		given[port] = true
		require.Less(t, port, lowest, "of the system's own ports")
	}

	inUse := firstPort + int((nextPort.Load()+1)%(afterPorts-firstPort))
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, inUse))
	if err == nil { // else somebody else has it
		defer l.Close()
	}
	port, err := FreePort()
	require.NoError(t, err)
	require.NotEqual(t, inUse, port)
}
