package host

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/temporalconn"
)

// versionsServer is a Temporal that knows versions of workers.
type versionsServer struct {
	workflowservice.WorkflowServiceClient
	fails   error
	current string
	builds  []string // the newest last
	active  []string // were given work
	pinned  map[string][]string
	moved   []string
	held    map[string]bool
}

func (s *versionsServer) DescribeWorkerDeployment(_ context.Context, in *workflowservice.DescribeWorkerDeploymentRequest, _ ...grpc.CallOption) (*workflowservice.DescribeWorkerDeploymentResponse, error) {
	if s.fails != nil {
		return nil, s.fails
	}
	info := &deploymentpb.WorkerDeploymentInfo{Name: in.DeploymentName, RoutingConfig: &deploymentpb.RoutingConfig{}}
	if s.current != "" {
		info.RoutingConfig.CurrentDeploymentVersion = &deploymentpb.WorkerDeploymentVersion{DeploymentName: in.DeploymentName, BuildId: s.current}
	}
	for i, b := range s.builds {
		v := &deploymentpb.WorkerDeploymentInfo_WorkerDeploymentVersionSummary{
			DeploymentVersion: &deploymentpb.WorkerDeploymentVersion{DeploymentName: in.DeploymentName, BuildId: b},
			CreateTime:        timestamppb.New(time.Date(2026, 12, 1, i, 0, 0, 0, time.UTC)), Status: enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_INACTIVE,
		}
		if b == s.current {
			v.Status = enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT
		} else if slices.Contains(s.active, b) {
			v.Status = enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING
		}
		info.VersionSummaries = append(info.VersionSummaries, v)
	}
	return &workflowservice.DescribeWorkerDeploymentResponse{WorkerDeploymentInfo: info}, nil
}

func (s *versionsServer) SetWorkerDeploymentCurrentVersion(_ context.Context, in *workflowservice.SetWorkerDeploymentCurrentVersionRequest, _ ...grpc.CallOption) (*workflowservice.SetWorkerDeploymentCurrentVersionResponse, error) {
	s.current = in.BuildId
	s.active = append(s.active, in.BuildId)
	return &workflowservice.SetWorkerDeploymentCurrentVersionResponse{}, nil
}

func (s *versionsServer) UpdateWorkerDeploymentVersionMetadata(_ context.Context, in *workflowservice.UpdateWorkerDeploymentVersionMetadataRequest, _ ...grpc.CallOption) (*workflowservice.UpdateWorkerDeploymentVersionMetadataResponse, error) {
	s.held = map[string]bool{in.DeploymentVersion.BuildId: len(in.UpsertEntries) > 0}
	return &workflowservice.UpdateWorkerDeploymentVersionMetadataResponse{}, nil
}

func (s *versionsServer) ListWorkflowExecutions(_ context.Context, in *workflowservice.ListWorkflowExecutionsRequest, _ ...grpc.CallOption) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	out := &workflowservice.ListWorkflowExecutionsResponse{}
	for build, ids := range s.pinned {
		if bytes.Contains([]byte(in.Query), []byte("'causeway-acme:"+build+"'")) {
			for _, id := range ids {
				out.Executions = append(out.Executions, &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: id}})
			}
		}
	}
	return out, nil
}

func (s *versionsServer) UpdateWorkflowExecutionOptions(_ context.Context, in *workflowservice.UpdateWorkflowExecutionOptionsRequest, _ ...grpc.CallOption) (*workflowservice.UpdateWorkflowExecutionOptionsResponse, error) {
	s.moved = append(s.moved, in.WorkflowExecution.WorkflowId)
	return &workflowservice.UpdateWorkflowExecutionOptionsResponse{}, nil
}

// living are the builds that have a worker.
type living []string

func (l *living) Programs(context.Context) (out []ledger.Program, _ error) {
	for _, b := range *l {
		out = append(out, ledger.Program{Build: b})
	}
	return out, nil
}

// keeper is a worker of a version on a server, with a clock of the test's.
func keeper(s *versionsServer, l *living, mode, build string, now *time.Time, fits string) *versionKeeper {
	return &versionKeeper{versions: temporalconn.Versions{Service: s, Namespace: "n", Name: "causeway-acme"}, mode: mode, build: build, patience: 5 * time.Second, ledger: l,
		fits: func(context.Context) (string, error) { return fits, nil }, now: func() time.Time { return *now }, logger: slog.New(slog.DiscardHandler)}
}

