package temporalconn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// ErrNoVersions is returned by a server that does not know versions of workers, or that
// does not allow them in the namespace. Workers then take work whatever their build is.
var ErrNoVersions = errors.New("this Temporal server has no versions of workers")

// Version states: what Temporal gives to a version of the worker.
const (
	VersionNew      = "new"      // it asks for work, and has never been given any
	VersionCurrent  = "current"  // everything that begins, and flows
	VersionRamping  = "ramping"  // a share of it
	VersionDraining = "draining" // passes that it began, until they end
	VersionDrained  = "drained"  // nothing any more
)

// Version is one build of the worker of an instance, as Temporal knows it.
type Version struct {
	Build   string    `json:"build"`
	State   string    `json:"state"`
	Since   time.Time `json:"since,omitzero"` // of the state, where Temporal says so
	Created time.Time `json:"created"`        // when a worker of it first asked for work
	Current time.Time `json:"last_current,omitzero"`
}

// Deployment is the versions of the worker of an instance, the newest first.
type Deployment struct {
	Name     string    `json:"name"`
	Current  string    `json:"current"` // build; "" are workers without a version
	Ramping  string    `json:"ramping,omitempty"`
	Percent  float32   `json:"percent,omitempty"` // of what begins, that Ramping is given
	Changed  time.Time `json:"changed,omitzero"`
	By       string    `json:"by,omitempty"`
	Versions []Version `json:"versions"`

	token []byte // of a change, which fails when another one came between
}

// Of is a version by its build.
func (d *Deployment) Of(build string) (Version, bool) {
	for _, v := range d.Versions {
		if v.Build == build {
			return v, true
		}
	}
	return Version{}, false
}

// Versions asks Temporal about the versions of the worker of one instance, and changes
// which is given work.
type Versions struct {
	Service   workflowservice.WorkflowServiceClient
	Namespace string
	Name      string // of the deployment
	Identity  string // of who asks
}

// DeploymentName is the name of the workers of an instance in Temporal.
func DeploymentName(instance string) string { return "causeway-" + instance }

// Describe tells of the versions. A deployment that no worker has begun yet has none.
// Fails with ErrNoVersions, or as Temporal does.
func (v Versions) Describe(ctx context.Context) (*Deployment, error) {
	var answer *workflowservice.DescribeWorkerDeploymentResponse
	err := patiently(ctx, func() (err error) {
		answer, err = v.Service.DescribeWorkerDeployment(ctx, &workflowservice.DescribeWorkerDeploymentRequest{Namespace: v.Namespace, DeploymentName: v.Name})
		return err
	})
	if _, none := errors.AsType[*serviceerror.NotFound](err); none {
		return &Deployment{Name: v.Name, Versions: []Version{}}, nil
	}
	if err != nil {
		return nil, unsupported(err)
	}
	info := answer.GetWorkerDeploymentInfo()
	routing := info.GetRoutingConfig()
	d := &Deployment{Name: v.Name, Current: routing.GetCurrentDeploymentVersion().GetBuildId(), Ramping: routing.GetRampingDeploymentVersion().GetBuildId(),
		Percent: routing.GetRampingVersionPercentage(), By: info.GetLastModifierIdentity(), Versions: []Version{}, token: answer.GetConflictToken()}
	if at := routing.GetCurrentVersionChangedTime(); at != nil {
		d.Changed = at.AsTime()
	}
	for _, s := range info.GetVersionSummaries() {
		d.Versions = append(d.Versions, versionOf(s))
	}
	slices.SortFunc(d.Versions, func(a, b Version) int { return b.Created.Compare(a.Created) })
	return d, nil
}

// While Temporal is busy the pause between two tries grows from busyPause to busyMost, and is
// not the same for all: workers that were refused together ask apart.
const (
	busyPause = 500 * time.Millisecond
	busyMost  = 8 * time.Second
	busyTries = 6
)

