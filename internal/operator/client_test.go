package operator

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	activitypb "go.temporal.io/api/activity/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/workflows"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// variables are an environment.
type variables map[string]string

func (v variables) LookupEnv(name string) (string, bool) { s, ok := v[name]; return s, ok }

func (v variables) Environ() []string {
	var out []string
	for name, s := range v {
		out = append(out, name+"="+s)
	}
	return out
}

func TestConnectionSettingsInOrder(t *testing.T) {
	t.Parallel()
	profiles := filepath.Join(t.TempDir(), "temporal.toml")
	require.NoError(t, os.WriteFile(profiles, []byte("[profile.blue]\naddress = \"blue:1\"\n[profile.green]\naddress = \"green:1\"\nnamespace = \"ns-green\"\n"), 0o600))
	file := config.Temporal{Address: "file:1", Namespace: "ns-file"}
	tests := map[string]struct {
		conn           Address
		env            variables
		address, space string
	}{
		"nothing said":                   {Address{}, nil, "localhost:7233", "default"},
		"the configuration file":         {Address{File: file}, nil, "file:1", "ns-file"},
		"the environment wins over it":   {Address{File: file}, variables{"TEMPORAL_ADDRESS": "env:1"}, "env:1", "ns-file"},
		"flags win over the environment": {Address{File: file, HostPort: "flag:1"}, variables{"TEMPORAL_ADDRESS": "env:1", "TEMPORAL_NAMESPACE": "ns-env"}, "flag:1", "ns-env"},
		"a profile of Temporal's own":    {Address{File: config.Temporal{Address: "file:1", Profile: "green"}}, variables{"TEMPORAL_CONFIG_FILE": profiles}, "green:1", "ns-green"},
		"TEMPORAL_PROFILE wins": {Address{File: config.Temporal{Namespace: "ns-file", Profile: "green"}},
			variables{"TEMPORAL_CONFIG_FILE": profiles, "TEMPORAL_PROFILE": "blue"}, "blue:1", "ns-file"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.env == nil {
				tc.env = variables{}
			}
			if tc.env["TEMPORAL_CONFIG_FILE"] == "" {
				tc.env["TEMPORAL_CONFIG_FILE"] = filepath.Join(t.TempDir(), "none.toml")
			}
			got, err := clientOptions(tc.conn, tc.env)
			require.NoError(t, err)
			require.Equal(t, tc.address, got.HostPort)
			require.Equal(t, tc.space, got.Namespace)
		})
	}
	_, err := clientOptions(Address{File: config.Temporal{Profile: "red"}}, variables{"TEMPORAL_CONFIG_FILE": profiles})
	require.ErrorContains(t, err, "connection settings of Temporal")
	require.Equal(t, BadInput, KindOf(err))
	for _, address := range []string{"foo", "foo:bar", "foo:", "::1"} {
		_, err := clientOptions(Address{HostPort: address}, variables{"TEMPORAL_CONFIG_FILE": filepath.Join(t.TempDir(), "none.toml")})
		require.EqualError(t, err, fmt.Sprintf("address of Temporal: got %q, want host:port, such as localhost:7233", address))
		require.Equal(t, BadInput, KindOf(err))
	}
}

func TestAnAPIKeyTurnsOnTLS(t *testing.T) {
	t.Parallel()
	got, err := clientOptions(Address{}, variables{"TEMPORAL_API_KEY": "k", "TEMPORAL_CONFIG_FILE": filepath.Join(t.TempDir(), "none.toml")})
	require.NoError(t, err)
	require.NotNil(t, got.Credentials)
}

func TestDialFailsWithWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := Connect(t.Context(), Address{HostPort: "127.0.0.1:1"})
	require.Equal(t, Unreachable, KindOf(err))
	require.ErrorContains(t, err, "no Temporal server answers at 127.0.0.1:1")
	require.ErrorContains(t, err, "start it, or name another with TEMPORAL_ADDRESS, --address or temporal.address")
}

