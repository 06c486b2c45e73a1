package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/worker"

	"causeway.dev/activities"
	"causeway.dev/internal/histories"
	"causeway.dev/workflows"
)

// Ways to replay a run.
const (
	ByReset    = "reset"    // its workflow goes back to the step that failed
	ByStart    = "start"    // its owner is started, and reads from where the run did
	ByBackfill = "backfill" // its owner reads the same window again; started first when it is not running
	BySyncNow  = "sync-now" // its owner reads the same changes again
	ByRollback = "rollback" // its owner undoes the same run again
)

// ReplayPlan is how a run is to be replayed, and why in that way.
type ReplayPlan struct {
	How        string             `json:"how"`
	Why        string             `json:"why"`
	Event      int64              `json:"event,omitempty"`  // reset: the task that is done again
	Window     *activities.Window `json:"window,omitempty"` // backfill: what is read again
	StartFirst bool               `json:"start_first,omitempty"`
	Undoes     string             `json:"undoes,omitempty"` // rollback: the run that it undoes
}

// planReplay decides between the reset of a workflow and a new run. A pass whose workflow
// has ended is never reset: its owner has gone on, and the pass would be a second writer
// of the table.
func (s *subject) planReplay(ctx context.Context) (*ReplayPlan, error) {
	x := s.newest
	switch {
	case x == nil && s.ledger == nil:
		return nil, badInput("run: got %q, and Temporal has no such workflow", s.name)
	case x != nil && x.Stuck():
		return s.planReset(ctx, fmt.Sprintf("its code fails (attempt %d of its task)", x.TaskAttempt))
	case x != nil && x.Running():
		return nil, badInput("run %s is at work%s; there is nothing to replay", s.name, retriesText(x))
	}
	if s.ledger != nil {
		switch state := s.ledger.Info.State; {
		case state == "COMPLETED":
			return nil, badInput("run %s is COMPLETED, so there is nothing to replay; to have its records read again: causeway backfill %s", s.name, s.table)
		case state == "STOPPED":
			return nil, badInput("run %s is STOPPED and goes on by itself at the next start: causeway start %s", s.name, s.table)
		}
	}
	first, err := s.firstEvent(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case first.child || x == nil && s.kind != activities.KindAudit:
		return s.planRepeat(ctx, first)
	case x == nil:
		return nil, badInput("%s; to audit again: causeway audit %s", s.noHistoryText(), s.table)
	case x.Status == "Completed" || x.Status == "ContinuedAsNew":
		return nil, badInput("workflow %s is %s, so there is nothing to replay", s.id, x.Status)
	}
	if newest, err := s.temporal.Execution(ctx, s.id, ""); err == nil && newest.RunID != x.RunID && newest.Running() {
		return nil, badInput("another %s of %s is running; a reset would end it, so wait until it has ended: causeway runs list --kind audit", strings.ToLower(x.Type), s.table)
	}
	return s.planReset(ctx, "its workflow is "+x.Status)
}

// retriesText are what a workflow tries again, for a sentence.
func retriesText(x *Execution) string {
	out := ""
	for _, p := range x.Pending {
		if p.Attempt > 1 {
			out += fmt.Sprintf(", and tries %s again by itself (attempt %d, last failure: %s)", p.Activity, p.Attempt, p.LastFailure)
		}
	}
	return out
}

// planReset finds the event to reset to: the one at which history replay with the code of
// this build fails, else the step that failed.
func (s *subject) planReset(ctx context.Context, why string) (*ReplayPlan, error) {
	history, err := s.history(ctx, s.newest)
	if err != nil {
		return nil, err
	}
	differs, err := histories.Verify(history, s.id, registerWorkflows)
	switch {
	case errors.Is(err, histories.ErrUnknownType):
		return nil, badInput("%s: %v; use the causeway of the build that carries it out", s.name, err)
	case err != nil:
		return nil, failed("reading the history of %s: %v", s.name, err)
	case differs != nil && differs.Task > 0:
		return &ReplayPlan{How: ByReset, Event: differs.Task, Why: why + ", and this build does not do again what its history holds: " + differs.String()}, nil
	}
	point, ok := histories.PointOf(history)
	if !ok {
		return nil, badInput("run %s has not completed a single step, so there is nothing to go back to; it begins by itself once its workers run code that works", s.name)
	}
	return &ReplayPlan{How: ByReset, Event: point.Event, Why: why + ": " + point.Why}, nil
}