// patiently tries again while Temporal answers that it is busy: it asks a workflow of its
// own, which answers one after the other.
func patiently(ctx context.Context, f func() error) error {
	for try := 0; ; try++ {
		err := f()
		if _, busy := errors.AsType[*serviceerror.ResourceExhausted](err); !busy || try == busyTries {
			return err
		}
		pause := min(busyPause<<try, busyMost)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

// unsupported tells a server without versions from one that fails.
func unsupported(err error) error {
	if _, old := errors.AsType[*serviceerror.Unimplemented](err); old {
		return ErrNoVersions
	}
	if denied, ok := errors.AsType[*serviceerror.PermissionDenied](err); ok && strings.Contains(denied.Error(), "disabled") {
		return ErrNoVersions
	}
	return err
}

func versionOf(s *deploymentpb.WorkerDeploymentInfo_WorkerDeploymentVersionSummary) Version {
	v := Version{Build: s.GetDeploymentVersion().GetBuildId(), Created: s.GetCreateTime().AsTime(), State: VersionNew}
	if at := s.GetLastCurrentTime(); at != nil {
		v.Current = at.AsTime()
	}
	switch s.GetStatus() {
	case enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT:
		v.State, v.Since = VersionCurrent, s.GetCurrentSinceTime().AsTime()
	case enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING:
		v.State, v.Since = VersionRamping, s.GetRampingSinceTime().AsTime()
	case enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING:
		v.State, v.Since = VersionDraining, s.GetLastDeactivationTime().AsTime()
	case enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINED:
		v.State, v.Since = VersionDrained, s.GetLastDeactivationTime().AsTime()
	}
	if v.State == VersionNew && s.GetFirstActivationTime() != nil {
		v.State = VersionDrained
	}
	return v
}

// SetCurrent gives what begins, and flows, to a build; "" is workers without a version.
// It fails when somebody has changed the deployment since it was described.
func (v Versions) SetCurrent(ctx context.Context, seen *Deployment, build string) error {
	return patiently(ctx, func() error {
		_, err := v.Service.SetWorkerDeploymentCurrentVersion(ctx, &workflowservice.SetWorkerDeploymentCurrentVersionRequest{
			Namespace: v.Namespace, DeploymentName: v.Name, BuildId: build, ConflictToken: seen.token, Identity: v.Identity,
			// A queue of the version before that this one does not ask is one that it has no use for.
			IgnoreMissingTaskQueues: true,
		})
		return err
	})
}

// SetRamping gives a share of what begins, and of flows, to a build; "" ends a ramp.
func (v Versions) SetRamping(ctx context.Context, seen *Deployment, build string, percent float32) error {
	_, err := v.Service.SetWorkerDeploymentRampingVersion(ctx, &workflowservice.SetWorkerDeploymentRampingVersionRequest{
		Namespace: v.Namespace, DeploymentName: v.Name, BuildId: build, Percentage: percent, ConflictToken: seen.token, Identity: v.Identity, IgnoreMissingTaskQueues: true,
	})
	return err
}

// Pinned lists the workflows that only a build may go on with.
func (v Versions) Pinned(ctx context.Context, build string) ([]*commonpb.WorkflowExecution, error) {
	var out []*commonpb.WorkflowExecution
	request := &workflowservice.ListWorkflowExecutionsRequest{Namespace: v.Namespace,
		Query: fmt.Sprintf("TemporalWorkerDeploymentVersion = '%s:%s' AND TemporalWorkflowVersioningBehavior = 'Pinned' AND ExecutionStatus = 'Running'", v.Name, build)}
	for {
		page, err := v.Service.ListWorkflowExecutions(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, e := range page.GetExecutions() {
			out = append(out, e.GetExecution())
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return out, nil
		}
	}
}

// Move lets a pinned workflow go on with the current build, whichever that is.
func (v Versions) Move(ctx context.Context, e *commonpb.WorkflowExecution) error {
	_, err := v.Service.UpdateWorkflowExecutionOptions(ctx, &workflowservice.UpdateWorkflowExecutionOptionsRequest{
		Namespace: v.Namespace, WorkflowExecution: e, Identity: v.Identity,
		WorkflowExecutionOptions: &workflowpb.WorkflowExecutionOptions{VersioningOverride: &workflowpb.VersioningOverride{Override: &workflowpb.VersioningOverride_AutoUpgrade{AutoUpgrade: true}}},
		UpdateMask:               &fieldmaskpb.FieldMask{Paths: []string{"versioning_override"}},
	})
	if _, ended := errors.AsType[*serviceerror.NotFound](err); ended {
		return nil
	}
	return err
}

// heldKey is where a worker says why its build does not become the current one.
const heldKey = "held"

// Hold says, for whoever looks, why a build does not become the current one; "" ends it.
func (v Versions) Hold(ctx context.Context, build, why string) error {
	request := &workflowservice.UpdateWorkerDeploymentVersionMetadataRequest{Namespace: v.Namespace, Identity: v.Identity,
		DeploymentVersion: &deploymentpb.WorkerDeploymentVersion{DeploymentName: v.Name, BuildId: build}}
	if why == "" {
		request.RemoveEntries = []string{heldKey}
	} else {
		text, err := converter.GetDefaultDataConverter().ToPayload(why)
		if err != nil {
			return err
		}
		request.UpsertEntries = map[string]*commonpb.Payload{heldKey: text}
	}
	_, err := v.Service.UpdateWorkerDeploymentVersionMetadata(ctx, request)
	return err
}

// Held is why a build does not become the current one; "" where nothing holds it.
func (v Versions) Held(ctx context.Context, build string) (string, error) {
	answer, err := v.Service.DescribeWorkerDeploymentVersion(ctx, &workflowservice.DescribeWorkerDeploymentVersionRequest{Namespace: v.Namespace,
		DeploymentVersion: &deploymentpb.WorkerDeploymentVersion{DeploymentName: v.Name, BuildId: build}})
	if err != nil {
		return "", err
	}
	text := answer.GetWorkerDeploymentVersionInfo().GetMetadata().GetEntries()[heldKey]
	if text == nil {
		return "", nil
	}
	var why string
	return why, converter.GetDefaultDataConverter().FromPayload(text, &why)
}