func TestErrorsOfTheSDKAreExplained(t *testing.T) {
	t.Parallel()
	c := &temporalClient{address: "here:1", space: "acme"}
	require.NoError(t, c.explain(nil))
	for name, err := range map[string]error{
		"no such workflow":              serviceerror.NewNotFound("workflow not found"),
		"no such workflow, with a wrap": fmt.Errorf("updating: %w", serviceerror.NewNotFound("workflow not found")),
	} {
		require.ErrorIs(t, c.explain(err), ErrNotFound, name)
	}
	for name, err := range map[string]error{
		"the time is over":          context.DeadlineExceeded,
		"the server says so":        serviceerror.NewDeadlineExceeded("late"),
		"nobody polls":              serviceerror.NewFailedPrecondition("no poller seen for task queue recently, worker may be down"),
		"nothing ran yet":           serviceerror.NewWorkflowNotReady("not ready"),
		"an update without a taker": client.NewWorkflowUpdateServiceTimeoutOrCanceledError(context.DeadlineExceeded),
		"an activity without taker": temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, nil),
	} {
		require.ErrorIs(t, c.explain(err), ErrNoWorker, name)
	}
	tests := map[string]struct {
		err  error
		kind Kind
		says string
	}{
		"refused by a validator": {temporal.NewApplicationError("contacts is STOPPED: there is nothing to stop", "errorString"),
			BadInput, "contacts is STOPPED: there is nothing to stop"},
		"the root of a failure": {temporal.NewApplicationErrorWithCause("wrapped", "wrapError", temporal.NewApplicationError("the reason", "Config")),
			BadInput, "the reason"},
		"no such namespace":      {serviceerror.NewNamespaceNotFound("acme"), Unreachable, `namespace "acme" does not exist at here:1; run: causeway setup`},
		"not allowed":            {serviceerror.NewPermissionDenied("no", ""), Unreachable, "Temporal at here:1 does not let you in (no); check the API key or certificate"},
		"server gone":            {serviceerror.NewUnavailable("closing"), Unreachable, "lost the Temporal server at here:1 (closing); try again"},
		"interrupted":            {client.NewWorkflowUpdateServiceTimeoutOrCanceledError(context.Canceled), Failed, "interrupted; what was asked for may still be carried out, see: causeway status"},
		"interrupted on the way": {serviceerror.NewCanceled("context canceled"), Failed, "interrupted; what was asked for may still be carried out, see: causeway status"},
		"an old server":          {serviceerror.NewUnimplemented("unknown method"), Failed, "the Temporal server at here:1 is too old for this (unknown method); it must be 1.28 or newer"},
		"anything else":          {serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "slow down"), Failed, "Temporal answered: slow down"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.explain(tc.err)
			require.Equal(t, tc.kind, KindOf(err))
			require.EqualError(t, err, tc.says)
		})
	}
	require.ErrorIs(t, c.explainNamespace(serviceerror.NewNamespaceNotFound("acme")), ErrNotFound)
}

func TestDescribeReadsAttributesAndRetries(t *testing.T) {
	t.Parallel()
	payload := func(v any) *commonpb.Payload {
		p, err := converter.GetDefaultDataConverter().ToPayload(v)
		require.NoError(t, err)
		return p
	}
	waits := &activities.Wait{For: "dataverse", Since: noon, Until: noon.Add(time.Minute)}
	got := describe(&workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
			Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
			SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
				"CausewayState": payload("PAUSED"), "CausewayRead": payload(10), "CausewayWritten": payload(7), "CausewayQuarantined": payload("three"),
			}},
		},
		PendingActivities: []*workflowpb.PendingActivityInfo{
			{ActivityType: &commonpb.ActivityType{Name: "WriteLane"}, Attempt: 7, ScheduledTime: timestamppb.New(noon), NextAttemptScheduleTime: timestamppb.New(noon.Add(3 * time.Hour)),
				ExpirationTime: timestamppb.New(noon.Add(time.Hour)), LastFailure: &failurepb.Failure{Message: "campaign:\n503"},
				ActivityOptions:  &activitypb.ActivityOptions{ScheduleToCloseTimeout: durationpb.New(2 * time.Hour)},
				HeartbeatDetails: &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(activities.Counts{Read: 70, Created: 70})}}},
			{ActivityType: &commonpb.ActivityType{Name: "FetchPage"}, Attempt: 1, ScheduledTime: timestamppb.New(noon),
				HeartbeatDetails: &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(activities.PreBaselineBeat{IDs: 4_000})}}},
			{ActivityType: &commonpb.ActivityType{Name: "WriteEvents"}, Attempt: 1, ScheduledTime: timestamppb.New(noon),
				HeartbeatDetails: &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(activities.LaneBeat{Counts: activities.Counts{Read: 3}, Waits: waits})}}},
			{ActivityType: &commonpb.ActivityType{Name: "FetchPage"}, Attempt: 1, ScheduledTime: timestamppb.New(noon),
				HeartbeatDetails: &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(2)}}},
			{ActivityType: &commonpb.ActivityType{Name: "FetchPage"}, Attempt: 1, ScheduledTime: timestamppb.New(noon),
				HeartbeatDetails: &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(activities.WaitingBeat{Checked: noon.Add(time.Minute)})}}},
			{ActivityType: &commonpb.ActivityType{Name: "FetchEvents"}, Attempt: 4, ScheduledTime: timestamppb.New(noon), LastStartedTime: timestamppb.New(noon.Add(30 * time.Second)),
				State: enumspb.PENDING_ACTIVITY_STATE_STARTED, LastFailure: &failurepb.Failure{Message: "gone"},
				HeartbeatDetails: &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(activities.WaitingBeat{Checked: noon.Add(time.Minute)})}}},
			{ActivityType: &commonpb.ActivityType{Name: "FetchOptOuts"}, Attempt: 4, ScheduledTime: timestamppb.New(noon), LastStartedTime: timestamppb.New(noon.Add(2 * time.Minute)),
				State: enumspb.PENDING_ACTIVITY_STATE_STARTED, LastFailure: &failurepb.Failure{Message: "gone"},
				HeartbeatDetails: &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(activities.WaitingBeat{Checked: noon.Add(time.Minute)})}}},
		},
	})
	require.Equal(t, &Description{Running: true, State: "PAUSED", Read: 10, Written: 7, Pending: []Pending{
		{Activity: "WriteLane", Attempt: 7, LastFailure: "campaign: 503", Since: noon.Add(-time.Hour), NextTry: noon.Add(3 * time.Hour), Lane: activities.Counts{Read: 70, Created: 70}}, // since the first attempt
		{Activity: "FetchPage", Attempt: 1, Since: noon, IDs: 4_000},
		{Activity: "WriteEvents", Attempt: 1, Since: noon, Waits: waits},
		{Activity: "FetchPage", Attempt: 1, Since: noon}, // beats in a shape of its own
		{Activity: "FetchPage", Attempt: 1, Since: noon, Checked: noon.Add(time.Minute)},
		{Activity: "FetchEvents", Attempt: 4, LastFailure: "gone", Since: noon, Checked: noon.Add(time.Minute), Well: true},
		{Activity: "FetchOptOuts", Attempt: 4, LastFailure: "gone", Since: noon, Checked: noon.Add(time.Minute)}, // what the attempt before has beaten
	}}, got)
	var retried []string
	for _, p := range got.Retried() {
		retried = append(retried, p.Activity)
	}
	require.Equal(t, []string{"WriteLane", "WriteEvents", "FetchOptOuts"}, retried, "what failed and is over is not told")
	require.Equal(t, "Terminated", describe(&workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED},
	}).Ended)
}

