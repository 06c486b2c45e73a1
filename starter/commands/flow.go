package commands

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// questionTimeout bounds a query, which a worker answers at once or not at all.
const questionTimeout = 10 * time.Second

// tableArg makes a command take one table, completed from the configuration file.
func tableArg(g *global, cmd *cobra.Command) *cobra.Command {
	cmd.Args = exactly("one table, such as contacts", 1)
	cmd.ValidArgsFunction = completeTables(g)
	return cmd
}

// exactly is cobra.ExactArgs with a sentence.
func exactly(want string, n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return badInput("%s: got %s, want %s; see %s --help", cmd.CommandPath(), phrase.Count(int64(len(args)), "argument"), want, cmd.CommandPath())
		}
		return nil
	}
}

// group makes a command that only holds others: alone it shows its help, and a
// word that names none of them is bad input.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var names []string
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				names = append(names, c.Name())
			}
		}
		return badInput("%s: got %q, want %s; see %s --help", cmd.CommandPath(), args[0], strings.Join(names, ", "), cmd.CommandPath())
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

func completeTables(g *global) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		cfg, err := g.load()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []cobra.Completion
		for _, name := range tableNames(cfg) {
			t := cfg.Ingress.Tables[name]
			out = append(out, cobra.CompletionWithDesc(name, t.Dynamics.Table+" -> "+t.Campaign.Resource))
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

func tableNames(cfg *config.Config) []string { return slices.Sorted(maps.Keys(cfg.Ingress.Tables)) }

// flow is one table's owner, as a command addresses it.
type flow struct {
	env   *env
	g     *global
	cfg   *config.Config
	api   operator.Temporal
	table string
}

// openFlow connects for one table. A table missing from the file may still run,
// since its mapping was input; whether it does, Temporal knows.
func (e *env) openFlow(ctx context.Context, g *global, table string) (*flow, error) {
	cfg, api, err := e.connect(ctx, g)
	if err != nil {
		return nil, err
	}
	return &flow{env: e, g: g, cfg: cfg, api: api, table: table}, nil
}

func (f *flow) close() { f.api.Close() }

// flowID names the flow in Temporal.
func (f *flow) flowID() workflows.FlowID { return workflows.FlowNamed(f.cfg.Instance, f.table) }

// id is that of the workflow that owns the flow.
func (f *flow) id() string { return f.flowID().WorkflowID() }

// configured says whether the configuration file has the flow, and its revision there.
func (f *flow) configured() (revision string, ok bool) {
	switch id := f.flowID(); {
	case id.IsEvents():
		s := f.cfg.Egress.Settings()
		return s.Revision(), s.Enabled()
	case id.IsOptOut():
		s := f.cfg.OptOutSettings()
		return s.Revision(), s.Idle() == ""
	}
	table, ok := f.cfg.Ingress.Tables[f.table]
	if !ok {
		return "", false
	}
	return table.Revision(), true
}

// notConfigured says what a name stands for that the file does not have.
func (f *flow) notConfigured() error {
	switch id := f.flowID(); {
	case id.IsEvents():
		return badInput("egress has no type of event switched on; set egress.sends, opens, clicks or bounces to true in %s", f.g.configPath)
	case id.IsOptOut(): // R8.16
		return badInput("there is no flow of opt-outs in %s: %s", f.g.configPath, f.cfg.OptOutSettings().Idle())
	}
	return unknownTable(f.g, f.cfg, f.table)
}

// flowNames are the flows of the configuration file: tables, then egress where a
// type of event is switched on, and optout where its mode calls for it.
func flowNames(cfg *config.Config) []string {
	names := tableNames(cfg)
	if cfg.Egress.Settings().Enabled() {
		names = append(names, activities.FlowEgress)
	}
	if cfg.OptOutSettings().Idle() == "" {
		names = append(names, activities.FlowOptOut)
	}
	return names
}

// flowArg makes a command take one flow, completed from the configuration file.
func flowArg(g *global, cmd *cobra.Command) *cobra.Command {
	cmd.Args = exactly("one table, such as contacts, or egress or optout", 1)
	cmd.ValidArgsFunction = completeFlows(g)
	return cmd
}

// completeFlows completes tables, egress and optout.
func completeFlows(g *global) cobra.CompletionFunc {
	tables := completeTables(g)
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		out, directive := tables(cmd, args, toComplete)
		if len(args) == 0 {
			out = append(out, cobra.CompletionWithDesc(activities.FlowEgress, "Campaign events -> timeline in Dynamics"), cobra.CompletionWithDesc(activities.FlowOptOut, "opt-outs, in step on both sides"))
		}
		return out, directive
	}
}

