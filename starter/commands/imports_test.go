package commands

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tool asks; it never reaches past Temporal to a service or the ledger.
func TestImportsNoClient(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	allowed := map[string]bool{"causeway.dev/config": true, "causeway.dev/workflows": true, "causeway.dev/activities": true, "causeway.dev/internal/operator": true, "causeway.dev/internal/phrase": true, "causeway.dev/internal/histories": true}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range parsed.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			ours := strings.HasPrefix(path, "causeway.dev/")
			require.False(t, ours && !allowed[path], "%s imports %s", file, path)
			require.NotEqual(t, "database/sql", path)
			require.NotEqual(t, "net/http", path)
		}
	}
}
