package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
		conn           connection
		env            variables
		address, space string
	}{
		"nothing said":                   {connection{}, nil, "localhost:7233", "default"},
		"the configuration file":         {connection{file: file}, nil, "file:1", "ns-file"},
		"the environment wins over it":   {connection{file: file}, variables{"TEMPORAL_ADDRESS": "env:1"}, "env:1", "ns-file"},
		"flags win over the environment": {connection{file: file, address: "flag:1"}, variables{"TEMPORAL_ADDRESS": "env:1", "TEMPORAL_NAMESPACE": "ns-env"}, "flag:1", "ns-env"},
		"a profile of Temporal's own":    {connection{file: config.Temporal{Address: "file:1", Profile: "green"}}, variables{"TEMPORAL_CONFIG_FILE": profiles}, "green:1", "ns-green"},
		"TEMPORAL_PROFILE wins": {connection{file: config.Temporal{Namespace: "ns-file", Profile: "green"}},
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
	_, err := clientOptions(connection{file: config.Temporal{Profile: "red"}}, variables{"TEMPORAL_CONFIG_FILE": profiles})
	require.ErrorContains(t, err, "connection settings of Temporal")
	require.Equal(t, exitBadInput, codeOf(err))
	for _, address := range []string{"foo", "foo:bar", "foo:", "::1"} {
		_, err := clientOptions(connection{address: address}, variables{"TEMPORAL_CONFIG_FILE": filepath.Join(t.TempDir(), "none.toml")})
		require.EqualError(t, err, fmt.Sprintf("address of Temporal: got %q, want host:port, such as localhost:7233", address))
		require.Equal(t, exitBadInput, codeOf(err))
	}
}

func TestAnAPIKeyTurnsOnTLS(t *testing.T) {
	t.Parallel()
	got, err := clientOptions(connection{}, variables{"TEMPORAL_API_KEY": "k", "TEMPORAL_CONFIG_FILE": filepath.Join(t.TempDir(), "none.toml")})
	require.NoError(t, err)
	require.NotNil(t, got.Credentials)
}

func TestDialFailsWithWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := dial(t.Context(), connection{address: "127.0.0.1:1"})
	require.Equal(t, exitUnreachable, codeOf(err))
	require.ErrorContains(t, err, "no Temporal server answers at 127.0.0.1:1")
	require.ErrorContains(t, err, "start it, or name another with TEMPORAL_ADDRESS, --address or temporal.address")
}

func TestExecuteInProcess(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	code := Execute(t.Context(), []string{"status", "--config", configFile, "--address", "127.0.0.1:1"}, strings.NewReader(""), &out, &errs)
	require.Equal(t, exitUnreachable, code)
	require.Empty(t, out.String())
	require.Contains(t, errs.String(), "causeway: no Temporal server answers at 127.0.0.1:1")
}

func codeOf(err error) int {
	if fail, ok := errors.AsType[*failure](err); ok {
		return fail.code
	}
	return -1
}

func TestErrorsOfTheSDKAreExplained(t *testing.T) {
	t.Parallel()
	c := &temporalClient{address: "here:1", space: "acme"}
	require.NoError(t, c.explain(nil))
	for name, err := range map[string]error{
		"no such workflow":              serviceerror.NewNotFound("workflow not found"),
		"no such workflow, with a wrap": fmt.Errorf("updating: %w", serviceerror.NewNotFound("workflow not found")),
	} {
		require.ErrorIs(t, c.explain(err), errNotFound, name)
	}
	for name, err := range map[string]error{
		"the time is over":          context.DeadlineExceeded,
		"the server says so":        serviceerror.NewDeadlineExceeded("late"),
		"nobody polls":              serviceerror.NewFailedPrecondition("no poller seen for task queue recently, worker may be down"),
		"nothing ran yet":           serviceerror.NewWorkflowNotReady("not ready"),
		"an update without a taker": client.NewWorkflowUpdateServiceTimeoutOrCanceledError(context.DeadlineExceeded),
		"an activity without taker": temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, nil),
	} {
		require.ErrorIs(t, c.explain(err), errNoWorker, name)
	}
	tests := map[string]struct {
		err  error
		code int
		says string
	}{
		"refused by a validator": {temporal.NewApplicationError("contacts is STOPPED: there is nothing to stop", "errorString"),
			exitBadInput, "contacts is STOPPED: there is nothing to stop"},
		"the root of a failure": {temporal.NewApplicationErrorWithCause("wrapped", "wrapError", temporal.NewApplicationError("the reason", "Config")),
			exitBadInput, "the reason"},
		"no such namespace":      {serviceerror.NewNamespaceNotFound("acme"), exitUnreachable, `namespace "acme" does not exist at here:1; run: causeway setup`},
		"not allowed":            {serviceerror.NewPermissionDenied("no", ""), exitUnreachable, "Temporal at here:1 does not let you in (no); check the API key or certificate"},
		"server gone":            {serviceerror.NewUnavailable("closing"), exitUnreachable, "lost the Temporal server at here:1 (closing); try again"},
		"interrupted":            {client.NewWorkflowUpdateServiceTimeoutOrCanceledError(context.Canceled), exitFailed, "interrupted; what was asked for may still be carried out, see: causeway status"},
		"interrupted on the way": {serviceerror.NewCanceled("context canceled"), exitFailed, "interrupted; what was asked for may still be carried out, see: causeway status"},
		"an old server":          {serviceerror.NewUnimplemented("unknown method"), exitFailed, "the Temporal server at here:1 is too old for this (unknown method); it must be 1.32 or newer"},
		"anything else":          {serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "slow down"), exitFailed, "Temporal answered: slow down"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.explain(tc.err)
			require.Equal(t, tc.code, codeOf(err))
			require.EqualError(t, err, tc.says)
		})
	}
	require.ErrorIs(t, c.explainNamespace(serviceerror.NewNamespaceNotFound("acme")), errNotFound)
}