func registerWorkflows(r worker.WorkflowReplayer) { workflows.Register(r) }

// beginning is what the first event of a history says.
type beginning struct {
	child bool
	pass  workflows.PassInput // of a pass
}

// firstEvent reads the first event of the subject's history; empty when there is none.
func (s *subject) firstEvent(ctx context.Context) (b beginning, err error) {
	if s.newest == nil {
		return b, nil
	}
	err = s.opened(ctx, s.id, s.newest.RunID, func(e *historypb.HistoryEvent) error {
		started := e.GetWorkflowExecutionStartedEventAttributes()
		b.child = started.GetParentWorkflowExecution() != nil
		if payloads := started.GetInput().GetPayloads(); b.child && len(payloads) > 0 {
			_ = json.Unmarshal(payloads[0].GetData(), &b.pass) // what cannot be read is not known
		}
		return ErrEnough
	})
	return b, err
}

// planRepeat plans to ask the owner for the same once more.
func (s *subject) planRepeat(ctx context.Context, first beginning) (*ReplayPlan, error) {
	kind := s.kind
	if kind == "" {
		kind = first.pass.Ref.Kind
	}
	if _, known := s.flow().configured(); !known {
		return nil, badInput("run %s has ended and what began it has gone on without it; see: causeway status", s.name)
	}
	if kind == activities.KindRollback {
		undoes := first.pass.Ref.Undoes
		if rest := strings.TrimPrefix(s.name, "rollback-"); undoes == "" && strings.Contains(rest, "-") {
			undoes = rest[:strings.LastIndex(rest, "-")]
		}
		return &ReplayPlan{How: ByRollback, Why: s.whyNotReset() + "; the same run is undone again", Undoes: undoes}, nil
	}
	if kind == activities.KindRelease {
		return nil, badInput("what run %s did not write is still in quarantine, and is tried again by itself; to try it now: causeway quarantine release %s", s.name, s.table)
	}
	state, err := s.ownerState(ctx)
	if err != nil {
		return nil, err
	}
	switch running := state == workflows.StateRunning; {
	case state == workflows.StatePaused || state == workflows.StateStarting:
		return nil, badInput("%s is %s; wait, or let it go on with: causeway resume %s", s.table, state, s.table)
	case kind == activities.KindBackfill:
		plan := &ReplayPlan{How: ByBackfill, StartFirst: !running, Why: s.whyNotReset() + "; the same records are read again in a new run"}
		if s.ledger != nil {
			plan.Window = s.ledger.Window
		}
		if plan.Window == nil && first.pass.Ref.Run != "" {
			plan.Window = &first.pass.Window
		}
		if plan.Window == nil {
			return nil, badInput("what run %s was asked to read is not known any more; ask for it anew: causeway backfill %s", s.name, s.table)
		}
		return plan, nil
	case !running:
		return &ReplayPlan{How: ByStart, Why: s.whyNotReset() + "; a start reads again from where the watermark is"}, nil
	case kind == activities.KindInitial:
		return nil, badInput("%s runs since then, and has loaded the table or is about to: causeway status %s", s.table, s.table)
	}
	return &ReplayPlan{How: BySyncNow, Why: s.whyNotReset() + "; the watermark did not move, so its changes are read again"}, nil
}

// whyNotReset says why a run is not reset.
func (s *subject) whyNotReset() string {
	if s.newest == nil {
		return "its history is gone from Temporal"
	}
	return "its workflow is " + s.newest.Status + ", and its owner has gone on without it"
}

// ownerState is the state of the owner of the run's table; STOPPED when there is no owner.
func (s *subject) ownerState(ctx context.Context) (workflows.State, error) {
	f := s.flow()
	switch owner, err := s.temporal.Execution(ctx, f.owner(), ""); {
	case errors.Is(err, ErrNotFound):
		return workflows.StateStopped, nil
	case err != nil:
		return "", f.explain(ctx, err)
	case owner.Stuck():
		return "", badInput("the workflow that owns %s fails itself; replay that first: causeway runs replay %s", s.table, s.table)
	case !owner.Running():
		return workflows.StateStopped, nil
	}
	st, err := f.status(ctx)
	if err != nil {
		return "", f.explain(ctx, err)
	}
	return st.State, nil
}