// unknownTable says which mappings there are.
func unknownTable(g *global, cfg *config.Config, table string) error {
	has := "has none"
	if names := tableNames(cfg); len(names) > 0 {
		has = "has " + strings.Join(names, ", ")
	}
	return badInput("there is no table mapping %q; %s %s", table, g.configPath, has)
}

// update sends an update to the owner; answer is a pointer.
func (f *flow) update(ctx context.Context, name string, request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, f.g.timeout)
	defer cancel()
	stop := f.env.meanwhile(ctx, f.g, f.api, f.g.timeout)
	err := f.api.Update(ctx, f.id(), name, request, answer)
	stop()
	return f.explain(ctx, err)
}

// explain says what a missing flow or worker means for an operator.
func (f *flow) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, operator.ErrNoWorker):
		return f.env.silent(ctx, f.g, f.api, " for "+f.table, requestStands, f.g.timeout)
	case !errors.Is(err, operator.ErrNotFound):
		return err
	}
	if _, ok := f.configured(); !ok {
		return f.notConfigured()
	}
	if d, err := f.api.Describe(ctx, f.id()); err == nil && !d.Running {
		return badInput("the workflow of %s has ended (%s); run: causeway start %s", f.table, d.Ended, f.table)
	}
	return badInput("%s was never started; run: causeway start %s", f.table, f.table)
}

// status asks the owner, and the run in hand for its progress.
func (f *flow) status(ctx context.Context) (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, min(f.g.timeout, questionTimeout))
	defer cancel()
	var st workflows.Status
	if err := f.api.Query(ctx, f.id(), workflows.QueryStatus, &st); err != nil {
		return st, err
	}
	if st.RunWorkflow != "" {
		var p workflows.Progress
		// A run that ended in between, or is just beginning, has none to tell.
		if err := f.api.Query(ctx, st.RunWorkflow, workflows.QueryProgress, &p); err == nil {
			st.Progress = &p
			f.heartbeats(ctx, st.RunWorkflow, &p)
		}
	}
	return st, nil
}

// heartbeats adds what the work in hand of a run has told of itself: the ids that a
// baseline reads before its first page, and the records of lanes that are not
// finished. The workflow learns of both only at their end.
func (f *flow) heartbeats(ctx context.Context, workflowID string, p *workflows.Progress) {
	d, err := f.api.Describe(ctx, workflowID)
	if err != nil {
		return // like the progress itself it is left out when it cannot be had
	}
	for _, a := range d.Pending {
		if p.Phase == activities.PhaseBaseline && p.Pages == 0 {
			p.IDs = max(p.IDs, a.IDs)
		}
		p.Counts.Add(a.Lane)
		p.Backlog = max(0, p.Backlog-a.Lane.Settled())
	}
}

// operate sends one update that answers a Status, and shows it.
func operate(ctx context.Context, e *env, g *global, table, update string, request any) error {
	f, err := e.openFlow(ctx, g, table)
	if err != nil {
		return err
	}
	defer f.close()
	var st workflows.Status
	if err := f.update(ctx, update, request, &st); err != nil {
		return err
	}
	return f.answer(st)
}

// answer prints the Status an update answered with.
func (f *flow) answer(st workflows.Status) error {
	if f.g.json() {
		if err := writeJSON(f.env.out, st); err != nil {
			return err
		}
	} else {
		p := f.env.colours()
		fmt.Fprintln(f.env.out, f.table+" is "+p.with(stateColour(st.State), string(st.State))+because(st))
	}
	if st.State == workflows.StateFailed {
		return quietly(exitFailed)
	}
	return nil
}

// because is the phase and reason that follow a state in a sentence.
func because(st workflows.Status) string {
	out := ""
	if st.Phase != "" && !strings.EqualFold(st.Phase, string(st.State)) {
		out = " (" + st.Phase + ")"
	}
	if st.Reason != "" {
		out += ": " + phrase.OneLine(st.Reason)
	}
	return out
}

func stateColour(s workflows.State) string {
	switch s {
	case workflows.StateRunning:
		return good
	case workflows.StateFailed:
		return bad
	case workflows.StatePaused, workflows.StateStarting:
		return caution
	}
	return faint
}
