package histories

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sort"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Difference is the place in a history at which workflow code does something else.
type Difference struct {
	Event   int64  `json:"event"`             // the first that differs
	Task    int64  `json:"task"`              // of the WorkflowTaskCompleted that caused it; a reset asks for it
	History string `json:"history"`           // what the history has there
	Code    string `json:"code"`              // what the code does instead
	Message string `json:"message,omitempty"` // of the SDK
}

func (d *Difference) String() string {
	return fmt.Sprintf("event %d: the history has %s, this build's code %s", d.Event, d.History, d.Code)
}

// ErrUnknownType is returned for a history of a workflow that is not registered.
var ErrUnknownType = errors.New("this build has no such workflow")

// Verify replays the history of one execution against the workflows that register
// registers. It returns nil when they do the same again. workflowID is used when the
// history does not hold it.
//
// The SDK says what differs, but not where. Verify finds the place by replaying parts
// of the history, since code that differs at an event agrees with all events before.
func Verify(history *historypb.History, workflowID string, register func(worker.WorkflowReplayer)) (*Difference, error) {
	events := history.GetEvents()
	if len(events) == 0 || events[0].GetWorkflowExecutionStartedEventAttributes() == nil {
		return nil, errors.New("it does not begin with WorkflowExecutionStarted: it is not a history, or not all of one")
	}
	for i, e := range events {
		if e.GetEventId() != int64(i+1) {
			return nil, fmt.Errorf("event %d is followed by event %d: a part is missing", i, e.GetEventId())
		}
	}
	v := &verifier{events: events, register: register}
	started := events[0].GetWorkflowExecutionStartedEventAttributes()
	v.execution = workflow.Execution{ID: started.GetWorkflowId(), RunID: started.GetOriginalExecutionRunId()}
	if v.execution.ID == "" {
		v.execution.ID = workflowID
	}
	if len(events) < minEvents {
		return nil, nil // the workflow has done nothing yet
	}
	if known := v.knows(started.GetWorkflowType().GetName()); !known {
		return nil, fmt.Errorf("%w: %s", ErrUnknownType, started.GetWorkflowType().GetName())
	}
	all := v.replay(len(events))
	if all == nil {
		return v.last(), nil
	}
	return v.locate(all), nil
}

// last compares the commands of the last completed task. The SDK does not compare
// them while the task after it is not completed, although the code may differ there.
// A part of the history that ends with these commands must replay.
func (v *verifier) last() (differs *Difference) {
	task := int(v.taskBefore(len(v.events))) // an event's id is its place in the history
	if task < minEvents {
		return nil
	}
	for n := task; n <= len(v.events); n++ {
		if v.events[n-1].GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED {
			break
		}
		err := v.replay(n)
		if err == nil {
			return nil
		}
		differs = v.difference(n, err)
		if !strings.Contains(err.Error(), extra) {
			break
		}
	}
	return differs
}

const minEvents = 3 // the fewest that the SDK replays

type verifier struct {
	events    []*historypb.HistoryEvent
	execution workflow.Execution
	register  func(worker.WorkflowReplayer)
}

// names collects the types of workflows that are registered.
type names struct {
	worker.WorkflowReplayer
	known map[string]bool
}

func (n *names) RegisterWorkflowWithOptions(w any, o workflow.RegisterOptions) {
	n.known[o.Name] = true
	n.WorkflowReplayer.RegisterWorkflowWithOptions(w, o)
}

func (v *verifier) knows(name string) bool {
	n := &names{WorkflowReplayer: worker.NewWorkflowReplayer(), known: map[string]bool{}}
	v.register(n)
	return n.known[name]
}

// replay runs the first n events through the code. Deadlock detection is off, because
// code that waits for a busy processor would count as a difference.
func (v *verifier) replay(n int) error {
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableDeadlockDetection: true})
	if err != nil {
		return err
	}
	v.register(replayer)
	return replayer.ReplayWorkflowHistoryWithOptions(log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		&historypb.History{Events: v.events[:n:n]}, worker.ReplayWorkflowHistoryOptions{OriginalExecution: v.execution})
}

