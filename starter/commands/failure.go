package commands

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/internal/readable"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitBadInput    = 2
	exitUnreachable = 3
)

func failed(format string, args ...any) error {
	return &operator.Error{Kind: operator.Failed, Text: fmt.Sprintf(format, args...)}
}

func badInput(format string, args ...any) error {
	return &operator.Error{Kind: operator.BadInput, Text: fmt.Sprintf(format, args...)}
}

// ended is an exit code when everything has been said.
type ended struct{ code int }

func (e ended) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// quietly ends with a code when everything has been said.
func quietly(code int) error {
	if code == exitDone {
		return nil
	}
	return ended{code}
}

// failedIf is the exit code of an answer that may be bad news.
func failedIf(bad bool) int {
	if bad {
		return exitFailed
	}
	return exitDone
}

// exitCodes are those of what can go wrong.
var exitCodes = map[operator.Kind]int{
	operator.Failed: exitFailed, operator.BadInput: exitBadInput, operator.NotStarted: exitBadInput,
	operator.NoWorker: exitUnreachable, operator.Unreachable: exitUnreachable,
}

// exitCode is that of an error. What is no error of ours comes from reading the
// command line.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if said, ok := errors.AsType[ended](err); ok {
		return said.code
	}
	if _, ours := errors.AsType[*operator.Error](err); !ours {
		return exitBadInput
	}
	return exitCodes[operator.KindOf(err)]
}

// report prints an error and returns its exit code.
func (e *env) report(err error) int {
	_, said := errors.AsType[ended](err)
	if err == nil || said {
		return exitCode(err)
	}
	what := ""
	switch fail, ours := errors.AsType[*operator.Error](err); {
	case !ours:
		what = phrase.OneLine(strings.Replace(err.Error(), "\n\nDid you mean this?", "; did you mean:", 1)) + "; see causeway --help"
	case fail.Field != "": // a flag is named like the input it gives
		what = "--" + fail.Error()
	default:
		what = strings.TrimPrefix(fail.Text, "causeway ")
	}
	if e.json() {
		return e.reportJSON(err, what)
	}
	e.say("causeway: %s", what)
	return exitCode(err)
}

// kinds are the names of what can go wrong, for programs.
var kinds = map[operator.Kind]string{
	operator.Failed: "failed", operator.BadInput: "bad_input", operator.NotStarted: "not_started",
	operator.NoWorker: "no_worker", operator.Unreachable: "unreachable",
}

// reportedError is an error with -o json: one line, so that it can be told from messages
// that came before it.
type reportedError struct {
	Kind     string `json:"kind"`
	ExitCode int    `json:"exit_code"`
	Message  string `json:"message"`
	Field    string `json:"field,omitempty"`
}

func (e *env) reportJSON(err error, message string) int {
	out := reportedError{Kind: kinds[operator.BadInput], ExitCode: exitCode(err), Message: message}
	if fail, ours := errors.AsType[*operator.Error](err); ours {
		out.Kind, out.Field = kinds[fail.Kind], fail.Field
	}
	enc := json.NewEncoder(readable.JSONLines(e.err))
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]reportedError{"error": out}) // there is nowhere else to say it
	return out.ExitCode
}

// flagProblem says which flag has a value of the wrong kind; "" for other errors.
func flagProblem(err error) string {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return ""
	}
	want := map[string]string{"int": "a whole number", "int64": "a whole number", "float64": "a number", "duration": "a time such as 30s or 5m", "bool": "true or false"}
	kind := bad.GetFlag().Value.Type()
	return fmt.Sprintf("--%s: got %q, want %s", bad.GetFlag().Name, bad.GetValue(), cmp.Or(want[kind], "a "+kind))
}

// configError says what is wrong with the configuration file, all of it.
func configError(path string, err error) error {
	if problems, ok := errors.AsType[*config.Problems](err); ok {
		return badInput("%s has %s\n  %s", path, phrase.Count(int64(len(*problems)), "problem"), strings.ReplaceAll(problems.Error(), "\n", "\n  "))
	}
	if errors.Is(err, os.ErrNotExist) {
		return badInput("there is no configuration file %s; name one with --config or CAUSEWAY_CONFIG", path)
	}
	return badInput("%s: %v", path, err)
}
