package commands

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// runArgHelp says what a command about a run takes.
const runArgHelp = `<run> is a run's name as "causeway runs list" shows it; or the name of a flow, such
as contacts or egress, for the workflow that owns it; or the id of a workflow.`

func newRuns(e *env, g *global) *cobra.Command {
	cmd := group(&cobra.Command{
		Use: "runs", Short: "Find, understand and repeat what ran",
		Long: `Every load, backfill, pass of changes, rollback and audit is a run. The ledger
keeps what came of it; Temporal keeps its history, event by event, for as long as
the namespace retains it.`,
	})
	cmd.AddCommand(newRunsList(e, g), newRunsShow(e, g), newRunsReplay(e, g), newRunsCancel(e, g), newRunsExport(e, g), newRunsVerify(e, g))
	return cmd
}

// subject is what a command about a run was asked about: a run, or the workflow
// that owns a table. What the ledger or Temporal does not know is left out.
type subject struct {
	env *env
	g   *global
	cfg *config.Config
	api operator.Temporal

	name   string
	table  string                    // "" when not known
	kind   activities.Kind           // "" for an owner, or when not known
	ledger *activities.ShowRunResult // nil: not asked, or nobody answered
	silent bool                      // no worker answered
	newest *operator.Execution       // nil: Temporal has no history of it
	id     string                    // of its workflow
}

func (s *subject) close() { s.api.Close() }

// owner says that the subject is the workflow that owns a table.
func (s *subject) owner() bool {
	return s.table != "" && s.id == workflows.TableFlow(s.cfg.Instance, s.table).WorkflowID()
}

// flow is the owner of the subject's table.
func (s *subject) flow() *flow {
	return &flow{env: s.env, g: s.g, cfg: s.cfg, api: s.api, table: s.table}
}

// find looks a run up in the ledger and in Temporal. It is found in either; the
// ledger needs a worker, and support has to look at runs also when none lives.
func (e *env) find(ctx context.Context, g *global, name string) (*subject, error) {
	cfg, api, err := e.connect(ctx, g)
	if err != nil {
		return nil, err
	}
	s := &subject{env: e, g: g, cfg: cfg, api: api, name: name}
	if err := s.locate(ctx); err != nil {
		api.Close()
		return nil, err
	}
	return s, nil
}

func (s *subject) locate(ctx context.Context) error {
	names := flowNames(s.cfg)
	if slices.Contains(names, s.name) {
		s.table = s.name
		s.id = s.flow().id()
		return s.execution(ctx)
	}
	if strings.Contains(s.name, "/") {
		s.id = s.name
		for _, name := range names {
			if owner := (&flow{cfg: s.cfg, table: name}).id(); s.id == owner || strings.HasPrefix(s.id, owner+"/") {
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
		return unreachable("no worker answered, and Temporal has no history of a run %q; start a worker with: worker --config %s", s.name, s.g.configPath)
	}
	return badInput("run: got %q, which neither the ledger nor Temporal knows; causeway runs list names the runs", s.name)
}

// askLedger asks a worker what the ledger knows; nobody answering is no failure.
func (s *subject) askLedger(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(s.g.timeout, questionTimeout))
	defer cancel()
	var shown activities.ShowRunResult
	switch err := s.api.Run(ctx, activities.ShowRun, activities.ShowRunInput{Run: s.name}, &shown); {
	case errors.Is(err, operator.ErrNoWorker):
		s.silent = true
		s.env.say("No worker answers, so what the ledger knows of %s is left out.", s.name)
	case err != nil:
		return asFailed(err)
	case shown.Found:
		s.ledger, s.table, s.kind = &shown, shown.Info.Table, shown.Info.Kind
	}
	return nil
}

// workflowIDs are the workflows that may have carried the run out. The ledger
// names that of an audit; a pass of changes was begun by somebody else's workflow,
// and a run that failed at once is not in the ledger, so those go by the name.
func (s *subject) workflowIDs() []string {
	if s.ledger != nil && s.kind != activities.KindDelta && s.ledger.Info.Workflow != "" {
		return []string{s.ledger.Info.Workflow}
	}
	name := s.name
	if rest, ok := strings.CutPrefix(name, "rollback-"); ok {
		name = rest
	}
	table := cmp.Or(s.table, flowOf(s.cfg, strings.TrimPrefix(name, "audit-")))
	if table == "" {
		return nil
	}
	s.table = table
	switch {
	case strings.HasPrefix(s.name, "audit-"):
		return []string{workflows.TableFlow(s.cfg.Instance, table).AuditID()}
	case strings.HasPrefix(s.name, "rollback-"):
		return []string{workflows.FlowNamed(s.cfg.Instance, table).PassID(activities.KindRollback, s.name)}
	case s.kind != "":
		return []string{workflows.FlowNamed(s.cfg.Instance, table).PassID(s.kind, s.name)}
	}
	return []string{
		workflows.FlowNamed(s.cfg.Instance, table).PassID(activities.KindBackfill, s.name),
		workflows.FlowNamed(s.cfg.Instance, table).PassID(activities.KindDelta, s.name),
		workflows.FlowNamed(s.cfg.Instance, table).PassID(activities.KindRelease, s.name),
	}
}

// flowOf is the flow that a run belongs to, by its name: the flow's, and when it
// began. Runs of events are known also when their flow is switched off since.
func flowOf(cfg *config.Config, run string) string {
	for _, name := range append(flowNames(cfg), activities.FlowEgress, activities.FlowOptOut) {
		if isRunOf(name, run) {
			return name
		}
	}
	return ""
}

// execution finds the newest execution of the subject. Audits of a table share a
// workflow id, so theirs is the newest whose first step is of this run.
func (s *subject) execution(ctx context.Context) error {
	s.newest = nil
	newest, err := s.api.Execution(ctx, s.id, "")
	switch {
	case errors.Is(err, operator.ErrNotFound):
		return nil
	case err != nil:
		return s.flow().explain(ctx, err)
	}
	if !strings.HasPrefix(s.name, "audit-") {
		s.newest = newest
		return nil
	}
	all, err := s.api.Executions(ctx, s.id)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(x operator.Execution) bool { return x.RunID == newest.RunID }) {
		all = append([]operator.Execution{*newest}, all...) // not listed yet
	}
	for _, x := range all {
		run, err := s.runOf(ctx, x)
		if err != nil {
			return err
		}
		if run == s.name {
			s.newest, err = s.api.Execution(ctx, s.id, x.RunID)
			return err
		}
	}
	return nil
}

// runOf is the run that an execution's first activity names; "" without one.
func (s *subject) runOf(ctx context.Context, x operator.Execution) (run string, err error) {
	err = s.api.History(ctx, x.WorkflowID, x.RunID, func(e *historypb.HistoryEvent) error {
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
		return operator.ErrEnough
	})
	return run, err
}

// gone is the sentence about a history that is not there any more.
func (s *subject) gone() string {
	return "Temporal has no history of it any more: the namespace keeps it for a time after a run has ended, and no longer"
}

// link is the address of an execution in Temporal's Web UI; "" when not configured.
func (s *subject) link(x *operator.Execution) string {
	base := strings.TrimSuffix(s.cfg.Temporal.UIURL, "/")
	if base == "" || x == nil {
		return ""
	}
	return base + "/namespaces/" + url.PathEscape(s.api.Namespace()) + "/workflows/" + url.PathEscape(x.WorkflowID) + "/" + x.RunID + "/history"
}
