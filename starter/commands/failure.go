package commands

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"causeway.dev/config"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitBadInput    = 2
	exitUnreachable = 3
)

// failure is why a command did not do what was asked: one sentence saying what
// to do about it, and the exit code. An empty text has been said already.
type failure struct {
	code int
	text string
}

func (f *failure) Error() string { return f.text }

func failed(format string, args ...any) error {
	return &failure{code: exitFailed, text: fmt.Sprintf(format, args...)}
}

func badInput(format string, args ...any) error {
	return &failure{code: exitBadInput, text: fmt.Sprintf(format, args...)}
}

func unreachable(format string, args ...any) error {
	return &failure{code: exitUnreachable, text: fmt.Sprintf(format, args...)}
}

// quietly ends with a code when everything has been said.
func quietly(code int) error {
	if code == exitDone {
		return nil
	}
	return &failure{code: code}
}

// report prints an error and returns its exit code. What is no failure comes
// from reading the command line.
func (e *env) report(err error) int {
	if err == nil {
		return exitDone
	}
	fail, ok := errors.AsType[*failure](err)
	if !ok {
		what := oneLine(strings.Replace(err.Error(), "\n\nDid you mean this?", "; did you mean:", 1))
		fail = &failure{code: exitBadInput, text: what + "; see causeway --help"}
	}
	if fail.text != "" {
		e.say("causeway: %s", strings.TrimPrefix(fail.text, "causeway "))
	}
	return fail.code
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
		return badInput("%s has %s\n  %s", path, count(int64(len(*problems)), "problem"), strings.ReplaceAll(problems.Error(), "\n", "\n  "))
	}
	if errors.Is(err, os.ErrNotExist) {
		return badInput("there is no configuration file %s; name one with --config or CAUSEWAY_CONFIG", path)
	}
	return badInput("%s: %v", path, err)
}
