package operator_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The package is for any face: it knows no terminal, no page and no file, and no
// service but Temporal.
func TestImportsNoFace(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	ours := map[string]bool{
		"causeway.dev/config": true, "causeway.dev/config/edit": true, "causeway.dev/workflows": true, "causeway.dev/activities": true,
		"causeway.dev/internal/temporalconn": true, "causeway.dev/internal/temporalcodec": true, "causeway.dev/internal/histories": true, "causeway.dev/internal/phrase": true,
		"causeway.dev/internal/access": true,
	}
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		seen++
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range parsed.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			require.False(t, strings.HasPrefix(path, "causeway.dev/") && !ours[path], "%s imports %s", file, path)
			for _, bad := range []string{"os", "net/http", "html/template", "database/sql", "github.com/spf13/", "github.com/mattn/go-isatty", "golang.org/x/term"} {
				require.False(t, path == bad || strings.HasSuffix(bad, "/") && strings.HasPrefix(path, bad), "%s imports %s", file, path)
			}
		}
	}
	require.Greater(t, seen, 10)
}
