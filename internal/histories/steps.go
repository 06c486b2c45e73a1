// Package histories reads Temporal's histories for support: what a run did and
// where it failed, the event to reset it to, and whether this build's code would
// have done the same. internal/operator and the command line call it.
package histories

import (
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
)

// Step sums up the activities of one type that a workflow ran, or its child workflows
// of one type.
type Step struct {
	Name        string    `json:"name"` // type of the activity or child
	Child       bool      `json:"child,omitempty"`
	Times       int       `json:"times"`    // begun
	Attempts    int       `json:"attempts"` // of those that ended; Retrying adds those that are open
	Done        int       `json:"done"`
	Failed      int       `json:"failed,omitempty"` // given up, or timed out
	Cancelled   int       `json:"cancelled,omitempty"`
	LastFailure string    `json:"last_failure,omitempty"` // also of an attempt after which there was another
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
}

// Open is how many have begun and not ended.
func (s Step) Open() int { return s.Times - s.Done - s.Failed - s.Cancelled }

// Summary sums up the histories of a workflow. It holds counts only, so that
// histories of any length can be added to it.
type Summary struct {
	Type          string   `json:"type"`
	WorkflowID    string   `json:"-"`
	Executions    int      `json:"executions"` // continued as new, or reset, one after the other
	Events        int64    `json:"events"`
	Steps         []*Step  `json:"steps"` // in the order they were first begun
	Failure       string   `json:"failure,omitempty"`
	TaskFailures  int      `json:"task_failures,omitempty"` // of workflow tasks: the code itself failed
	TaskFailure   string   `json:"task_failure,omitempty"`  // the last
	ContinuedFrom string   `json:"-"`                       // run id of the execution before the one added last
	ResetFrom     []string `json:"-"`                       // run ids that it was reset from

	steps   map[string]*Step
	pending map[int64]*Step // by the event that began them
}

// Add takes in the next event of an execution. The executions of a run are added
// oldest first.
func (s *Summary) Add(e *historypb.HistoryEvent) {
	s.Events++
	at := e.GetEventTime().AsTime()
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		a := e.GetWorkflowExecutionStartedEventAttributes()
		s.Executions++
		s.Type, s.WorkflowID, s.ContinuedFrom, s.Failure = a.GetWorkflowType().GetName(), a.GetWorkflowId(), a.GetContinuedExecutionRunId(), ""
		s.pending = map[int64]*Step{}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		s.begin(e.GetEventId(), e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName(), false, at)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		a := e.GetActivityTaskStartedEventAttributes()
		if step := s.pending[a.GetScheduledEventId()]; step != nil {
			step.Attempts += int(a.GetAttempt())
			step.failed(a.GetLastFailure())
		}
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		step := s.begin(e.GetEventId(), e.GetStartChildWorkflowExecutionInitiatedEventAttributes().GetWorkflowType().GetName(), true, at)
		step.Attempts++
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:
		a := e.GetWorkflowTaskFailedEventAttributes()
		if a.GetCause() == enumspb.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW {
			s.ResetFrom = append(s.ResetFrom, a.GetBaseRunId())
			return
		}
		s.TaskFailures++
		s.TaskFailure = a.GetCause().String() + ": " + Innermost(a.GetFailure())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
		s.Failure = Innermost(e.GetWorkflowExecutionFailedEventAttributes().GetFailure())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
		s.Failure = "timed out"
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
		s.Failure = "terminated: " + e.GetWorkflowExecutionTerminatedEventAttributes().GetReason()
	default:
		s.end(e, at)
	}
}

func (s *Summary) begin(event int64, name string, child bool, at time.Time) *Step {
	if s.steps == nil {
		s.steps = map[string]*Step{}
	}
	step := s.steps[name]
	if step == nil {
		step = &Step{Name: name, Child: child, First: at}
		s.steps[name] = step
		s.Steps = append(s.Steps, step)
	}
	step.Times++
	step.Last = at
	s.pending[event] = step
	return step
}

// end takes in an event that ends a step, and ignores any other.
func (s *Summary) end(e *historypb.HistoryEvent, at time.Time) {
	began, outcome, failure := ending(e)
	step := s.pending[began]
	if outcome == "" || step == nil {
		return
	}
	delete(s.pending, began)
	step.Last = at
	switch outcome {
	case done:
		step.Done++
	case failed:
		step.Failed++
	case cancelled:
		step.Cancelled++
	}
	step.failed(failure)
}

const (
	done      = "done"
	failed    = "failed"
	cancelled = "cancelled"
)

// ending reads an event that ends a step: which event began the step, how it ended,
// and why.
func ending(e *historypb.HistoryEvent) (began int64, outcome string, why *failurepb.Failure) {
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		return e.GetActivityTaskCompletedEventAttributes().GetScheduledEventId(), done, nil
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		a := e.GetActivityTaskFailedEventAttributes()
		return a.GetScheduledEventId(), failed, a.GetFailure()
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		a := e.GetActivityTaskTimedOutEventAttributes()
		return a.GetScheduledEventId(), failed, a.GetFailure()
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
		return e.GetActivityTaskCanceledEventAttributes().GetScheduledEventId(), cancelled, nil
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED:
		return e.GetChildWorkflowExecutionCompletedEventAttributes().GetInitiatedEventId(), done, nil
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED:
		a := e.GetChildWorkflowExecutionFailedEventAttributes()
		return a.GetInitiatedEventId(), failed, a.GetFailure()
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT:
		return e.GetChildWorkflowExecutionTimedOutEventAttributes().GetInitiatedEventId(), failed, nil
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED:
		return e.GetChildWorkflowExecutionTerminatedEventAttributes().GetInitiatedEventId(), failed, nil
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED:
		return e.GetStartChildWorkflowExecutionFailedEventAttributes().GetInitiatedEventId(), failed, nil
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED:
		return e.GetChildWorkflowExecutionCanceledEventAttributes().GetInitiatedEventId(), cancelled, nil
	}
	return 0, "", nil
}

// Retrying adds what the server reports about an open activity. The attempts of an
// activity enter its history only when it ends.
func (s *Summary) Retrying(activity string, attempt int, failure string) {
	if step := s.steps[activity]; step != nil {
		step.Attempts += attempt
		if failure != "" {
			step.LastFailure = failure
		}
	}
}

func (s *Step) failed(f *failurepb.Failure) {
	if f != nil {
		s.LastFailure = Innermost(f)
	}
}

// Innermost returns the message of a failure's first cause, which says what happened.
func Innermost(f *failurepb.Failure) string {
	for f.GetCause() != nil {
		f = f.GetCause()
	}
	return f.GetMessage()
}

// causes lists a failure and its causes, outermost first.
func causes(f *failurepb.Failure) []*failurepb.Failure {
	var all []*failurepb.Failure
	for ; f != nil; f = f.GetCause() {
		all = append(all, f)
	}
	return slices.Clip(all)
}
