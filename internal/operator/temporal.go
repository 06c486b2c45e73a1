package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// Temporal is what an Instance asks of Temporal: Connect gives one on a real
// server, tests of the faces give one of their own. Its errors are *Error, ready to
// show, except ErrNotFound and ErrNoWorker, which an Instance explains.
type Temporal interface {
	// Start makes sure the owner of a flow runs and sends it the Start update.
	Start(ctx context.Context, flow workflows.FlowID, summary string, request workflows.StartRequest) (workflows.Status, error)
	// Begin starts a workflow of ours; false when one with its id runs already,
	// which is left alone. It is found by the search attributes.
	Begin(ctx context.Context, workflowID, workflowType, summary string, found temporal.SearchAttributes, input any) (bool, error)
	// Update sends an update and waits for its answer, a pointer. A request that
	// the workflow refuses is bad input.
	Update(ctx context.Context, workflowID, name string, request, answer any) error
	// Query asks a workflow; answer is a pointer.
	Query(ctx context.Context, workflowID, name string, answer any) error
	// Flows lists the tables of an instance whose owners run.
	Flows(ctx context.Context, instance string) ([]string, error)
	// Describe tells what the server knows of a workflow without any worker.
	Describe(ctx context.Context, workflowID string) (*Description, error)
	// Result reads the result of a workflow that has ended into a pointer.
	Result(ctx context.Context, workflowID string, result any) error
	// Run has a worker carry out one activity of workflows.QueueMain.
	Run(ctx context.Context, activity string, input, result any) error
	// Later leaves an activity for a worker to carry out, now or days from now.
	Later(ctx context.Context, activity string, input any) error
	// WorkerSeen is when a worker last asked for work on workflows.QueueMain; zero
	// when none has for minutes. It needs no worker to answer, and fails as
	// Unreachable when the server does not.
	WorkerSeen(ctx context.Context) (time.Time, error)
	Namespaces
	Histories
	Close()
}

// Namespaces is what Setup asks of Temporal.
type Namespaces interface {
	Namespace() string
	// Retention is how long the namespace keeps closed workflows; ErrNotFound
	// when there is no such namespace.
	Retention(ctx context.Context) (time.Duration, error)
	CreateNamespace(ctx context.Context, retention time.Duration) error
	// SearchAttributes lists the custom attributes; ErrNotFound while a new
	// namespace is not yet known everywhere, as with AddSearchAttributes.
	SearchAttributes(ctx context.Context) (map[string]enumspb.IndexedValueType, error)
	AddSearchAttributes(ctx context.Context, attributes map[string]enumspb.IndexedValueType) error
}

// Histories is what questions about runs ask of Temporal. Without a run id, the
// newest execution of the workflow is meant.
type Histories interface {
	// Execution tells of one execution.
	Execution(ctx context.Context, workflowID, runID string) (*Execution, error)
	// Executions lists the executions of a workflow id, the newest first.
	Executions(ctx context.Context, workflowID string) ([]Execution, error)
	// History hands the events of an execution to each, which may end it with
	// ErrEnough.
	History(ctx context.Context, workflowID, runID string, each func(*historypb.HistoryEvent) error) error
	// Reset takes an execution back to before a WorkflowTaskCompleted event, in a
	// new execution, whose run id it returns.
	Reset(ctx context.Context, workflowID, runID string, event int64, reason string) (string, error)
	// Cancel asks a workflow to end.
	Cancel(ctx context.Context, workflowID string) error
}

var (
	ErrNotFound = errors.New("no such workflow")
	ErrNoWorker = errors.New("no worker answers")
	ErrEnough   = errors.New("enough was read") // ends reading a history; it is no failure
)

// ErrCode is the ErrNoWorker of a question about a workflow whose own code fails: our
// workflows answer every query, so the worker could not replay the history.
var ErrCode = fmt.Errorf("%w: its workflow code fails", ErrNoWorker)

// Description is what the server knows of a workflow.
type Description struct {
	Running     bool
	Ended       string // how, when not Running: Terminated, Failed
	State       string // search attribute CausewayState
	Read        int64  // search attribute CausewayRead; of finished runs
	Written     int64
	Quarantined int64
	Pending     []Pending
	Stuck       *Stuck // nil: its code does not fail
}

// Stuck is a workflow whose own code fails whenever a worker takes its task.
type Stuck struct {
	WorkflowID       string    `json:"workflow_id"`
	NonDeterministic bool      `json:"non_deterministic"` // the code does something else than the history holds
	Attempt          int       `json:"attempt"`           // of the task; 0 when a question showed it before any task did
	Since            time.Time `json:"since,omitzero"`
}

