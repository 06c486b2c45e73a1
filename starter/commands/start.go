package commands

import (
	"context"
	"math"

	"github.com/spf13/cobra"

	"causeway.dev/config"
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
		Use: "start <table> | --all", Short: "Start a flow with the mapping in the configuration file",
		Long: `Start a stopped, failed or new flow. The mapping and limits are taken from the
configuration file and kept until the flow is stopped and started again. They are
checked against both systems first; a mapping that does not fit stops the start
with exit code 1, before anything is written.

The first start reads the whole table (the initial load), later ones go on where
the flow was stopped. The initial load of a table with links waits for those of
its parents. --all starts every mapping of the file, parents first.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example:           "  causeway start contacts\n  causeway start contacts --wait   # until the initial load is done\n  causeway start --all",
		ValidArgsFunction: completeTables(g),
		Args: func(cmd *cobra.Command, args []string) error {
			if o.all {
				return exactly("none with --all", 0)(cmd, args)
			}
			return exactly("one table, such as contacts, or --all", 1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.all {
				return startAll(cmd.Context(), e, g, o)
			}
			o.table = args[0]
			return start(cmd.Context(), e, g, o)
		},
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "start every mapping of the configuration file, parents first")
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
	for _, o.table = range cfg.ParentsFirst() {
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
	table, mapped := f.cfg.Ingress.Tables[o.table]
	if !mapped {
		return unknownTable(g, f.cfg, o.table)
	}
	st, err := f.start(ctx, workflows.StartRequest{Table: table, Revision: table.Revision(), Tuning: tuning(f.cfg), By: e.operator})
	if err != nil {
		return err
	}
	if o.wait && st.State != workflows.StateFailed {
		if st, err = f.follow(ctx, untilLoaded()); err != nil {
			return err
		}
	}
	if err := f.answer(st); err != nil || !o.wait || g.json() || st.LastRun == nil {
		return err
	}
	writeCounts(e.out, e.colours(), st.LastRun.Counts)
	return nil
}

func (f *flow) start(ctx context.Context, req workflows.StartRequest) (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, f.g.timeout)
	defer cancel()
	st, err := f.api.Start(ctx, workflows.TableSyncInput{Instance: f.cfg.Instance, Table: f.table}, req)
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

// tuning takes the limits of a flow from the configuration.
// StartRequest is what starts a table with the mapping and the bounds of a
// configuration; the devstack starts its flow with it too.
func StartRequest(cfg *config.Config, table, by string) workflows.StartRequest {
	t := cfg.Ingress.Tables[table]
	return workflows.StartRequest{Table: t, Revision: t.Revision(), Tuning: tuning(cfg), By: by}
}

func onStop(configured string) string {
	if configured == workflows.OnStopRollback {
		return configured
	}
	return ""
}

func tuning(cfg *config.Config) workflows.Tuning {
	return workflows.Tuning{
		Lanes: cfg.Ingress.Lanes, ReadAhead: cfg.Ingress.ReadAhead, Poll: cfg.Ingress.PollEvery,
		// Zero would mean the default; configured, it means that one refusal stops the run.
		StopRatio: max(cfg.Quarantine.StopRatio, math.SmallestNonzeroFloat32), StopMin: int64(cfg.Quarantine.StopMin),
		OnStop: onStop(cfg.Quarantine.OnStop),
	}
}
