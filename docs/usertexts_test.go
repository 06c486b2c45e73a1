package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Texts that users see never show the number of a requirement: they have not read
// the list. What a program says is in its string literals; descriptions of
// settings are in the schema.
func TestUserTextsWithoutRequirements(t *testing.T) {
	t.Parallel()
	for _, schema := range files(t, ".schema.json") {
		if id := requirement.FindString(read(t, schema)); strings.Contains(id, ".") {
			t.Errorf("%s says %s to a user", schema, id)
		}
	}
	literals := 0
	for _, file := range files(t, ".go") {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "docs/") {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, "../"+file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				literals++
				if id := requirement.FindString(lit.Value); strings.Contains(id, ".") {
					t.Errorf("%s:%d says %s to a user", file, set.Position(lit.Pos()).Line, id)
				}
			}
			return true
		})
	}
	require.Greater(t, literals, 1000)
}
