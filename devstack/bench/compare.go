package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

func compareCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "compare <commit>", Short: "Measure the worker of another commit beside that of this tree",
		Long: `Builds the worker of a commit, and loads by turns with it and with that of this
tree, as the measurement called full does. Sandboxes and Temporal are those of this
tree. CPU per record tells more than records/s where the machine does something else too.`,
		Args: cobra.ExactArgs(1), SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error { return compare(cmd.Context(), *o, args[0]) },
	}
}

func compare(ctx context.Context, o options, commit string) (err error) {
	dir, err := os.MkdirTemp("", "causeway-bench-compare")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	other, err := workerOf(ctx, commit, dir)
	if err != nil {
		return err
	}
	machine()
	var theirs, ours costs
	var cpu, rate spread
	for range max(o.repeat, 1) {
		a, err := loadOnce(ctx, o, other)
		if err != nil {
			return fmt.Errorf("the worker of %s: %w", commit, err)
		}
		b, err := loadOnce(ctx, o, "")
		if err != nil {
			return err
		}
		theirs, ours = append(theirs, a), append(ours, b)
		cpu, rate = append(cpu, 100*b.cpu/a.cpu), append(rate, 100*b.rate/a.rate)
	}
	figure("worker of "+commit, "%s", theirs)
	figure("worker of this tree", "%s", ours)
	figure("this tree, of the other", "%s %% of the records/s, %s %% of the CPU", rate, cpu)
	return nil
}

// workerOf builds the worker of a commit, in a work tree that is gone afterwards.
func workerOf(ctx context.Context, commit, dir string) (path string, err error) {
	tree := filepath.Join(dir, "tree")
	if out, err := exec.CommandContext(ctx, "git", "worktree", "add", "--detach", tree, commit).CombinedOutput(); err != nil {
		return "", fmt.Errorf("checking out %s: %w\n%s", commit, err, out)
	}
	defer func() {
		remove := exec.CommandContext(context.WithoutCancel(ctx), "git", "worktree", "remove", "--force", tree)
		err = errors.Join(err, remove.Run())
	}()
	return buildWorker(tree, dir)
}

func loadOnce(ctx context.Context, o options, program string) (c cost, err error) {
	r, err := newRig(ctx, rigOptions{contacts: o.contacts, synchronous: o.synchronous, program: program})
	if err != nil {
		return c, err
	}
	defer r.done(&err)
	return r.measuredLoad(ctx, o.contacts)
}
