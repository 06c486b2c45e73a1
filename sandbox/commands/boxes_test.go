package commands

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/stack"
)

// boxes are running sandboxes, and the program that works on them.
type boxes struct {
	*testing.T
	*stack.Stack
}

func newBoxes(t *testing.T, o stack.Options) *boxes {
	t.Helper()
	o.Dir = t.TempDir()
	s, err := stack.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return &boxes{t, s}
}

// run runs a command of the program and returns what it prints and its exit code.
func (b *boxes) run(args ...string) (string, int) {
	b.Helper()
	var out bytes.Buffer
	code := Execute(b.Context(), append(args, "--admin", b.AdminURL), &out, &out)
	return out.String(), code
}
