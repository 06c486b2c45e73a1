package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/durationpb"

	"causeway.dev/internal/temporalconn"
	"causeway.dev/workflows"
)

// temporalClient is temporalAPI on a real server.
type temporalClient struct {
	client  client.Client
	address string
	space   string
}

// clientOptions are the settings of the connection, as the operator gave them.
func clientOptions(conn connection, env envconfig.EnvLookup) (client.Options, error) {
	file := temporalconn.Settings{Address: conn.file.Address, Namespace: conn.file.Namespace, Profile: conn.file.Profile}
	options, err := temporalconn.Options(file, conn.address, conn.namespace, env)
	if err != nil {
		return client.Options{}, badInput("%v", err)
	}
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	options.Identity = strings.TrimSuffix("causeway "+conn.operator, " ")
	return options, nil
}

// dial connects; an unreachable server is found out here.
func dial(ctx context.Context, conn connection) (temporalAPI, error) {
	options, err := clientOptions(conn, envconfig.EnvLookupOS)
	if err != nil {
		return nil, err
	}
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, unreachable("no Temporal server answers at %s (%s); start it, or name another with TEMPORAL_ADDRESS, --address or temporal.address",
			options.HostPort, oneLine(err.Error()))
	}
	return &temporalClient{client: c, address: options.HostPort, space: options.Namespace}, nil
}

func (t *temporalClient) Close()            { t.client.Close() }
func (t *temporalClient) Namespace() string { return t.space }

// Start sets every search attribute at once, because an attribute that the
// namespace lacks is refused here but would block a running workflow.
func (t *temporalClient) Start(ctx context.Context, s flowStart) (workflows.Status, error) {
	workflowType, input := s.id.Owner()
	start := t.client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: s.id.WorkflowID(), TaskQueue: workflows.QueueMain,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:            s.summary,
		Memo:                     map[string]any{"started_by": s.by},
		TypedSearchAttributes: temporal.NewSearchAttributes(
			workflows.AttrFlow.ValueSet(s.id.Flow), workflows.AttrTable.ValueSet(s.id.Name()),
			workflows.AttrState.ValueSet(string(workflows.StateStopped)), workflows.AttrRevision.ValueSet(s.revision),
			workflows.AttrRead.ValueSet(0), workflows.AttrWritten.ValueSet(0), workflows.AttrQuarantined.ValueSet(0)),
	}, workflowType, input)
	var status workflows.Status
	handle, err := t.client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions:          updateOptions(s.id.WorkflowID(), workflows.UpdateStart, s.request),
	})
	if err == nil {
		err = handle.Get(ctx, &status)
	}
	if invalid, ok := errors.AsType[*serviceerror.InvalidArgument](err); ok {
		return status, failed("Temporal refuses to start %s (%s); if a search attribute is missing, run: causeway setup", s.id.Name(), oneLine(invalid.Message))
	}
	return status, t.explain(err)
}

func (t *temporalClient) Begin(ctx context.Context, workflowID, workflowType, summary string, input any) (bool, error) {
	_, err := t.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflowID, TaskQueue: workflows.QueueMain, StaticSummary: summary,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, workflowType, input)
	if _, running := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); running {
		return false, nil
	}
	return err == nil, t.explain(err)
}

func (t *temporalClient) Update(ctx context.Context, workflowID, name string, request, answer any) error {
	handle, err := t.client.UpdateWorkflow(ctx, updateOptions(workflowID, name, request))
	if err == nil {
		err = handle.Get(ctx, answer)
	}
	return t.explain(err)
}

func updateOptions(workflowID, name string, request any) client.UpdateWorkflowOptions {
	return client.UpdateWorkflowOptions{
		WorkflowID: workflowID, UpdateName: name, Args: []any{request}, WaitForStage: client.WorkflowUpdateStageCompleted,
	}
}