// recorder is a Temporal client that notes what it was asked and refuses.
type recorder struct {
	client.Client
	start    client.StartWorkflowOptions
	input    []any
	update   client.UpdateWithStartWorkflowOptions
	activity client.StartActivityOptions
	err      error

	activities, workflows int // how often one was asked for
	workflow              client.StartWorkflowOptions
	question              workflows.AskInput
	answer                workflowAnswer
}

func (r *recorder) NewWithStartWorkflowOperation(o client.StartWorkflowOptions, _ any, args ...any) client.WithStartWorkflowOperation {
	r.start, r.input = o, args
	return nil
}

func (r *recorder) UpdateWithStartWorkflow(_ context.Context, o client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	r.update = o
	return nil, r.err
}

func (r *recorder) ExecuteActivity(_ context.Context, o client.StartActivityOptions, _ any, _ ...any) (client.ActivityHandle, error) {
	r.activity, r.activities = o, r.activities+1
	return nil, r.err
}

func TestStartNeverJoinsSilently(t *testing.T) {
	t.Parallel()
	r := &recorder{err: serviceerror.NewInvalidArgument("search attribute CausewayRead is not defined")}
	c := &temporalClient{client: r, address: "here:1", space: "acme"}
	_, err := c.Start(t.Context(), workflows.TableFlow("acme", "contacts"), "contacts: Dynamics contact to Campaign profile", workflows.StartRequest{By: "ada"})
	require.EqualError(t, err, "Temporal refuses to start contacts (search attribute CausewayRead is not defined); if a search attribute is missing, run: causeway setup")
	require.Equal(t, Failed, KindOf(err))

	require.Equal(t, "acme/ingress/contacts", r.start.ID)
	require.Equal(t, workflows.QueueMain, r.start.TaskQueue)
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, r.start.WorkflowIDConflictPolicy)
	require.Equal(t, "contacts: Dynamics contact to Campaign profile", r.start.StaticSummary)
	require.Equal(t, map[string]any{"started_by": "ada"}, r.start.Memo)
	require.Equal(t, len(workflows.SearchAttributes()), r.start.TypedSearchAttributes.Size(), "every attribute is checked at the start")
	require.Equal(t, []any{workflows.TableSyncInput{Instance: "acme", Table: "contacts"}}, r.input)
	require.Equal(t, workflows.UpdateStart, r.update.UpdateOptions.UpdateName)
	require.Equal(t, client.WorkflowUpdateStageCompleted, r.update.UpdateOptions.WaitForStage)
}
