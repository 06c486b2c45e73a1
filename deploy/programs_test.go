package deploy_test

import (
	"bytes"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	sandbox "causeway.dev/sandbox/commands"
	"causeway.dev/starter/commands"
)

// requireCommand checks a command line against the program's own help: the command is
// there, and so is each of its flags.
func requireCommand(t *testing.T, where string, line []string) {
	t.Helper()
	program, rest := line[0], line[1:]
	if at := strings.LastIndex(program, "/"); at >= 0 {
		program = program[at+1:]
	}
	var path, flags []string
	value := false // the next word belongs to a flag
	for _, word := range rest {
		switch {
		case strings.HasPrefix(word, "--"):
			name, _, given := strings.Cut(word, "=")
			flags = append(flags, name)
			value = !given
		case value:
			value = false
		default:
			path = append(path, word)
		}
	}
	help := helpOf(t, program, path)
	require.Contains(t, help, strings.Join(append([]string{"\n  " + program}, path...), " ")+" ", "%s runs a command that is not there: %q", where, line)
	for _, f := range flags {
		require.Regexp(t, "(?m)^ +(-., )?"+f+`\b`, help, "%s gives a flag that is not there: %q", where, line)
	}
}

// helpOf is what a command prints with --help.
func helpOf(t *testing.T, program string, path []string) string {
	t.Helper()
	var out bytes.Buffer
	args := append(append([]string{}, path...), "--help")
	switch program {
	case "causeway":
		require.Zero(t, commands.Execute(t.Context(), args, strings.NewReader(""), &out, &out))
	case "sandbox":
		require.Zero(t, sandbox.Execute(t.Context(), args, &out, &out))
	case "worker":
		require.Empty(t, path)
		text, err := workerHelp()
		require.NoError(t, err, text)
		return text
	default:
		require.Fail(t, "not a program of ours", program)
	}
	return out.String()
}

var workerHelp = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "run", "../worker", "--help").CombinedOutput()
	return string(out), err
})
