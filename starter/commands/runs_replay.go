package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

type replayOptions struct {
	run         string
	yes, dryRun bool
}

func newRunsReplay(e *env, g *global) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use: "replay <run>", Short: "Reset a failed run to its failed step, or run it again",
		Long: `Replay a run that failed, or whose workflow's own code fails. It says which of these
it is and why, and asks first unless --yes is given:

  reset      the workflow goes back to the step that failed and does it again, with
             the code that its workers run now. This is for the workflow that owns a
             table, for an audit, and for a run whose code fails while it is at work.
             Where this build does not do again what the history holds, the workflow
             goes back to that place. What was asked of it since is asked again.
  backfill   a backfill has ended and its owner has gone on: the same records are read
             again in a new run, and unchanged ones cost no call.
  start,     a load or a pass of changes has ended: its owner reads again from the
  sync-now   watermark, which did not move.
  rollback   a rollback has ended: the same run is undone again.

Deploy the code that works before you reset a workflow whose code fails.

` + runArgHelp + `

With -o json: {run, how, why, event, window, start_first, undoes, workflow_id, run_id,
new_run_id, new_run}.`,
		Example: "  causeway runs list --failed\n  causeway runs replay contacts-20260102T030405.000Z --dry-run",
		Args:    exactly("a run", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.run = args[0]
			return runsReplay(cmd.Context(), e, g, o)
		},
	}
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVarP(&o.dryRun, "dry-run", "n", false, "only say what would be done, and why")
	return cmd
}

// replayAnswer is what the command prints with -o json.
type replayAnswer struct {
	Run string `json:"run"`
	replayPlan
	WorkflowID string `json:"workflow_id,omitempty"`
	RunID      string `json:"run_id,omitempty"`
	NewRunID   string `json:"new_run_id,omitempty"` // of the reset workflow
	NewRun     string `json:"new_run,omitempty"`    // that a backfill became
}

func runsReplay(ctx context.Context, e *env, g *global, o replayOptions) error {
	s, err := e.find(ctx, g, o.run)
	if err != nil {
		return err
	}
	defer s.close()
	plan, err := s.planReplay(ctx)
	if err != nil {
		return err
	}
	answer := &replayAnswer{Run: o.run, replayPlan: *plan, WorkflowID: s.id}
	if s.newest != nil {
		answer.RunID = s.newest.RunID
	}
	if !g.json() || !o.dryRun {
		e.say("%s", plan.sentence(s))
	}
	if o.dryRun {
		return s.showReplay(answer, true)
	}
	if err := s.confirmReplay(ctx, o); err != nil {
		return err
	}
	if err := s.replay(ctx, answer); err != nil {
		return err
	}
	s.logReplay(ctx, answer)
	return s.showReplay(answer, false)
}

// sentence says what is going to be done, and why.
func (p *replayPlan) sentence(s *subject) string {
	what := ""
	switch p.How {
	case byReset:
		what = fmt.Sprintf("Reset workflow %s to before event %d", s.id, p.Event)
	case byBackfill:
		what = "Read again what run " + s.name + " was to read"
	case byStart:
		what = "Start " + s.table + " with the mapping in " + s.g.configPath
	case bySyncNow:
		what = "Let " + s.table + " look for changes now"
	case byRollback:
		what = "Undo run " + p.Undoes + " again"
	}
	if p.StartFirst {
		what += ", after a start of " + s.table + " with the mapping in " + s.g.configPath
	}
	return what + ", because " + p.Why + "."
}

func (s *subject) confirmReplay(ctx context.Context, o replayOptions) error {
	if o.yes {
		return nil
	}
	if !s.env.inTerminal || !s.env.errTerminal {
		return badInput("this goes on writing to Campaign; say --yes, or --dry-run")
	}
	fmt.Fprint(s.env.err, "Go on? [y/N] ")
	if answer := s.env.readLine(ctx); !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return failed("nothing was done")
	}
	return nil
}

func (s *subject) replay(ctx context.Context, a *replayAnswer) (err error) {
	f, by := s.flow(), s.env.by
	var st workflows.Status
	if a.StartFirst || a.How == byStart {
		if st, err = f.start(ctx); err != nil {
			return err
		}
		if st.State == workflows.StateFailed {
			return failed("%s is FAILED: %s", s.table, phrase.OneLine(st.Reason))
		}
	}
	switch a.How {
	case byReset:
		ctx, cancel := context.WithTimeout(ctx, s.g.timeout)
		defer cancel()
		reason := "causeway runs replay"
		if by != "" {
			reason += ", by " + by
		}
		a.NewRunID, err = s.api.Reset(ctx, s.id, s.newest.RunID, a.Event, reason)
	case byBackfill:
		var accepted workflows.BackfillAnswer
		err = f.update(ctx, workflows.UpdateRequestBackfill, workflows.BackfillRequest{Window: *a.Window, By: by}, &accepted)
		a.NewRun = accepted.Run
	case bySyncNow:
		err = f.update(ctx, workflows.UpdateSyncNow, workflows.SyncNowRequest{By: by}, &st)
	case byRollback:
		err = f.update(ctx, workflows.UpdateRequestRollback, workflows.RollbackRequest{Run: a.Undoes, By: by}, &st)
	}
	return err
}

// logReplay enters what was done into the audit trail. The entry waits in Temporal
// for a worker; there may be none that lives, and the replay is why.
func (s *subject) logReplay(ctx context.Context, a *replayAnswer) {
	op := activities.Operation{
		ID: "replay/" + uuid.NewString(), At: s.env.now(), By: s.env.by, What: activities.OpReplay, Flow: s.flow().flowID().Flow, Table: s.table, Run: s.name,
		Detail: strings.TrimSpace(a.How + " " + a.NewRun),
	}
	if a.How == byReset {
		op.Detail = fmt.Sprintf("reset to before event %d", a.Event)
	}
	if s.ledger != nil {
		op.Flow = s.ledger.Info.Flow
	}
	ctx, cancel := context.WithTimeout(ctx, s.g.timeout)
	defer cancel()
	if err := s.api.Later(ctx, activities.LogOperation, activities.LogInput{Operations: []activities.Operation{op}}); err != nil {
		s.env.say("causeway: the replay was done, but is not in the audit trail: %v", err)
	}
}

func (s *subject) showReplay(a *replayAnswer, dryRun bool) error {
	if s.g.json() {
		return writeJSON(s.env.out, a)
	}
	if dryRun {
		fmt.Fprintf(s.env.out, "%s: nothing was done; --dry-run was given\n", s.name)
		return nil
	}
	switch a.How {
	case byReset:
		fmt.Fprintf(s.env.out, "%s: workflow %s was reset; its new run id is %s\n", s.name, a.WorkflowID, a.NewRunID)
		if link := s.link(&operator.Execution{WorkflowID: a.WorkflowID, RunID: a.NewRunID}); link != "" {
			fmt.Fprintln(s.env.out, link)
		}
	case byBackfill:
		fmt.Fprintf(s.env.out, "%s: run %s reads it again; follow it with: causeway status %s --watch\n", s.name, a.NewRun, s.table)
	case byRollback:
		fmt.Fprintf(s.env.out, "%s: run %s is being undone; causeway status %s shows how far it is\n", s.name, a.Undoes, s.table)
	default:
		fmt.Fprintf(s.env.out, "%s: %s reads again; follow it with: causeway status %s --watch\n", s.name, s.table, s.table)
	}
	return nil
}
