package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/internal/access"
	"causeway.dev/internal/phrase"
	"causeway.dev/internal/temporalcodec"
	"causeway.dev/internal/temporalconn"
	"causeway.dev/workflows"
)

// temporalClient is a Temporal on a real server.
type temporalClient struct {
	client   client.Client
	keys     *temporalcodec.Keys
	address  string
	space    string
	identity string // of whoever asks
	// askByWorkflow is set once the server has said that it has no standalone
	// activities, so that not every question is asked twice.
	askByWorkflow atomic.Bool
}

// clientOptions are the settings of the connection, as the operator gave them.
func clientOptions(to Address, env envconfig.EnvLookup) (client.Options, error) {
	file := temporalconn.Settings{Address: to.File.Address, Namespace: to.File.Namespace, Profile: to.File.Profile}
	options, err := temporalconn.Options(file, to.HostPort, to.Namespace, env)
	if err != nil {
		return client.Options{}, badInput("%v", err)
	}
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	options.Identity = strings.TrimSuffix("causeway "+to.By, " ")
	return options, nil
}

// Connect connects to a server, and fails when it does not answer. The caller closes the
// connection.
func Connect(ctx context.Context, to Address) (Temporal, error) {
	options, err := clientOptions(to, envconfig.EnvLookupOS)
	if err != nil {
		return nil, err
	}
	keys, err := KeysOf(to.File)
	if err != nil {
		return nil, err
	}
	keys.Apply(&options)
	options.Interceptors = append(options.Interceptors, &sendPermit{headers: Headers{keys.Converter()}})
	c, err := client.DialContext(ctx, options)
	if reason := lockedOut(err); reason != "" {
		return nil, denied("Temporal at %s does not let you in (%s); check the API key or certificate", options.HostPort, reason)
	}
	if err != nil {
		return nil, unreachable("no Temporal server answers at %s (%s); start it, or name another with TEMPORAL_ADDRESS, --address or temporal.address",
			options.HostPort, phrase.OneLine(err.Error()))
	}
	return &temporalClient{client: c, keys: keys, address: options.HostPort, space: options.Namespace, identity: options.Identity}, nil
}

func (t *temporalClient) Close()            { t.client.Close() }
func (t *temporalClient) Namespace() string { return t.space }

// Start sets every search attribute at once, because an attribute that the
// namespace lacks is refused here but would block a running workflow.
func (t *temporalClient) Start(ctx context.Context, flow workflows.FlowID, summary string, request workflows.StartRequest) (workflows.Status, error) {
	workflowType, input := flow.Owner()
	start := t.client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: flow.WorkflowID(), TaskQueue: workflows.QueueMain,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:            summary,
		Memo:                     map[string]any{"started_by": request.By},
		TypedSearchAttributes: temporal.NewSearchAttributes(
			workflows.AttrFlow.ValueSet(flow.Flow), workflows.AttrTable.ValueSet(flow.Name()),
			workflows.AttrState.ValueSet(string(workflows.StateStopped)), workflows.AttrRevision.ValueSet(request.Revision),
			workflows.AttrRead.ValueSet(0), workflows.AttrWritten.ValueSet(0), workflows.AttrQuarantined.ValueSet(0)),
	}, workflowType, input)
	var status workflows.Status
	handle, err := t.client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions:          updateOptions(ctx, flow.WorkflowID(), workflows.UpdateStart, request),
	})
	if err == nil {
		err = handle.Get(ctx, &status)
	}
	if invalid, ok := errors.AsType[*serviceerror.InvalidArgument](err); ok {
		return status, failed("Temporal refuses to start %s (%s); if a search attribute is missing, run: causeway setup", flow.Name(), phrase.OneLine(invalid.Message))
	}
	return status, t.explain(err)
}

func (t *temporalClient) Begin(ctx context.Context, workflowID, workflowType, summary string, found temporal.SearchAttributes, input any) (bool, error) {
	_, err := t.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflowID, TaskQueue: workflows.QueueMain, StaticSummary: summary,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		TypedSearchAttributes:                    found,
	}, workflowType, input)
	if _, running := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); running {
		return false, nil
	}
	return err == nil, t.explain(err)
}

func (t *temporalClient) Update(ctx context.Context, workflowID, name string, request, answer any) error {
	handle, err := t.client.UpdateWorkflow(ctx, updateOptions(ctx, workflowID, name, request))
	if err == nil {
		err = handle.Get(ctx, answer)
	}
	return t.explain(err)
}

// updateOptions give an update the id of its permit, so that the server takes it once.
func updateOptions(ctx context.Context, workflowID, name string, request any) client.UpdateWorkflowOptions {
	permit, _ := access.PermitOf(ctx)
	return client.UpdateWorkflowOptions{
		UpdateID:   permit.Nonce,
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

func (t *temporalClient) Describe(ctx context.Context, workflowID string) (*Description, error) {
	answer, err := t.client.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return nil, t.explain(err)
	}
	if err := t.keys.Open(ctx, answer); err != nil {
		return nil, unopened(err)
	}
	d := describe(answer)
	if d.Stuck, err = t.stuck(ctx, answer); err != nil {
		return nil, err
	}
	return d, nil
}

// stuck says whether the workflow's own code fails.
func (t *temporalClient) stuck(ctx context.Context, answer *workflowservice.DescribeWorkflowExecutionResponse) (*Stuck, error) {
	found, err := temporalconn.FindStuck(ctx, t.client.WorkflowService(), t.space, answer)
	if err != nil || found == nil {
		return nil, t.explain(err)
	}
	return &Stuck{WorkflowID: answer.GetWorkflowExecutionInfo().GetExecution().GetWorkflowId(), NonDeterministic: found.Differs, Attempt: found.Attempt, Since: found.Since}, nil
}

func (t *temporalClient) WorkerSeen(ctx context.Context) (time.Time, error) {
	answer, err := t.client.DescribeTaskQueue(ctx, workflows.QueueMain, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err = t.explain(err); errors.Is(err, ErrNoWorker) {
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
