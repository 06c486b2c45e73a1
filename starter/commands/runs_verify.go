package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/internal/temporalcodec"
)

func newRunsVerify(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "verify <run|file|folder>", Short: "Check histories against the workflow code of this build",
		Long: `Replay a run's histories through the workflow code of this build: whether a worker of
this build could take the run up. Nothing is written anywhere, and no worker is asked.
Where the code does something else than the history holds, it names the event, what
the history has there, and what the code does.

A file or a folder is one that causeway runs export, or the Temporal UI, has written.
What is sealed in it is opened with temporal.encryption_key of the configuration.

` + runArgHelp + `

With -o json: {deterministic, histories: [{source, workflow_id, run_id, type, events,
difference: {event, task, history, code, message}, problem}]}. Exit code 1 when a
history differs or cannot be read.`,
		Example: "  causeway runs verify contacts-20260102T030405.000Z\n  causeway runs verify /tmp/histories",
		Args:    exactly("a run, a file or a folder", 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runsVerify(cmd.Context(), e, args[0]) },
	}
}

// verification is what the command prints with -o json.
type verification struct {
	Deterministic bool                `json:"deterministic"` // all of them
	Histories     []operator.Verified `json:"histories"`
}

func runsVerify(ctx context.Context, e *env, what string) (err error) {
	out := verification{Deterministic: true}
	if _, statErr := os.Stat(what); statErr == nil {
		out.Histories, err = verifyFiles(e, what)
	} else if !errors.Is(statErr, fs.ErrNotExist) || strings.HasSuffix(what, ".json") {
		return badInput("reading %s: %v", what, statErr)
	} else {
		out.Histories, err = verifyRun(ctx, e, what)
	}
	if err != nil {
		return err
	}
	for _, v := range out.Histories {
		out.Deterministic = out.Deterministic && v.OK()
	}
	if err = e.show(out, func() { writeVerification(e, out) }); err == nil && !out.Deterministic {
		return quietly(exitFailed)
	}
	return err
}

// verifyFiles checks a file, or all files of JSON in a folder.
func verifyFiles(e *env, path string) (out []operator.Verified, err error) {
	files := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "*.json")); err != nil || len(files) == 0 {
			return nil, badInput("%s: got a folder without histories, want files of JSON as causeway runs export writes them", path)
		}
	}
	keys, err := keysIfAny(e)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return nil, badInput("reading %s: %v", file, err)
		}
		out = append(out, operator.VerifyHistory(keys, file, f))
		_ = f.Close()
	}
	return out, nil
}

// keysIfAny are the keys of the configuration. A history that is clear needs none, so
// that it can be checked where there is no configuration.
func keysIfAny(e *env) (*temporalcodec.Keys, error) {
	if _, err := os.Stat(e.configPath); errors.Is(err, fs.ErrNotExist) {
		return &temporalcodec.Keys{}, nil
	}
	cfg, err := e.load()
	if err != nil {
		return nil, err
	}
	return operator.KeysOf(cfg.Temporal)
}

func verifyRun(ctx context.Context, e *env, name string) (out []operator.Verified, err error) {
	err = e.with(ctx, func(i *operator.Instance) (err error) {
		out, err = i.VerifyRun(ctx, name)
		return err
	})
	if operator.KindOf(err) == operator.BadInput && strings.HasPrefix(err.Error(), "run: ") {
		err = badInput("%v; nor is there such a file or folder", err)
	}
	return out, err
}

func writeVerification(e *env, out verification) {
	p := e.colours()
	for _, v := range out.Histories {
		name := v.Source
		if v.RunID != "" && !strings.Contains(name, v.RunID) {
			name += " (" + v.RunID + ")"
		}
		switch {
		case v.Problem != "":
			fmt.Fprintf(e.out, "%s: %s: %s\n", name, p.with(bad, "not checked"), phrase.OneLine(v.Problem))
		case v.Difference != nil:
			fmt.Fprintf(e.out, "%s: %s\n  %s\n", name, p.with(bad, "differs"), phrase.OneLine(v.Difference.String()))
		default:
			fmt.Fprintf(e.out, "%s: %s: %s, %s\n", name, p.with(good, "deterministic"), v.Type, phrase.Count(int64(v.Events), "event"))
		}
	}
}
