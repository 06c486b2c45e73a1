package operator

import (
	"context"
	"errors"
	"io"
	"slices"

	historypb "go.temporal.io/api/history/v1"

	"causeway.dev/activities"
	"causeway.dev/internal/histories"
)

// maxShown is how many executions are summed up at most. An owner that has lived for
// months has more.
const maxShown = 20

// noHistoryText is the sentence about a run without a history. It may not be kept any more,
// or the flow carried the run out itself, which it does with few changes.
func (s *subject) noHistoryText() string {
	if s.kind == activities.KindDelta && s.table != "" {
		return "Temporal has no history of it any more, or it had none of its own: a flow carries out a few changes itself, and the steps are in the history of workflow " +
			s.flow().owner()
	}
	return "Temporal has no history of it any more: the namespace keeps it for a time after a run has ended, and no longer"
}

// steps sums up the executions of the subject, back to where they continued as new
// from, oldest first.
func (s *subject) steps(ctx context.Context) ([]Execution, *histories.Summary, error) {
	chain, err := s.chain(ctx, maxShown, false)
	if err != nil {
		return nil, nil, err
	}
	sum := &histories.Summary{}
	for _, x := range chain {
		err := s.opened(ctx, x.WorkflowID, x.RunID, func(e *historypb.HistoryEvent) error {
			sum.Add(e)
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	for _, p := range s.newest.Pending {
		sum.Retrying(p.Activity, p.Attempt, p.LastFailure)
	}
	return chain, sum, nil
}

// chain are the executions that followed each other by continuing as new, the oldest first;
// with resets also those that were reset. It begins behind one whose history is gone.
func (s *subject) chain(ctx context.Context, most int, resets bool) ([]Execution, error) {
	chain, seen := []Execution{*s.newest}, map[string]bool{s.newest.RunID: true}
	for next := []string{s.newest.RunID}; len(next) > 0 && len(chain) < most; {
		var links histories.Summary
		err := s.temporal.History(ctx, s.id, next[0], func(e *historypb.HistoryEvent) error {
			links.Add(e)
			if !resets {
				return ErrEnough // the first event says it
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		next = next[1:]
		before := links.ResetFrom
		if links.ContinuedFrom != "" {
			before = append(before, links.ContinuedFrom)
		}
		for _, id := range before {
			if seen[id] {
				continue
			}
			seen[id] = true
			switch x, err := s.temporal.Execution(ctx, s.id, id); {
			case errors.Is(err, ErrNotFound):
			case err != nil:
				return nil, err
			default:
				chain, next = append(chain, *x), append(next, id)
			}
		}
	}
	slices.SortStableFunc(chain, func(a, b Execution) int { return a.Started.Compare(b.Started) })
	return chain, nil
}

// history reads an execution as a whole; Temporal bounds it to 50 MiB.
func (i *Instance) history(ctx context.Context, x *Execution) (*historypb.History, error) {
	history := &historypb.History{}
	err := i.opened(ctx, x.WorkflowID, x.RunID, func(e *historypb.HistoryEvent) error {
		history.Events = append(history.Events, e)
		return nil
	})
	return history, err
}

// RunExecutions are the executions of a run's workflow, the oldest first, with those that
// were reset.
func (i *Instance) RunExecutions(ctx context.Context, name string) ([]Execution, error) {
	s, err := i.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if s.newest == nil {
		return nil, failed("run %s: %s; what the ledger knows: causeway runs show %s", name, s.noHistoryText(), name)
	}
	return s.chain(ctx, maxExecutions, true)
}

// Export writes the history of an execution in the form that the Temporal UI and replayers
// load, and returns how many events it has. What is sealed in Temporal stays sealed.
func (i *Instance) Export(ctx context.Context, x Execution, to io.Writer) (events int64, err error) {
	w := histories.NewWriter(to)
	err = i.temporal.History(ctx, x.WorkflowID, x.RunID, func(e *historypb.HistoryEvent) error {
		events++
		return w.Add(e)
	})
	if err == nil {
		err = w.Close()
	}
	return events, err
}

// Verified is what came of replaying one history through the code of this build.
type Verified struct {
	Source     string                `json:"source"` // a file, or the run
	WorkflowID string                `json:"workflow_id,omitempty"`
	RunID      string                `json:"run_id,omitempty"`
	Type       string                `json:"type,omitempty"`
	Events     int                   `json:"events"`
	Difference *histories.Difference `json:"difference,omitempty"`
	Problem    string                `json:"problem,omitempty"`
}

// OK says whether history replay succeeded.
func (v *Verified) OK() bool { return v.Difference == nil && v.Problem == "" }

// VerifyRun replays the histories of a run, oldest first.
func (i *Instance) VerifyRun(ctx context.Context, name string) ([]Verified, error) {
	s, err := i.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if s.newest == nil {
		return nil, failed("run %s: %s, so it cannot be checked", name, s.noHistoryText())
	}
	chain, err := s.chain(ctx, maxExecutions, false)
	if err != nil {
		return nil, err
	}
	var out []Verified
	for _, x := range chain {
		history, err := s.history(ctx, &x)
		if err != nil {
			return nil, err
		}
		v := verify(name, x.WorkflowID, history)
		v.WorkflowID, v.RunID = x.WorkflowID, x.RunID
		out = append(out, v)
	}
	return out, nil
}

func verify(source, workflowID string, history *historypb.History) Verified {
	v := Verified{Source: source, WorkflowID: workflowID, Events: len(history.GetEvents())}
	if started := history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes(); started != nil {
		v.Type, v.RunID = started.GetWorkflowType().GetName(), started.GetOriginalExecutionRunId()
		if v.WorkflowID == "" {
			v.WorkflowID = started.GetWorkflowId()
		}
	}
	var err error
	if v.Difference, err = histories.Verify(history, v.WorkflowID, registerWorkflows); err != nil {
		v.Problem = err.Error()
	}
	return v
}