func (t *temporalClient) Query(ctx context.Context, workflowID, name string, answer any) error {
	value, err := t.client.QueryWorkflow(ctx, workflowID, "", name)
	if err == nil {
		err = value.Get(answer)
	}
	return t.explain(err)
}

func (t *temporalClient) Result(ctx context.Context, workflowID string, result any) error {
	return t.explain(t.client.GetWorkflow(ctx, workflowID, "").Get(ctx, result))
}

func (t *temporalClient) Flows(ctx context.Context, instance string) ([]string, error) {
	var out []string
	req := &workflowservice.ListWorkflowExecutionsRequest{Namespace: t.space, PageSize: 100,
		Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running'", workflows.TypeTableSync)}
	for {
		answer, err := t.client.ListWorkflow(ctx, req)
		if err != nil {
			return nil, t.explain(err)
		}
		for _, info := range answer.GetExecutions() {
			if table, ours := strings.CutPrefix(info.GetExecution().GetWorkflowId(), workflows.TableFlow(instance, "").WorkflowID()); ours {
				out = append(out, table)
			}
		}
		if req.NextPageToken = answer.GetNextPageToken(); len(req.NextPageToken) == 0 {
			return out, nil
		}
	}
}

func (t *temporalClient) Describe(ctx context.Context, workflowID string) (*description, error) {
	answer, err := t.client.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return nil, t.explain(err)
	}
	return describe(answer), nil
}

// Run gives up with its caller, so that nothing is left waiting for a worker.
func (t *temporalClient) Run(ctx context.Context, activity string, input, result any) error {
	budget := time.Minute
	if deadline, ok := ctx.Deadline(); ok {
		budget = time.Until(deadline)
	}
	handle, err := t.client.ExecuteActivity(ctx, client.StartActivityOptions{
		ID:                     activity + "/" + newID(),
		TaskQueue:              workflows.QueueMain,
		ScheduleToCloseTimeout: budget,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 3},
		Summary:                "asked by causeway",
	}, activity, input)
	if err == nil {
		err = handle.Get(ctx, result)
	}
	return t.explain(err)
}

func (t *temporalClient) WorkerSeen(ctx context.Context) (time.Time, error) {
	answer, err := t.client.DescribeTaskQueue(ctx, workflows.QueueMain, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err = t.explain(err); errors.Is(err, errNoWorker) {
		return time.Time{}, unreachable("the Temporal server at %s does not answer any more; what was asked for may still be carried out", t.address)
	} else if err != nil {
		return time.Time{}, err
	}
	var seen time.Time
	for _, p := range answer.GetPollers() {
		if at := p.GetLastAccessTime().AsTime(); at.After(seen) {
			seen = at
		}
	}
	return seen, nil
}

func (t *temporalClient) Retention(ctx context.Context) (time.Duration, error) {
	answer, err := t.client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: t.space})
	if err != nil {
		return 0, t.explainNamespace(err)
	}
	return answer.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(), nil
}

func (t *temporalClient) CreateNamespace(ctx context.Context, retention time.Duration) error {
	_, err := t.client.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: t.space, Description: "Causeway: Dynamics 365 and Adobe Campaign in step", WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	if _, exists := errors.AsType[*serviceerror.NamespaceAlreadyExists](err); exists {
		return nil
	}
	return t.explain(err)
}

func (t *temporalClient) SearchAttributes(ctx context.Context) (map[string]enumspb.IndexedValueType, error) {
	answer, err := t.client.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: t.space})
	if err != nil {
		return nil, t.explainNamespace(err)
	}
	return answer.GetCustomAttributes(), nil
}

func (t *temporalClient) AddSearchAttributes(ctx context.Context, attributes map[string]enumspb.IndexedValueType) error {
	_, err := t.client.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: t.space, SearchAttributes: attributes,
	})
	return t.explainNamespace(err)
}

func newID() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s-%d-%d", host, os.Getpid(), time.Now().UnixNano())
}
