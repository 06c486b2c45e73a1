package operator

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"causeway.dev/activities"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// Replay says how a run is going to be replayed and, afterwards, what came of it.
type Replay struct {
	Run string `json:"run"`
	ReplayPlan
	WorkflowID string `json:"workflow_id,omitempty"`
	RunID      string `json:"run_id,omitempty"`
	NewRunID   string `json:"new_run_id,omitempty"` // of the reset workflow
	NewRun     string `json:"new_run,omitempty"`    // that a backfill became

	Table   string `json:"-"` // "" when not known
	Warning string `json:"-"` // what went wrong beside it; "" for nothing

	subject *subject
}

// PlanReplay says how a run would be replayed, and does nothing.
func (i *Instance) PlanReplay(ctx context.Context, run string) (*Replay, error) {
	s, err := i.find(ctx, run)
	if err != nil {
		return nil, err
	}
	plan, err := s.planReplay(ctx)
	if err != nil {
		return nil, err
	}
	r := &Replay{Run: run, ReplayPlan: *plan, WorkflowID: s.id, Table: s.table, subject: s}
	if s.newest != nil {
		r.RunID = s.newest.RunID
	}
	return r, nil
}

// Sentence says what is going to be done, and why.
func (r *Replay) Sentence() string {
	what := ""
	switch r.How {
	case ByReset:
		what = fmt.Sprintf("Reset workflow %s to before event %d", r.WorkflowID, r.Event)
	case ByBackfill:
		what = "Read again what run " + r.Run + " was to read"
	case ByStart:
		what = "Start " + r.Table + " with the mapping in " + r.subject.File
	case BySyncNow:
		what = "Let " + r.Table + " look for changes now"
	case ByRollback:
		what = "Undo run " + r.Undoes + " again"
	}
	if r.StartFirst {
		what += ", after a start of " + r.Table + " with the mapping in " + r.subject.File
	}
	return what + ", because " + r.Why + "."
}

// Replay does what was planned, and enters it into the audit trail.
func (i *Instance) Replay(ctx context.Context, r *Replay) error {
	if err := i.replay(ctx, r); err != nil {
		return err
	}
	i.logReplay(ctx, r)
	return nil
}

func (i *Instance) replay(ctx context.Context, r *Replay) (err error) {
	if r.StartFirst || r.How == ByStart {
		st, err := i.Start(ctx, r.Table)
		if err != nil {
			return err
		}
		if st.State == workflows.StateFailed {
			return failed("%s is FAILED: %s", r.Table, phrase.OneLine(st.Reason))
		}
	}
	switch r.How {
	case ByReset:
		ctx, cancel := context.WithTimeout(ctx, i.Timeout)
		defer cancel()
		reason := "causeway runs replay"
		if i.By != "" {
			reason += ", by " + i.By
		}
		r.NewRunID, err = i.temporal.Reset(ctx, r.WorkflowID, r.RunID, r.Event, reason)
	case ByBackfill:
		var accepted workflows.BackfillAnswer
		accepted, err = i.backfill(ctx, r.Table, *r.Window, workflows.ByFile{})
		r.NewRun = accepted.Run
	case BySyncNow:
		_, err = i.SyncNow(ctx, r.Table)
	case ByRollback:
		_, err = i.flow(r.Table).updateStatus(ctx, workflows.UpdateRequestRollback, workflows.RollbackRequest{Run: r.Undoes, By: i.By})
	}
	return err
}

// logReplay enters what was done into the audit trail. The entry waits in Temporal for a
// worker, because there may be none at the moment, and that may be why the run is
// replayed.
func (i *Instance) logReplay(ctx context.Context, r *Replay) {
	op := activities.Operation{
		ID: "replay/" + uuid.NewString(), At: i.Now(), By: i.By, What: activities.OpReplay, Flow: i.flow(r.Table).id.Flow, Table: r.Table, Run: r.Run,
		Detail: strings.TrimSpace(r.How + " " + r.NewRun),
	}
	if r.How == ByReset {
		op.Detail = fmt.Sprintf("reset to before event %d", r.Event)
	}
	if l := r.subject.ledger; l != nil {
		op.Flow = l.Info.Flow
	}
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	if err := i.temporal.Later(ctx, activities.LogOperation, activities.LogInput{Operations: []activities.Operation{op}}); err != nil {
		r.Warning = fmt.Sprintf("the replay was done, but is not in the audit trail: %v", err)
	}
}
