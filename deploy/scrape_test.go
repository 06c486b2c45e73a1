package deploy_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"

	"causeway.dev/config"
	"causeway.dev/internal/telemetry"
	"causeway.dev/internal/transport"
	"causeway.dev/worker/host"
)

// frontend is as much of a Temporal server as lets a worker start and wait.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
}

func (frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{}, nil
}

func (frontend) DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

func (frontend) ListWorkflowExecutions(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	return &workflowservice.ListWorkflowExecutionsResponse{Executions: []*workflowpb.WorkflowExecutionInfo{
		{Execution: &commonpb.WorkflowExecution{WorkflowId: "sandbox/ingress/contacts"}},
	}}, nil
}

func (frontend) PollWorkflowTaskQueue(ctx context.Context, _ *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (frontend) PollActivityTaskQueue(ctx context.Context, _ *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// startLog is a worker's log that says where its health is.
type startLog chan string

func (c startLog) Write(line []byte) (int, error) {
	var l struct{ Health string }
	if json.Unmarshal(line, &l) == nil && l.Health != "" {
		c <- strings.TrimSuffix(l.Health, "/readyz")
	}
	return len(line), nil
}

// scrape is what Prometheus gets of a worker that runs on deploy/causeway.yaml:
// names, each with its labels.
func scrape(t *testing.T) map[string][]string { return exposed(scrapeText(t)) }

// scrapeText is the same as the worker says it.
func scrapeText(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, frontend{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)

	cfg := workerConfig(t)
	health := make(startLog, 1)
	h, err := host.New(t.Context(), host.Options{
		Config: cfg, Logger: slog.New(slog.NewJSONHandler(health, nil)),
		Temporal: client.Options{HostPort: listener.Addr().String(), Namespace: "default"},
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	url := <-health + "/metrics"
	var text string
	require.Eventually(t, func() bool { // once it has measured, it has said everything
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		text = string(data)
		return err == nil && strings.Contains(text, "causeway_flow_stuck") // the last
	}, 30*time.Second, 50*time.Millisecond)
	return text + exchange(t)
}

// exchange is what a worker shows of the requests it makes.
func exchange(t *testing.T) string {
	t.Helper()
	service := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(service.Close)
	m := telemetry.NewMetrics(telemetry.Process{Instance: "sandbox", Identity: "sandbox@test:1"}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = m.Close() })
	req, err := http.NewRequest(http.MethodGet, service.URL, nil)
	require.NoError(t, err)
	_, _ = transport.New(transport.Options{Service: "campaign", Base: http.DefaultTransport, Metrics: m.Scope}).Do(t.Context(), "look", req)
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Contains(t, answer.Body.String(), "causeway_http_")
	return answer.Body.String()
}

var (
	sample = regexp.MustCompile(`(?m)^(causeway_\w+)(?:\{(.*)\})? `)
	label  = regexp.MustCompile(`(\w+)="`)
)

func exposed(text string) map[string][]string {
	out := map[string][]string{}
	for _, s := range sample.FindAllStringSubmatch(text, -1) {
		out[s[1]] = nil
		for _, l := range label.FindAllStringSubmatch(s[2], -1) {
			out[s[1]] = append(out[s[1]], l[1])
		}
	}
	return out
}

// workerConfig is deploy/causeway.yaml with what a container would give it: the
// sandbox's volume, the ledger (here SQLite), and ports.
func workerConfig(t *testing.T) *config.Config {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile("causeway.yaml")
	require.NoError(t, err)
	volume(t, dir)
	for _, name := range []string{"ledger-key", "temporal-key"} { // what the service secrets makes
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "key"), []byte(strings.Repeat("2a", 32)+"\n"), 0o600))
	}
	path := filepath.Join(dir, "causeway.yaml")
	edited := strings.NewReplacer(
		"client_secret: file:/sandbox/dynamics-secret", "client_certificate: file:"+filepath.Join(dir, "dynamics-certificate.pem"), // whose end is shown
		"driver: postgres", "driver: sqlite", "dsn: env:LEDGER_DSN", "path: "+filepath.Join(dir, "ledger.db"), "  password: file:/ledger-password/password\n", "",
		"0.0.0.0:9464", "127.0.0.1:0", "/sandbox/", dir+"/", "file:/ledger-key/", "file:"+dir+"/ledger-key/", "file:/temporal-key/", "file:"+dir+"/temporal-key/", "//sandbox:8444"+dir, "//sandbox:8444/sandbox",
	).Replace(string(text))
	require.NoError(t, os.WriteFile(path, []byte(edited), 0o600))
	cfg, err := config.Load(path)
	require.NoError(t, err)
	return cfg
}
