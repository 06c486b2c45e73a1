package operator_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/operator/operatortest"
	"causeway.dev/internal/temporalconn"
)

// versioned is a Temporal with versions of the worker, each newer than the one before it.
type versioned struct {
	*operatortest.Temporal
	workflowservice.WorkflowServiceClient
	builds []string
	became map[string]time.Time // when a build became the current one last
	now    time.Time
}

func (v *versioned) current() (build string) {
	for b, at := range v.became {
		if build == "" || at.After(v.became[build]) {
			build = b
		}
	}
	return build
}

func (v *versioned) Versions(instance string) temporalconn.Versions {
	return temporalconn.Versions{Service: v, Namespace: "default", Name: temporalconn.DeploymentName(instance), Identity: "ada"}
}

func (v *versioned) DescribeWorkerDeployment(context.Context, *workflowservice.DescribeWorkerDeploymentRequest, ...grpc.CallOption) (*workflowservice.DescribeWorkerDeploymentResponse, error) {
	info := &deploymentpb.WorkerDeploymentInfo{RoutingConfig: &deploymentpb.RoutingConfig{CurrentDeploymentVersion: &deploymentpb.WorkerDeploymentVersion{BuildId: v.current()}}}
	for n, b := range v.builds {
		s := &deploymentpb.WorkerDeploymentInfo_WorkerDeploymentVersionSummary{DeploymentVersion: &deploymentpb.WorkerDeploymentVersion{BuildId: b},
			CreateTime: timestamppb.New(noon.Add(time.Duration(n) * time.Hour)), LastCurrentTime: timestamppb.New(v.became[b]), Status: enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING}
		info.VersionSummaries = append(info.VersionSummaries, s)
	}
	return &workflowservice.DescribeWorkerDeploymentResponse{WorkerDeploymentInfo: info}, nil
}

func (v *versioned) SetWorkerDeploymentCurrentVersion(_ context.Context, in *workflowservice.SetWorkerDeploymentCurrentVersionRequest, _ ...grpc.CallOption) (*workflowservice.SetWorkerDeploymentCurrentVersionResponse, error) {
	v.now = v.now.Add(time.Minute)
	v.became[in.BuildId] = v.now
	return &workflowservice.SetWorkerDeploymentCurrentVersionResponse{}, nil
}

// Somebody in a hurry asks for a rollback twice: the version that they rolled back from does
// not come again by that. Who wants it names it.
func TestARollbackOfTheWorkerThatIsAskedForTwice(t *testing.T) {
	t.Parallel()
	v := &versioned{Temporal: operatortest.New(), builds: []string{"v1", "v2", "v3"}, now: noon.Add(9 * time.Hour),
		became: map[string]time.Time{"v1": noon, "v2": noon.Add(time.Hour), "v3": noon.Add(2 * time.Hour)}}
	i := operator.New(&config.Config{Instance: "acme"}, v, operator.Options{By: "ada", Timeout: time.Minute})
	d, err := i.DeployRollback(t.Context())
	require.NoError(t, err)
	require.Equal(t, "v2", d.Current)
	_, err = i.DeployRollback(t.Context())
	require.ErrorContains(t, err, "v2 is the current one already")
	require.ErrorContains(t, err, "causeway deploy current v3")
	require.Equal(t, operator.BadInput, operator.KindOf(err))
	require.Equal(t, "v2", v.current())
	d, err = i.DeployCurrent(t.Context(), "v3")
	require.NoError(t, err)
	require.Equal(t, "v3", d.Current)
}
