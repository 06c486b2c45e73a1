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
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"causeway.dev/activities"
	"causeway.dev/activities/doctor"
	"causeway.dev/config"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/telemetry"
	"causeway.dev/internal/temporalconn"
	"causeway.dev/internal/transport"
	"causeway.dev/worker/host"
	"causeway.dev/workflows"
)

// frontend is as much of a Temporal server as lets workers start and wait. It has the flows
// of all instances, of which some are FAILED.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	failed map[string]bool // by workflow id
}

func (frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{}, nil
}

func (frontend) DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

func (f frontend) ListWorkflowExecutions(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	out := &workflowservice.ListWorkflowExecutionsResponse{}
	for _, instance := range []string{here, there} {
		for _, flow := range []string{"/ingress/contacts", "/egress", "/optout"} {
			state := workflows.StateRunning
			if f.failed[instance+flow] {
				state = workflows.StateFailed
			}
			payload, err := converter.GetDefaultDataConverter().ToPayload(state)
			if err != nil {
				return nil, err
			}
			out.Executions = append(out.Executions, &workflowpb.WorkflowExecutionInfo{
				Execution:        &commonpb.WorkflowExecution{WorkflowId: instance + flow},
				SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{workflows.AttrState.GetName(): payload}},
			})
		}
	}
	return out, nil
}

func (frontend) DescribeWorkflowExecution(context.Context, *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return &workflowservice.DescribeWorkflowExecutionResponse{}, nil
}

// Check is what a client asks whether the server is there.
func (frontend) Check(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

func (frontend) List(context.Context, *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	return &healthpb.HealthListResponse{}, nil
}

func (frontend) Watch(*healthpb.HealthCheckRequest, grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	return nil
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

// here and there are two instances that share a Temporal and a Prometheus.
const here, there = "sandbox", "elsewhere"

// temporal starts a server in whose list some flows are FAILED, by workflow id.
func temporal(t *testing.T, failed ...string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := frontend{failed: map[string]bool{}}
	for _, id := range failed {
		f.failed[id] = true
	}
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, f)
	healthpb.RegisterHealthServer(server, f)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// A target is a real worker as Prometheus reads it.
type target struct {
	server *httptest.Server
	stop   func()
}

func (w *target) host() string { return strings.TrimPrefix(w.server.URL, "http://") }

// text is what it exposes now.
func (w *target) text(t *testing.T) string {
	t.Helper()
	resp, err := http.Get(w.server.URL)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(data)
}

// startWorker starts a worker of an instance on deploy/causeway.yaml, and waits until it has
// measured everything once. Its flows have worked a moment ago. No task comes, so that the
// requests of the target are those of another client of the same package.
func startWorker(t *testing.T, instance, temporal string) *target {
	t.Helper()
	cfg := workerConfig(t)
	cfg.Instance, cfg.Campaign.EngineCallsPerHour = instance, 10000
	seed(t, cfg)
	health := make(startLog, 1)
	h, err := host.New(t.Context(), host.Options{
		Config: cfg, Logger: slog.New(slog.NewJSONHandler(health, nil)), Temporal: client.Options{HostPort: temporal, Namespace: "default"},
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	stopped := sync.OnceFunc(func() {
		stop()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stopped)
	own, more := <-health+"/metrics", exchange(t, instance)
	w := &target{stop: stopped}
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		resp, err := http.Get(own)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(rw, resp.Body)
		_, _ = io.WriteString(rw, more)
	}))
	t.Cleanup(w.server.Close)
	require.Eventually(t, func() bool { // the last of each loop
		text := w.text(t)
		return strings.Contains(text, "\ncauseway_flow_stuck{") && strings.Contains(text, "\ncauseway_temporal_up{") && strings.Contains(text, "\ncauseway_erasures_waiting{")
	}, time.Minute, 50*time.Millisecond)
	return w
}

// seed makes a ledger in which each flow has worked a moment ago, and the checks of the
// night were made.
func seed(t *testing.T, cfg *config.Config) {
	t.Helper()
	key, err := cfg.Ledger.EncryptionKey.Resolve()
	require.NoError(t, err)
	keys, err := ledger.ParseKeys(key)
	require.NoError(t, err)
	l, err := ledger.Open(t.Context(), ledger.Options{Driver: cfg.Ledger.Driver, Path: cfg.Ledger.Path, Erasures: cfg.Ledger.Erasures, Keys: keys})
	require.NoError(t, err)
	for _, of := range [][2]string{{activities.FlowIngress, "contacts"}, {activities.FlowEgress, activities.FlowEgress}, {activities.FlowOptOut, activities.FlowOptOut}} {
		require.NoError(t, l.SaveWatermark(t.Context(), ledger.Watermark{Flow: of[0], Table: of[1], Link: "x", ObtainedAt: time.Now()}))
	}
	checks, err := json.Marshal(activities.DoctorResult{At: time.Now()})
	require.NoError(t, err)
	require.NoError(t, l.SaveFact(t.Context(), doctor.Kept, string(checks)))
	require.NoError(t, l.Close())
}

// scrape is what Prometheus gets of a worker: names, each with its labels.
func scrape(t *testing.T) map[string][]string {
	t.Helper()
	return exposed(startWorker(t, here, temporal(t)).text(t))
}

// exchange is what a worker of an instance shows of the requests it makes.
func exchange(t *testing.T, instance string) string {
	t.Helper()
	service := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(service.Close)
	m := telemetry.NewMetrics(telemetry.Process{Instance: instance, Identity: temporalconn.WorkerName(instance)}, slog.New(slog.DiscardHandler))
	req, err := http.NewRequest(http.MethodGet, service.URL, nil)
	require.NoError(t, err)
	_, _ = transport.New(transport.Options{Service: "campaign", Base: http.DefaultTransport, Metrics: m.Scope}).Do(t.Context(), "look", req)
	require.NoError(t, m.Close())
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var out strings.Builder
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, "causeway_http_") {
			out.WriteString(line)
		}
	}
	require.Contains(t, out.String(), "causeway_http_requests{")
	return out.String()
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
