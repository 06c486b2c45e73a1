package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newRunsExport(e *env) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use: "export <run>", Short: "Write a run's history to files, as the Temporal UI and replayers load it",
		Long: `Write the history of a run to a folder: a file of JSON for each execution of its
workflow, oldest first, which are more than one when it continued as new or was
reset. The Temporal UI loads such files (Import), and so do causeway runs verify and
the SDK's replayers. Histories hold ids, counts and positions, and no personal data.
With temporal.encryption_key they are written sealed, as Temporal has them; causeway
runs verify opens them with the same keys, and so does the Temporal UI by causeway codec.

A file that is there already is written anew. A history that is still growing is
written as it is now.

` + runArgHelp + `

With -o json: {run, folder, files: [{file, run_id, status, events, bytes}]}.`,
		Example:           "  causeway runs export contacts-20260102T030405.000Z --to /tmp/histories\n  causeway runs export contacts -o json | jq -r '.files[].file'",
		Args:              exactly("a run", 1),
		ValidArgsFunction: first(completeRuns(e)),
		RunE:              func(cmd *cobra.Command, args []string) error { return runsExport(cmd.Context(), e, args[0], to) },
	}
	cmd.Flags().StringVar(&to, "to", "", "`folder` to write to, created where missing; default the run's name in the current folder")
	_ = cmd.MarkFlagDirname("to")
	return cmd
}

// exported is what the command prints with -o json.
type exported struct {
	Run    string         `json:"run"`
	Folder string         `json:"folder"`
	Files  []exportedFile `json:"files"`
}

type exportedFile struct {
	File   string `json:"file"`
	RunID  string `json:"run_id"`
	Status string `json:"status"`
	Events int64  `json:"events"`
	Bytes  int64  `json:"bytes"`
}

func runsExport(ctx context.Context, e *env, name, to string) error {
	if to == "" {
		to = strings.ReplaceAll(name, "/", "-")
	}
	if to == "-" {
		return badInput("--to: got -, want a folder: there may be several files")
	}
	return e.with(ctx, func(i *operator.Instance) error {
		executions, err := i.RunExecutions(ctx, name)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(to, 0o755); err != nil {
			return badInput("--to: %v; choose a folder you may write to", err)
		}
		out := exported{Run: name, Folder: to}
		for n, x := range executions {
			file, err := exportFile(ctx, i, x, filepath.Join(to, fmt.Sprintf("%03d-%s.json", n+1, x.RunID)))
			if err != nil {
				return err
			}
			out.Files = append(out.Files, *file)
		}
		return e.show(out, func() {
			rows := [][]cell{header([]int{2, 3}, "FILE", "STATUS", "EVENTS", "SIZE")}
			for _, f := range out.Files {
				rows = append(rows, []cell{text(f.File), text(f.Status), number(f.Events), {text: size(f.Bytes), right: true}})
			}
			writeTable(e.out, e.colours(), rows)
			fmt.Fprintf(e.out, "\n%s written; check them with: causeway runs verify %s\n", phrase.Count(int64(len(out.Files)), "history file"), to)
		})
	})
}

// exportFile writes one history beside its place and moves it there when it is whole.
func exportFile(ctx context.Context, i *operator.Instance, x operator.Execution, path string) (*exportedFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".export-*")
	if err != nil {
		return nil, badInput("--to: %v; choose a folder you may write to", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone once it was moved
	out := &exportedFile{File: path, RunID: x.RunID, Status: x.Status}
	out.Events, err = i.Export(ctx, x, f)
	if info, statErr := f.Stat(); err == nil && statErr == nil {
		out.Bytes = info.Size()
	}
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, failed("writing %s: %v", path, err)
	}
	return out, nil
}
