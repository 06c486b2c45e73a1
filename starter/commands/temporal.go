package commands

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/workflows"
)

// temporalAPI is what the commands ask of Temporal. Its errors are *failure,
// ready to print, except errNotFound and errNoWorker, which commands explain.
type temporalAPI interface {
	// Start makes sure the owner of a flow runs and sends it the Start update.
	Start(ctx context.Context, s flowStart) (workflows.Status, error)
	// Begin starts a workflow of ours; false when one with its id runs already,
	// which is left alone.
	Begin(ctx context.Context, workflowID, workflowType, summary string, input any) (bool, error)
	// Update sends an update and waits for its answer, a pointer. A request that
	// the workflow refuses is bad input.
	Update(ctx context.Context, workflowID, name string, request, answer any) error
	// Query asks a workflow; answer is a pointer.
	Query(ctx context.Context, workflowID, name string, answer any) error
	// Flows lists the tables of an instance whose owners run.
	Flows(ctx context.Context, instance string) ([]string, error)
	// Describe tells what the server knows of a workflow without any worker.
	Describe(ctx context.Context, workflowID string) (*description, error)
	// Result reads the result of a workflow that has ended into a pointer.
	Result(ctx context.Context, workflowID string, result any) error
	// Run executes a standalone activity on workflows.QueueMain.
	Run(ctx context.Context, activity string, input, result any) error
	// WorkerSeen is when a worker last asked for work on workflows.QueueMain; zero
	// when none has for minutes. It needs no worker to answer, and fails as
	// unreachable when the server does not.
	WorkerSeen(ctx context.Context) (time.Time, error)
	// Later leaves a standalone activity for a worker to carry out, now or days from now.
	Later(ctx context.Context, activity string, input any) error
	namespaceAPI
	historyAPI
	Close()
}

// flowStart is how a flow is started: its owner, if there is none, and the update.
type flowStart struct {
	id           workflows.FlowID
	summary      string
	request      workflows.StartRequest
	revision, by string
}

// namespaceAPI is what setup asks of Temporal.
type namespaceAPI interface {
	Namespace() string
	// Retention is how long the namespace keeps closed workflows; errNotFound
	// when there is no such namespace.
	Retention(ctx context.Context) (time.Duration, error)
	CreateNamespace(ctx context.Context, retention time.Duration) error
	// SearchAttributes lists the custom attributes; errNotFound while a new
	// namespace is not yet known everywhere, as with AddSearchAttributes.
	SearchAttributes(ctx context.Context) (map[string]enumspb.IndexedValueType, error)
	AddSearchAttributes(ctx context.Context, attributes map[string]enumspb.IndexedValueType) error
}

var (
	errNotFound = errors.New("no such workflow")
	errNoWorker = errors.New("no worker answers")
)

// description is what the server knows of a workflow.
type description struct {
	Running     bool
	Ended       string // how, when not Running: Terminated, Failed
	State       string // search attribute CausewayState
	Read        int64  // search attribute CausewayRead; of finished runs
	Written     int64
	Quarantined int64
	Pending     []pendingActivity
}

// pendingActivity is work in hand, or waiting for another attempt.
type pendingActivity struct {
	Activity    string    `json:"activity"`
	Attempt     int       `json:"attempt"`
	LastFailure string    `json:"last_failure,omitempty"`
	Since       time.Time `json:"since,omitzero"` // of the first attempt
	IDs         int64     `json:"ids,omitempty"`  // that a baseline has read before its first page

	Lane activities.Counts `json:"-"` // what a lane that is not finished has settled so far
}

// connection says which Temporal server to talk to.
type connection struct {
	file      config.Temporal // beneath the environment
	address   string          // above it, "" when not given
	namespace string
	operator  string
}
