package commands

import (
	"context"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

type startOptions struct {
	table string
	all   bool
	wait  bool
}

func newStart(e *env, g *global) *cobra.Command {
	var o startOptions
	cmd := &cobra.Command{
		Use: "start <table> | egress | optout | --all", Short: "Start a flow with what the configuration file says of it",
		Long: `Start a stopped, failed or new flow: a table's; egress, which brings e-mail events
to the contact's timeline in Dynamics; or optout, which keeps opt-outs in step. The
mapping, or the settings, and limits are taken from the configuration file and kept
until the flow is stopped and started again. They are checked against both systems
first; what does not fit stops the start with exit code 1, before anything is written.

The first start reads the whole table (the initial load), later ones go on where
the flow was stopped. The initial load of a table with links waits for those of
its parents. The first start of egress reads what the journal still has, up to 7
days. optout looks at everybody's choices first, and again when its pairs, its mode
or another rule of its has changed. --all starts every mapping of the file, parents
first, egress if a type of event is switched on, and optout if its mode is
campaign_to_dynamics or bidirectional.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example:           "  causeway start contacts\n  causeway start contacts --wait   # until the initial load is done\n  causeway start egress\n  causeway start --all",
		ValidArgsFunction: completeTables(g),
		Args: func(cmd *cobra.Command, args []string) error {
			if o.all {
				return exactly("none with --all", 0)(cmd, args)
			}
			return exactly("one table, such as contacts, or egress or optout, or --all", 1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.all {
				return startAll(cmd.Context(), e, g, o)
			}
			o.table = args[0]
			return start(cmd.Context(), e, g, o)
		},
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "start every flow of the configuration file, parents first")
	cmd.Flags().BoolVarP(&o.wait, "wait", "w", false, "follow the initial load to its end, with progress")
	return cmd
}

// startAll starts one flow after the other; one that cannot start, or runs
// already, does not keep the others from it. The exit code is that of the first.
func startAll(ctx context.Context, e *env, g *global, o startOptions) error {
	cfg, err := g.load()
	if err != nil {
		return err
	}
	var first error
	names := cfg.ParentsFirst()
	if cfg.Egress.Settings().Enabled() {
		names = append(names, activities.FlowEgress)
	}
	if cfg.OptOutSettings().Idle() == "" {
		names = append(names, activities.FlowOptOut)
	}
	for _, o.table = range names {
		if err := start(ctx, e, g, o); err != nil {
			code := e.report(err)
			if first == nil {
				first = quietly(code)
			}
		}
	}
	return first
}

func start(ctx context.Context, e *env, g *global, o startOptions) error {
	f, err := e.openFlow(ctx, g, o.table)
	if err != nil {
		return err
	}
	defer f.close()
	st, err := f.start(ctx)
	if err != nil {
		return err
	}
	if st.State != workflows.StateFailed && st.Watermark.IsZero() { // R15.9
		e.say("the initial load of %s begins; if it is large, stop other processes in Campaign until it is done", o.table)
	}
	if o.wait && st.State != workflows.StateFailed {
		if st, err = f.follow(ctx, untilLoaded()); err != nil {
			return err
		}
	}
	if err := f.answer(st); err != nil || !o.wait || g.json() || st.LastRun == nil {
		return err
	}
	writeAccount(e.out, e.colours(), f.flowID().IsEvents(), st.LastRun.Counts)
	return nil
}

func (f *flow) start(ctx context.Context) (workflows.Status, error) {
	if _, ok := f.configured(); !ok {
		return workflows.Status{}, f.notConfigured()
	}
	ctx, cancel := context.WithTimeout(ctx, f.g.timeout)
	defer cancel()
	stop := f.env.meanwhile(ctx, f.g, f.api, f.g.timeout)
	st, err := f.api.Start(ctx, f.flowID(), flowSummary(f.cfg, f.flowID()), StartRequest(f.cfg, f.table, f.env.by))
	stop()
	return st, f.explain(ctx, err)
}

// quietLooks without a run in hand mean that no load is about to begin: one that
// begins names its run within a moment.
const quietLooks = 4

// untilLoaded ends when the flow waits for changes, or cannot get there.
func untilLoaded() func(workflows.Status) bool {
	quiet := 0
	return func(st workflows.Status) bool {
		switch st.State {
		case workflows.StateStarting, workflows.StatePaused:
			quiet = 0
			return false
		case workflows.StateRunning:
			if st.Watermark.IsZero() || st.Run != "" {
				quiet = 0
				return false
			}
			quiet++
			return quiet >= quietLooks
		}
		return true
	}
}