// Sentence says what fails, and what to do. name is that of the flow or the run.
func (s Stuck) Sentence(now time.Time, name string) string {
	when := ""
	if s.Attempt > 0 {
		when = fmt.Sprintf(" (attempt %d, since %s)", s.Attempt, phrase.Moment(now, s.Since))
	}
	if !s.NonDeterministic {
		return fmt.Sprintf("the workflow code of a worker fails on %s%s, so nothing flows and nothing is lost; the worker's log says why; start a worker of a build that works", name, when)
	}
	return fmt.Sprintf("the workflow code of a worker is not that which began %s%s, so nothing flows and nothing is lost; where they differ: causeway runs verify %s; start a worker of the build that fits, and it goes on by itself", name, when, name)
}

// Retried is the work that failed and is tried again, or that waits by itself for a service.
// Lanes that wait for the same service are told once.
func (d *Description) Retried() []Pending {
	var out []Pending
	told := map[string]bool{}
	for _, p := range d.Pending {
		switch {
		case p.Attempt > 1 && !p.Well:
			out = append(out, p)
		case p.Waits != nil && !told[p.Activity+" "+p.Waits.For]:
			told[p.Activity+" "+p.Waits.For] = true
			out = append(out, p)
		}
	}
	return out
}

// Pending is work in hand, or waiting for another attempt.
type Pending struct {
	Activity    string    `json:"activity"`
	Attempt     int       `json:"attempt"`
	LastFailure string    `json:"last_failure,omitempty"`
	Since       time.Time `json:"since,omitzero"` // of the first attempt
	NextTry     time.Time `json:"next_try,omitzero"`
	IDs         int64     `json:"ids,omitempty"` // that a baseline has read before its first page
	// Waits is a wait that the activity makes itself, at whatever attempt.
	Waits   *activities.Wait `json:"waits,omitempty"`
	Checked time.Time        `json:"-"` // an owner that waits has asked its source then, and it had nothing new

	Well bool              `json:"-"` // this attempt is at work and has asked its source, so what failed is over
	Lane activities.Counts `json:"-"` // what a lane that is not finished has settled so far
}

// Sentence says what failed, how often and since when, and when it is tried again if that
// is not soon: a service may ask to wait for hours.
func (p Pending) Sentence(now time.Time) string {
	if w := p.Waits; w != nil && p.Attempt <= 1 {
		return fmt.Sprintf("%s waits for %s, which asked to be left alone, since %s, until %s (%s)", p.Activity, w.For, phrase.Moment(now, w.Since),
			phrase.Clock(now, w.Until), phrase.Until(now, w.Until))
	}
	line := fmt.Sprintf("%s, attempt %d, last failure: %s, since %s", p.Activity, p.Attempt, cmp.Or(p.LastFailure, "unknown"), phrase.Moment(now, p.Since))
	if p.NextTry.After(now.Add(2 * time.Minute)) {
		line += fmt.Sprintf("; next try at %s (%s)", phrase.Clock(now, p.NextTry), phrase.Until(now, p.NextTry))
	}
	return line
}

// Execution is one execution of a workflow, as the server tells of it.
type Execution struct {
	WorkflowID  string    `json:"workflow_id"`
	RunID       string    `json:"run_id"`
	Type        string    `json:"type"`
	Status      string    `json:"status"` // Running, Completed, Failed, Canceled, Terminated, ContinuedAsNew, TimedOut
	Started     time.Time `json:"started"`
	Closed      time.Time `json:"closed,omitzero"`
	Events      int64     `json:"events"`
	Bytes       int64     `json:"bytes"`
	TaskAttempt int       `json:"task_attempt,omitempty"` // of the workflow task in hand; above 1 the code fails
	Pending     []Pending `json:"pending,omitempty"`
}

// Running says that it has not ended.
func (x *Execution) Running() bool { return x.Status == "Running" }

// Stuck says that the workflow's own code fails, which nothing but other code ends.
func (x *Execution) Stuck() bool { return x.Running() && x.TaskAttempt > 1 }

// Address says which Temporal server to talk to.
type Address struct {
	File      config.Temporal // beneath the environment
	HostPort  string          // above it, "" when not given
	Namespace string          // above it, "" when not given
	By        string          // who asks, for Temporal's own records
}
