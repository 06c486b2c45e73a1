package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// tableArg makes a command take one table, completed from the configuration file.
func tableArg(e *env, cmd *cobra.Command) *cobra.Command {
	cmd.Args = exactly("one table, such as contacts", 1)
	cmd.ValidArgsFunction = completeTables(e)
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

func completeTables(e *env) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		cfg, err := e.load()
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

// flowArg makes a command take one flow, completed from the configuration file.
func flowArg(e *env, cmd *cobra.Command) *cobra.Command {
	cmd.Args = exactly("one table, such as contacts, or egress or optout", 1)
	cmd.ValidArgsFunction = completeFlows(e)
	return cmd
}

// completeFlows completes tables, egress and optout.
func completeFlows(e *env) cobra.CompletionFunc {
	tables := completeTables(e)
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		out, directive := tables(cmd, args, toComplete)
		if len(args) == 0 {
			out = append(out, cobra.CompletionWithDesc(activities.FlowEgress, "Campaign events -> timeline in Dynamics"), cobra.CompletionWithDesc(activities.FlowOptOut, "opt-outs, in step on both sides"))
		}
		return out, directive
	}
}

// operate asks a flow for something that it answers with its Status.
func (e *env) operate(ctx context.Context, flow string, do func(*operator.Instance) (workflows.Status, error)) error {
	return e.with(ctx, func(i *operator.Instance) error {
		st, err := do(i)
		if err != nil {
			return err
		}
		return e.answer(flow, st)
	})
}

// answer prints the Status of a flow that was asked for something.
func (e *env) answer(flow string, st workflows.Status) error {
	err := e.show(flowAnswer{st, flow}, func() {
		fmt.Fprintln(e.out, flow+" is "+e.colours().with(stateColour(st.State), string(st.State))+because(st))
	})
	if err == nil && st.State == workflows.StateFailed {
		return quietly(exitFailed)
	}
	return err
}

// unlessKnown says what is wrong with the name of a table of which a list for people
// holds nothing; "" is all of them.
func (e *env) unlessKnown(i *operator.Instance, table string, found int) error {
	if found > 0 || e.json() || table == "" {
		return nil
	}
	return i.Known(table)
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