func TestDescribeReadsAttributesAndRetries(t *testing.T) {
	t.Parallel()
	payload := func(v any) *commonpb.Payload {
		p, err := converter.GetDefaultDataConverter().ToPayload(v)
		require.NoError(t, err)
		return p
	}
	got := describe(&workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
			Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
			SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
				"CausewayState": payload("PAUSED"), "CausewayRead": payload(10), "CausewayWritten": payload(7), "CausewayQuarantined": payload("three"),
			}},
		},
		PendingActivities: []*workflowpb.PendingActivityInfo{
			{ActivityType: &commonpb.ActivityType{Name: "WriteLane"}, Attempt: 7, ScheduledTime: timestamppb.New(noon),
				ExpirationTime: timestamppb.New(noon.Add(time.Hour)), LastFailure: &failurepb.Failure{Message: "campaign:\n503"},
				ActivityOptions:  &activitypb.ActivityOptions{ScheduleToCloseTimeout: durationpb.New(2 * time.Hour)},
				HeartbeatDetails: &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(activities.Counts{Read: 70, Created: 70})}}},
			{ActivityType: &commonpb.ActivityType{Name: "FetchPage"}, Attempt: 1, ScheduledTime: timestamppb.New(noon),
				HeartbeatDetails: &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(activities.AnchorBeat{IDs: 4_000})}}},
			{ActivityType: &commonpb.ActivityType{Name: "FetchPage"}, Attempt: 1, ScheduledTime: timestamppb.New(noon),
				HeartbeatDetails: &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(2)}}},
		},
	})
	require.Equal(t, &description{Running: true, State: "PAUSED", Read: 10, Written: 7, Pending: []pendingActivity{
		{Activity: "WriteLane", Attempt: 7, LastFailure: "campaign: 503", Since: noon.Add(-time.Hour), Lane: activities.Counts{Read: 70, Created: 70}}, // since the first attempt
		{Activity: "FetchPage", Attempt: 1, Since: noon, IDs: 4_000},
		{Activity: "FetchPage", Attempt: 1, Since: noon}, // beats in a shape of its own
	}}, got)
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
	r.activity = o
	return nil, r.err
}

func TestStartNeverJoinsSilently(t *testing.T) {
	t.Parallel()
	r := &recorder{err: serviceerror.NewInvalidArgument("search attribute CausewayRead is not defined")}
	c := &temporalClient{client: r, address: "here:1", space: "acme"}
	cfg, err := config.Load(configFile)
	require.NoError(t, err)
	f := &flow{env: &env{operator: "ada"}, g: &global{}, cfg: cfg, table: "contacts"}
	how, err := f.howToStart()
	require.NoError(t, err)
	_, err = c.Start(t.Context(), how)
	require.EqualError(t, err, "Temporal refuses to start contacts (search attribute CausewayRead is not defined); if a search attribute is missing, run: causeway setup")
	require.Equal(t, exitFailed, codeOf(err))

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

func TestStandaloneActivityEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	r := &recorder{err: serviceerror.NewDeadlineExceeded("")}
	c := &temporalClient{client: r}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	require.ErrorIs(t, c.Run(ctx, activities.ListQuarantine, nil, nil), errNoWorker)
	require.Equal(t, workflows.QueueMain, r.activity.TaskQueue)
	require.Positive(t, r.activity.ScheduleToCloseTimeout)
	require.LessOrEqual(t, r.activity.ScheduleToCloseTimeout, time.Hour)
	first := r.activity.ID
	require.ErrorIs(t, c.Run(ctx, activities.ListQuarantine, nil, nil), errNoWorker)
	require.NotEqual(t, first, r.activity.ID)
}
