package commands

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tool asks an instance; it never reaches Temporal by itself, nor a service or
// the ledger past it.
func TestImportsNoClient(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	allowed := map[string]bool{"causeway.dev/console": true, "causeway.dev/config": true, "causeway.dev/workflows": true, "causeway.dev/activities": true, "causeway.dev/internal/operator": true, "causeway.dev/internal/support": true, "causeway.dev/internal/phrase": true, "causeway.dev/internal/readable": true, "causeway.dev/internal/histories": true, "causeway.dev/internal/temporalcodec": true, "causeway.dev/internal/signin": true, "causeway.dev/internal/buildinfo": true}
	for _, file := range files {
		test := strings.HasSuffix(file, "_test.go")
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range parsed.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			ours := strings.HasPrefix(path, "causeway.dev/")
			require.False(t, ours && !allowed[path] && !(test && path == "causeway.dev/internal/operator/operatortest"), "%s imports %s", file, path)
			require.False(t, !test && strings.HasPrefix(path, "go.temporal.io/"), "%s imports %s", file, path)
			require.NotEqual(t, "database/sql", path)
			require.NotEqual(t, "net/http", path)
		}
	}
}
