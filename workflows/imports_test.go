package workflows_test

import (
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Workflows decide order and waiting only: what they import cannot do I/O.
func TestWorkflowsImportNothingThatDoesIO(t *testing.T) {
	t.Parallel()
	forbidden := []string{"net/http", "net", "os", "database/sql", "io", "math/rand", "math/rand/v2", "sync", "causeway.dev/internal/", "causeway.dev/config", "causeway.dev/sandbox"}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	files := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			for _, bad := range forbidden {
				require.False(t, path == bad || (strings.HasSuffix(bad, "/") && strings.HasPrefix(path, bad)), "%s imports %s", e.Name(), path)
			}
		}
	}
	require.Greater(t, files, 4)
}
