package commands

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// allFlows is what --all does to every flow that it concerns.
type allFlows struct {
	none     string // said where there is none
	concerns func(*workflows.Status) bool
	reversed bool // children before their parents
	do       func(ctx context.Context, i *operator.Instance, flow string) (workflows.Status, error)
}

// flag adds --all to a command of one flow; what it does to one is in its RunE, which is
// given the name.
func (a allFlows) flag(e *env, cmd *cobra.Command, usage string) {
	all, one := false, cmd.RunE
	cmd.Flags().BoolVar(&all, "all", false, usage)
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		if all {
			return exactly("none with --all", 0)(cmd, given)
		}
		return exactly("one table, such as contacts, or egress or optout, or --all", 1)(cmd, given)
	}
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if !all {
			return one(cmd, given)
		}
		return a.run(cmd.Context(), e)
	}
}

// run goes from flow to flow; one that refuses does not keep the others from it. The exit
// code is that of the first that fails. A flow whose mapping was removed is one of them.
func (a allFlows) run(ctx context.Context, e *env) error {
	return e.with(ctx, func(i *operator.Instance) error {
		report, err := i.Status(ctx, "")
		if err != nil {
			return err
		}
		order := i.ParentsFirst()
		slices.SortStableFunc(report.Flows, func(x, y operator.FlowReport) int {
			return cmp.Compare(slices.Index(order, x.Flow), slices.Index(order, y.Flow))
		})
		if a.reversed {
			slices.Reverse(report.Flows)
		}
		var first error
		asked := 0
		for _, f := range report.Flows {
			if !a.mayConcern(f) {
				continue
			}
			asked++
			st, err := a.do(ctx, i, f.Flow)
			if err == nil {
				err = e.answer(f.Flow, st)
			}
			if err != nil {
				first = cmp.Or(first, quietly(e.report(err)))
			}
		}
		if asked == 0 {
			e.say("%s", a.none)
		}
		return first
	})
}

// mayConcern says whether to ask a flow. One that did not answer is asked: it says why.
func (a allFlows) mayConcern(f operator.FlowReport) bool {
	switch {
	case f.Status != nil && f.Answered:
		return a.concerns(f.Status)
	case f.Recorded != nil:
		return f.Recorded.Running
	}
	return false
}
