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
	historypb "go.temporal.io/api/history/v1"

	"causeway.dev/internal/histories"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newRunsVerify(e *env, g *global) *cobra.Command {
	return &cobra.Command{
		Use: "verify <run|file|folder>", Short: "Check histories against the workflow code of this build",
		Long: `Replay a run's histories through the workflow code of this build: whether a worker of
this build could take the run up. Nothing is written anywhere, and no worker is asked.
Where the code does something else than the history holds, it names the event, what
the history has there, and what the code does.

A file or a folder is one that causeway runs export, or the Temporal UI, has written.

` + runArgHelp + `

With -o json: {deterministic, histories: [{source, workflow_id, run_id, type, events,
difference: {event, task, history, code, message}, problem}]}. Exit code 1 when a
history differs or cannot be read.`,
		Example: "  causeway runs verify contacts-20260102T030405.000Z\n  causeway runs verify /tmp/histories",
		Args:    exactly("a run, a file or a folder", 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runsVerify(cmd.Context(), e, g, args[0]) },
	}
}

// verification is what the command prints with -o json.
type verification struct {
	Deterministic bool       `json:"deterministic"` // all of them
	Histories     []verified `json:"histories"`
}

type verified struct {
	Source     string                `json:"source"` // a file, or the run
	WorkflowID string                `json:"workflow_id,omitempty"`
	RunID      string                `json:"run_id,omitempty"`
	Type       string                `json:"type,omitempty"`
	Events     int                   `json:"events"`
	Difference *histories.Difference `json:"difference,omitempty"`
	Problem    string                `json:"problem,omitempty"`
}

func (v *verified) ok() bool { return v.Difference == nil && v.Problem == "" }

func runsVerify(ctx context.Context, e *env, g *global, what string) error {
	out := verification{Deterministic: true, Histories: []verified{}}
	add := func(v verified) {
		out.Deterministic = out.Deterministic && v.ok()
		out.Histories = append(out.Histories, v)
	}
	var err error
	if _, statErr := os.Stat(what); statErr == nil {
		err = verifyFiles(what, add)
	} else if !errors.Is(statErr, fs.ErrNotExist) || strings.HasSuffix(what, ".json") {
		return badInput("reading %s: %v", what, statErr)
	} else {
		err = verifyRun(ctx, e, g, what, add)
	}
	if err != nil {
		return err
	}
	if g.json() {
		err = writeJSON(e.out, out)
	} else {
		writeVerification(e, out)
	}
	if err == nil && !out.Deterministic {
		return quietly(exitFailed)
	}
	return err
}

// verifyFiles checks a file, or all files of JSON in a folder.
func verifyFiles(path string, add func(verified)) error {
	files := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "*.json")); err != nil || len(files) == 0 {
			return badInput("%s: got a folder without histories, want files of JSON as causeway runs export writes them", path)
		}
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return badInput("reading %s: %v", file, err)
		}
		history, err := histories.Read(f)
		_ = f.Close()
		if err != nil {
			add(verified{Source: file, Problem: err.Error()})
			continue
		}
		add(verify(file, "", history))
	}
	return nil
}

func verifyRun(ctx context.Context, e *env, g *global, name string, add func(verified)) error {
	s, err := e.find(ctx, g, name)
	if fail, ok := errors.AsType[*operator.Error](err); ok && fail.Kind == operator.BadInput && strings.HasPrefix(fail.Text, "run: ") {
		return badInput("%s; nor is there such a file or folder", fail.Text)
	}
	if err != nil {
		return err
	}
	defer s.close()
	if s.newest == nil {
		return failed("run %s: %s, so it cannot be checked", name, s.gone())
	}
	chain, err := s.chain(ctx, operator.MaxExecutions, false)
	if err != nil {
		return err
	}
	for _, x := range chain {
		history, err := s.history(ctx, &x)
		if err != nil {
			return err
		}
		v := verify(name, x.WorkflowID, history)
		v.WorkflowID, v.RunID = x.WorkflowID, x.RunID
		add(v)
	}
	return nil
}

func verify(source, workflowID string, history *historypb.History) verified {
	v := verified{Source: source, WorkflowID: workflowID, Events: len(history.GetEvents())}
	if started := history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes(); started != nil {
		v.Type, v.RunID = started.GetWorkflowType().GetName(), started.GetOriginalExecutionRunId()
		if v.WorkflowID == "" {
			v.WorkflowID = started.GetWorkflowId()
		}
	}
	var err error
	if v.Difference, err = histories.Verify(history, v.WorkflowID, ourCode); err != nil {
		v.Problem = err.Error()
	}
	return v
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