func TestWhichVersionOfTheWorkerIsGivenWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode, build string
		before      versionsServer
		lives       living
		fits        string
		later       time.Duration // a second look
		want        string
	}{
		"the first one":                                  {versionsAutomatic, "v1", versionsServer{builds: []string{"v1"}}, living{"v1"}, "", 0, "v1"},
		"the first one, also by hand":                    {"manual", "v1", versionsServer{builds: []string{"v1"}}, living{"v1"}, "", 0, "v1"},
		"the first one that does not fit, beside others": {versionsAutomatic, "v1", versionsServer{builds: []string{"v1"}}, living{"v0", "v1"}, "acme/egress: differs", time.Hour, ""},
		"the first one that does not fit, alone":         {versionsAutomatic, "v1", versionsServer{builds: []string{"v1"}}, living{"v1"}, "acme/egress: differs", 0, "v1"},
		"not before Temporal knows it":                   {versionsAutomatic, "v1", versionsServer{}, living{"v1"}, "", 0, ""},
		"a new one":                                      {versionsAutomatic, "v2", versionsServer{current: "v1", builds: []string{"v1", "v2"}}, living{"v1", "v2"}, "", 0, "v2"},
		"a new one by hand waits":                        {"manual", "v2", versionsServer{current: "v1", builds: []string{"v1", "v2"}}, living{"v2"}, "", time.Hour, "v1"},
		"a new one that does not fit waits":              {versionsAutomatic, "v2", versionsServer{current: "v1", builds: []string{"v1", "v2"}}, living{"v1", "v2"}, "acme/egress: differs", time.Hour, "v1"},
		"one that does not fit where nobody else is":     {versionsAutomatic, "v2", versionsServer{current: "v1", builds: []string{"v1", "v2"}}, living{"v2"}, "acme/egress: differs", 6 * time.Second, "v2"},
		"an old one beside the current one waits":        {versionsAutomatic, "v1", versionsServer{current: "v2", builds: []string{"v1", "v2"}, active: []string{"v1", "v2"}}, living{"v1", "v2"}, "", time.Hour, "v2"},
		"an old one, when the current one is just gone":  {versionsAutomatic, "v1", versionsServer{current: "v2", builds: []string{"v1", "v2"}, active: []string{"v1", "v2"}}, living{"v1"}, "", 4 * time.Second, "v2"},
		"an old one, when the current one stays away":    {versionsAutomatic, "v1", versionsServer{current: "v2", builds: []string{"v1", "v2"}, active: []string{"v1", "v2"}}, living{"v1"}, "", 6 * time.Second, "v1"},
		"workers that tell none replace those that do":   {versionsNone, "", versionsServer{current: "v2", builds: []string{"v2"}, active: []string{"v2"}}, living{"v2"}, "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, now := c.before, time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
			k := keeper(&s, &c.lives, c.mode, c.build, &now, c.fits)
			_, err := k.once(t.Context())
			require.NoError(t, err)
			now = now.Add(c.later)
			for range 2 {
				_, err = k.once(t.Context())
				require.NoError(t, err)
			}
			require.Equal(t, c.want, s.current)
			require.Equal(t, c.fits != "" && c.want != c.build, s.held[c.build], "whoever looks is told what holds it")
		})
	}
}

// A pass of a version whose workers are gone goes on with the current one; that of a
// version with workers is left to them.
func TestPassesOfAVersionWithoutWorkersGoOn(t *testing.T) {
	t.Parallel()
	s := &versionsServer{current: "v2", builds: []string{"v1", "v2"}, active: []string{"v1"}, pinned: map[string][]string{"v1": {"acme/ingress/contacts/backfill/1"}}}
	now, lives := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC), living{"v1", "v2"}
	k := keeper(s, &lives, versionsAutomatic, "v2", &now, "")
	look := func() {
		t.Helper()
		current, err := k.once(t.Context())
		require.NoError(t, err)
		require.True(t, current)
	}
	look()
	now = now.Add(time.Hour)
	look()
	require.Empty(t, s.moved)
	lives = living{"v2"}
	look()
	require.Empty(t, s.moved, "it has just gone")
	now = now.Add(6 * time.Second)
	look()
	require.Equal(t, []string{"acme/ingress/contacts/backfill/1"}, s.moved)
}

func TestAServerWithoutVersionsIsWorkedWith(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]error{
		"too old":      serviceerror.NewUnimplemented("unknown method DescribeWorkerDeployment"),
		"switched off": serviceerror.NewPermissionDenied("Worker Deployment Versions are disabled on this namespace.", ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			knows, err := versioned(t.Context(), temporalconn.Versions{Service: &versionsServer{fails: fails}}, versionsAutomatic, slog.New(slog.NewTextHandler(&log, nil)))
			require.NoError(t, err)
			require.False(t, knows)
			require.Contains(t, log.String(), "replace all workers at once")
		})
	}
	_, err := versioned(t.Context(), temporalconn.Versions{Service: &versionsServer{fails: serviceerror.NewPermissionDenied("no right", "")}}, versionsAutomatic, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "asking Temporal for the versions of the worker")
}
