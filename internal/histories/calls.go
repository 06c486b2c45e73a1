package histories

import (
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

// Call is one activity that a workflow ran.
type Call struct {
	Name     string
	Input    []byte // the first argument, as it was sent
	Result   []byte // nil until it has ended well
	Attempts int    // 0 while it goes on: they enter a history only when it ends
	Outcome  string // done, failed, cancelled; "" while it goes on
	Failure  string // also of an attempt after which there was another
	Began    time.Time
	Ended    time.Time
}

// Calls collects the activities of some types, one by one, in the order in which they began.
type Calls struct {
	Of  map[string]bool // types that are collected
	All []*Call

	pending map[int64]*Call // by the event that began them
}

// Add takes in the next event of an execution. Executions are added oldest first.
func (c *Calls) Add(e *historypb.HistoryEvent) {
	at := e.GetEventTime().AsTime()
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		c.pending = map[int64]*Call{}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		a := e.GetActivityTaskScheduledEventAttributes()
		if name := a.GetActivityType().GetName(); c.Of[name] && c.pending != nil {
			one := &Call{Name: name, Input: first(a.GetInput()), Began: at}
			c.All, c.pending[e.GetEventId()] = append(c.All, one), one
		}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		a := e.GetActivityTaskStartedEventAttributes()
		if one := c.pending[a.GetScheduledEventId()]; one != nil {
			one.Attempts = int(a.GetAttempt())
			if a.GetLastFailure() != nil {
				one.Failure = Innermost(a.GetLastFailure())
			}
		}
	default:
		began, outcome, failure := ending(e)
		one := c.pending[began]
		if outcome == "" || one == nil {
			return
		}
		delete(c.pending, began)
		one.Outcome, one.Ended = outcome, at
		if failure != nil {
			one.Failure = Innermost(failure)
		}
		one.Result = first(e.GetActivityTaskCompletedEventAttributes().GetResult())
	}
}

func first(p *commonpb.Payloads) []byte {
	if all := p.GetPayloads(); len(all) > 0 {
		return all[0].GetData()
	}
	return nil
}
