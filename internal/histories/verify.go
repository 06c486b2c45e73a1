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

// Difference is where workflow code does not do again what a history holds.
type Difference struct {
	Event   int64  `json:"event"`             // the first that differs
	Task    int64  `json:"task"`              // the WorkflowTaskCompleted that brought it about; a reset takes it
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
// registers; nil when they do again what it holds. workflowID is used when the
// history does not say it.
//
// The SDK tells what differs and not where. Where is found by replaying parts of
// the history: code that differs at an event agrees with everything before it.
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
		return nil, nil // nothing was done yet
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

// last compares what the last completed task commanded, which the SDK leaves out
// while the task after it is not completed: that may be the one that fails. A
// part that ends with these commands has to agree.
func (v *verifier) last() (differs *Difference) {
	task := int(v.taskBefore(len(v.events))) // its event is this many from the start
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

const minEvents = 3 // that the SDK replays

type verifier struct {
	events    []*historypb.HistoryEvent
	execution workflow.Execution
	register  func(worker.WorkflowReplayer)
}

// names collects what is registered.
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

// replay runs the first n events through the code, however long a busy machine
// takes: code that waits for the processor is no difference.
func (v *verifier) replay(n int) error {
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableDeadlockDetection: true})
	if err != nil {
		return err
	}
	v.register(replayer)
	return replayer.ReplayWorkflowHistoryWithOptions(log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		&historypb.History{Events: v.events[:n:n]}, worker.ReplayWorkflowHistoryOptions{OriginalExecution: v.execution})
}

// What the SDK says of commands that do not match events.
const (
	extra    = "nondeterministic workflow: extra replay command for "
	missing  = "nondeterministic workflow: missing replay command for "
	mismatch = ", replay command is "

	mismatchCode = "[TMPRL1100]" // of every kind of difference
	nothingMore  = "does nothing, or ends"
)

// locate narrows a failure down to an event: first to a workflow task, halving,
// then event by event. A part that ends within the commands of a task lacks the
// rest of them, which the SDK reports as extra commands; that is no difference.
func (v *verifier) locate(all error) *Difference {
	ends := []int{} // parts that end where a worker is handed a task
	for i, e := range v.events {
		if e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED && i+1 >= minEvents {
			ends = append(ends, i+1)
		}
	}
	ends = append(ends, len(v.events))
	first := sort.Search(len(ends)-1, func(i int) bool { return v.replay(ends[i]) != nil })
	// What a task commands is compared when the task after it has begun.
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

// difference says what is between the history and the code at the n-th event.
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
		// An event that nothing in the code waits for; what the code commands in its
		// place shows when the history ends before it.
		d.Code = nothingMore
		if _, command, ok := strings.Cut(fmt.Sprint(v.replay(max(n-1, minEvents))), extra); ok {
			d.Code = "does " + commandName(command)
		}
	} else {
		d.Code = "fails: " + d.Message
	}
	return d
}

// taskBefore is the last task completed before the n-th event, or by it.
func (v *verifier) taskBefore(n int) int64 {
	for i := n - 1; i >= 0; i-- {
		if v.events[i].GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			return v.events[i].GetEventId()
		}
	}
	return 0
}

var commandType = regexp.MustCompile(`^(\w+)(?:.*?(?:ActivityType|WorkflowType):\(Name:(\w+)\))?`)

// commandName is what is worth reading of a command as the SDK writes it.
func commandName(s string) string {
	m := commandType.FindStringSubmatch(s)
	if m == nil {
		return s
	}
	return strings.TrimSpace(m[1] + " " + m[2])
}

// Named is the type of an event, and what it is of.
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
