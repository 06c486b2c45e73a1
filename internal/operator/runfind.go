package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// subject is what an operator asks about: a run, or the workflow that owns a flow. What
// the ledger or Temporal does not know is left empty.
type subject struct {
	*Instance

	name   string
	table  string                    // "" when not known
	kind   activities.Kind           // "" for an owner, or when not known
	ledger *activities.ShowRunResult // nil: not asked, or nobody answered
	silent bool                      // no worker answered
	newest *Execution                // nil: Temporal has no history of it
	id     string                    // of its workflow
}

// owns says whether the subject is the workflow that owns a table.
func (s *subject) owns() bool {
	return s.table != "" && s.id == workflows.TableFlow(s.Config.Instance, s.table).WorkflowID()
}

// flow is the flow of the subject's table.
func (s *subject) flow() *flow { return s.Instance.flow(s.table) }

// find looks a run up in the ledger and in Temporal. Either is enough: the ledger needs a
// worker, and support has to look at runs also when there is none.
func (i *Instance) find(ctx context.Context, name string) (*subject, error) {
	s := &subject{Instance: i, name: name}
	return s, s.locate(ctx)
}

func (s *subject) locate(ctx context.Context) error {
	names := s.Flows()
	if slices.Contains(names, s.name) {
		s.table = s.name
		s.id = s.flow().owner()
		return s.execution(ctx)
	}
	if strings.Contains(s.name, "/") {
		s.id = s.name
		for _, name := range names {
			if owner := s.Instance.flow(name).owner(); s.id == owner || strings.HasPrefix(s.id, owner+"/") {
				s.table = name
			}
		}
		if err := s.execution(ctx); err != nil || s.newest != nil {
			return err
		}
		return badInput("run: got %q, and Temporal has no such workflow, or none any more; causeway runs list names the runs", s.name)
	}
	if err := s.askLedger(ctx); err != nil {
		return err
	}
	for _, id := range s.workflowIDs() {
		s.id = id
		if err := s.execution(ctx); err != nil {
			return err
		}
		if s.newest != nil {
			return nil
		}
	}
	if s.ledger != nil && s.ledger.Found {
		return nil // its history is gone
	}
	if s.silent {
		return noWorker("no worker answered, and Temporal has no history of a run %q; start a worker with: worker --config %s", s.name, s.File)
	}
	return badInput("run: got %q, which neither the ledger nor Temporal knows; causeway runs list names the runs", s.name)
}

// askLedger asks a worker what the ledger knows. It does not fail when nobody answers.
func (s *subject) askLedger(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(s.Timeout, questionTimeout))
	defer cancel()
	var shown activities.ShowRunResult
	switch err := s.temporal.Run(ctx, activities.ShowRun, activities.ShowRunInput{Run: s.name}, &shown); {
	case errors.Is(err, ErrNoWorker):
		s.silent = true
		s.Say("No worker answers, so what the ledger knows of " + s.name + " is left out.")
	case err != nil:
		return asFailed(err)
	case shown.Found:
		s.ledger, s.table, s.kind = &shown, shown.Info.Table, shown.Info.Kind
	}
	return nil
}

// workflowIDs are the workflows that may have carried the run out. The ledger names that of
// an audit. A pass of changes was found by another workflow than the one that carried it
// out, and a run that failed at once is not in the ledger; their workflows are found by
// the run's name.
func (s *subject) workflowIDs() []string {
	if s.ledger != nil && s.kind != activities.KindDelta && s.ledger.Info.Workflow != "" {
		return []string{s.ledger.Info.Workflow}
	}
	name := s.name
	if rest, ok := strings.CutPrefix(name, "rollback-"); ok {
		name = rest
	}
	table := cmp.Or(s.table, s.flowOf(strings.TrimPrefix(name, "audit-")))
	if table == "" {
		return nil
	}
	s.table = table
	id := s.flow().id
	switch {
	case strings.HasPrefix(s.name, "audit-"):
		return []string{id.AuditID()}
	case strings.HasPrefix(s.name, "rollback-"):
		return []string{id.PassID(activities.KindRollback, s.name)}
	case s.kind != "":
		return []string{id.PassID(s.kind, s.name)}
	}
	return []string{
		id.PassID(activities.KindBackfill, s.name),
		id.PassID(activities.KindDelta, s.name),
		id.PassID(activities.KindRelease, s.name),
	}
}

// flowOf is the flow that a run belongs to. A run's name is that of its flow and when the
// run began. Runs of events are known also when their flow was switched off since.
func (i *Instance) flowOf(run string) string {
	for _, name := range append(i.Flows(), activities.FlowEgress, activities.FlowOptOut) {
		if isRunOf(name, run) {
			return name
		}
	}
	return ""
}

// execution finds the newest execution of the subject. Audits of a table share a workflow
// id, so for an audit it is the newest whose first step is of this run.
func (s *subject) execution(ctx context.Context) error {
	s.newest = nil
	newest, err := s.temporal.Execution(ctx, s.id, "")
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return s.flow().explain(ctx, err)
	}
	if !strings.HasPrefix(s.name, "audit-") {
		s.newest = newest
		return nil
	}
	all, err := s.temporal.Executions(ctx, s.id)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(x Execution) bool { return x.RunID == newest.RunID }) {
		all = append([]Execution{*newest}, all...) // not listed yet
	}
	for _, x := range all {
		run, err := s.runOf(ctx, x)
		if err != nil {
			return err
		}
		if run == s.name {
			s.newest, err = s.temporal.Execution(ctx, s.id, x.RunID)
			return err
		}
	}
	return nil
}

// runOf is the run that an execution's first activity names; "" without one.
func (s *subject) runOf(ctx context.Context, x Execution) (run string, err error) {
	err = s.opened(ctx, x.WorkflowID, x.RunID, func(e *historypb.HistoryEvent) error {
		if e.GetEventType() != enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED {
			return nil
		}
		var in struct {
			Run string `json:"run"`
		}
		for _, p := range e.GetActivityTaskScheduledEventAttributes().GetInput().GetPayloads() {
			if json.Unmarshal(p.GetData(), &in) == nil && in.Run != "" {
				run = in.Run
				break
			}
		}
		return ErrEnough
	})
	return run, err
}

// Page is the address in Temporal's Web UI of what an operator asks about: a run, the
// workflow that owns a flow, or the list of all workflows for "".
func (i *Instance) Page(ctx context.Context, name string) (string, error) {
	base := strings.TrimSuffix(i.Config.Temporal.UIURL, "/")
	if base == "" {
		return "", badInput("temporal.ui_url: got nothing, want the address of Temporal's Web UI, such as http://localhost:8233")
	}
	if name == "" {
		return base + "/namespaces/" + url.PathEscape(i.temporal.Namespace()) + "/workflows", nil
	}
	s, err := i.find(ctx, name)
	switch {
	case err != nil:
		return "", err
	case s.newest == nil && s.owns():
		return "", s.flow().explain(ctx, ErrNotFound)
	case s.newest == nil:
		return "", badInput("run: got %q, and Temporal has no history of it", name)
	}
	return i.Link(s.newest.WorkflowID, s.newest.RunID), nil
}

// Link is the address of an execution in Temporal's Web UI; "" when not configured.
func (i *Instance) Link(workflowID, runID string) string {
	base := strings.TrimSuffix(i.Config.Temporal.UIURL, "/")
	if base == "" {
		return ""
	}
	return base + "/namespaces/" + url.PathEscape(i.temporal.Namespace()) + "/workflows/" + url.PathEscape(workflowID) + "/" + runID + "/history"
}
