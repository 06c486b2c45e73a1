package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each part by its own command, as docs/production.md has it: real processes, the
// configuration that the sandbox writes, and a Temporal server that is asked before it
// answers. Only ports differ.
func TestEachPartByItsOwnCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs all programs")
	}
	dir := t.TempDir()
	for name, source := range map[string]string{"temporal": "./temporal", "sandbox": "../sandbox", "worker": "../worker", "causeway": "../starter"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), source)
		if name != "temporal" { // of the root module
			build = exec.Command("go", "build", "-C", "..", "-o", filepath.Join(dir, name), "./"+filepath.Base(source))
		}
		out, err := build.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	temporalPort := freePort(t)
	t.Setenv("TEMPORAL_ADDRESS", fmt.Sprintf("127.0.0.1:%d", temporalPort))
	causeway := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "causeway"), args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "causeway %v: %s", args, out)
		return string(out)
	}

	stays(t, dir, "sandbox", "--contacts", "50", "--settings", "causeway.yaml", "--dynamics-port", "0", "--campaign-port", "0", "--admin-port", "0", "--sftp-port", "0")
	file := filepath.Join(dir, "causeway.yaml")
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(file)
		return err == nil && bytes.Contains(text, []byte("donotphone")) // its end
	}, time.Minute, 20*time.Millisecond)

	began := make(chan string, 1)
	go func() { // before there is a server
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "causeway"), "setup", "--wait", "3m")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		began <- fmt.Sprintf("%v\n%s", err, out)
	}()
	stays(t, dir, "temporal", "--data", filepath.Join(dir, "temporal-data"), "--port", fmt.Sprint(temporalPort), "--ui-port", "-1")
	first := <-began
	require.True(t, strings.HasPrefix(first, "<nil>\n"), first)
	require.Contains(t, causeway("setup"), "search attributes: all there", "it may be repeated")
	require.Contains(t, causeway("config", "validate", "--secrets"), "is valid: instance sandbox")

	// The one setting that a test must change: where health is served.
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	metrics := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	require.NoError(t, os.WriteFile(file, append(text, "telemetry: {listen: \""+metrics+"\"}\n"...), 0o600))
	stays(t, dir, "worker")
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + metrics + "/readyz")
		if err != nil {
			return false
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 2*time.Minute, 50*time.Millisecond)
	require.Contains(t, causeway("start", "contacts", "--wait"), "contacts is RUNNING")
	causeway("start", "egress")
	causeway("start", "optout")
	status := causeway("status")
	for _, flow := range []string{"contacts", "egress", "optout"} {
		require.Contains(t, status, flow)
	}
	require.Contains(t, causeway("doctor"), " 0 failed")
}

// stays runs a program until the test ends, and shows what it said when that went wrong.
func stays(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(dir, program), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		ended := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		ended.Stop()
		if t.Failed() {
			t.Logf("%s:\n%s", program, out.String())
		}
	})
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