// How the SDK reports commands that do not match events.
const (
	extra    = "nondeterministic workflow: extra replay command for "
	missing  = "nondeterministic workflow: missing replay command for "
	mismatch = ", replay command is "

	mismatchCode = "[TMPRL1100]" // in every kind of report
	nothingMore  = "does nothing, or ends"
)

// locate finds the event at which the code differs: first the workflow task, by
// halving, then the event within it. A part that ends within the commands of a task
// lacks the rest of them. The SDK reports these as extra commands, which is no
// difference.
func (v *verifier) locate(all error) *Difference {
	ends := []int{} // lengths of the parts that end with the start of a task
	for i, e := range v.events {
		if e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED && i+1 >= minEvents {
			ends = append(ends, i+1)
		}
	}
	ends = append(ends, len(v.events))
	first := sort.Search(len(ends)-1, func(i int) bool { return v.replay(ends[i]) != nil })
	// The commands of a task are compared when the task after it has begun.
	from := ends[max(first-3, 0)]
	for n := from; n < ends[first]; n++ {
		if err := v.replay(n); err != nil && !strings.Contains(err.Error(), extra) {
			return v.difference(n, err)
		}
	}
	if first < len(ends)-1 {
		all = v.replay(ends[first])
	}
	return v.difference(ends[first], all)
}

// difference describes the n-th event, at which history and code differ.
func (v *verifier) difference(n int, err error) *Difference {
	d := &Difference{Message: strings.Join(strings.Fields(err.Error()), " ")}
	d.Task = v.taskBefore(n)
	e := v.events[n-1]
	d.Event, d.History = e.GetEventId(), Named(e)
	if _, command, ok := strings.Cut(d.Message, extra); ok {
		d.Event, d.History, d.Code = d.Task, "nothing more in the task that it completes", "goes on with "+commandName(command)
	} else if _, command, ok := strings.Cut(d.Message, mismatch); ok {
		d.Code = "does " + commandName(command)
	} else if strings.Contains(d.Message, missing) {
		d.Code = nothingMore
	} else if strings.Contains(d.Message, mismatchCode) {
		// Nothing in the code waits for this event. A replay that ends before it shows
		// what the code commands in its place.
		d.Code = nothingMore
		if _, command, ok := strings.Cut(fmt.Sprint(v.replay(max(n-1, minEvents))), extra); ok {
			d.Code = "does " + commandName(command)
		}
	} else {
		d.Code = "fails: " + d.Message
	}
	return d
}

// taskBefore returns the last task that was completed before the n-th event, or by it.
func (v *verifier) taskBefore(n int) int64 {
	for i := n - 1; i >= 0; i-- {
		if v.events[i].GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			return v.events[i].GetEventId()
		}
	}
	return 0
}

var commandType = regexp.MustCompile(`^(\w+)(?:.*?(?:ActivityType|WorkflowType):\(Name:(\w+)\))?`)

// commandName shortens a command that the SDK printed to its type and name.
func commandName(s string) string {
	m := commandType.FindStringSubmatch(s)
	if m == nil {
		return s
	}
	return strings.TrimSpace(m[1] + " " + m[2])
}

// Named returns the type of an event with the name of its activity, child workflow,
// marker or signal.
func Named(e *historypb.HistoryEvent) string {
	name := ""
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		name = e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		name = e.GetStartChildWorkflowExecutionInitiatedEventAttributes().GetWorkflowType().GetName()
	case enumspb.EVENT_TYPE_MARKER_RECORDED:
		name = e.GetMarkerRecordedEventAttributes().GetMarkerName()
	case enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED:
		name = e.GetSignalExternalWorkflowExecutionInitiatedEventAttributes().GetSignalName()
	}
	return strings.TrimSpace(e.GetEventType().String() + " " + name)
}
