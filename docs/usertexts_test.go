package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
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

// readers are the pages for people who use Causeway, not for those who change it.
func readers(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, page := range files(t, ".md") {
		below, ok := strings.CutPrefix(page, "docs/")
		switch {
		case !ok, below == "README.md", below == "requirements.md", below == "architecture.md", below == "glossary.md",
			strings.HasPrefix(below, "protocol/"), strings.HasPrefix(below, "decisions/"):
			continue
		}
		out = append(out, page)
	}
	require.Greater(t, len(out), 10)
	return out
}

// Pages for users do without the numbers of requirements, too.
func TestPagesWithoutRequirements(t *testing.T) {
	t.Parallel()
	for _, page := range readers(t) {
		if id := requirement.FindString(read(t, page)); strings.Contains(id, ".") {
			t.Errorf("%s says %s to a user", page, id)
		}
	}
}

// ours are words that mean something of their own here.
var ours = regexp.MustCompile(`(?i)\b(?:settled|parked|(?:a|the|each|one) pass|lanes?|baselines?)\b`)

// A word of ours comes with a link to the glossary on its page: no later than at the end
// of the section in which it is met first.
func TestWordsOfOursLeadToTheGlossary(t *testing.T) {
	t.Parallel()
	n := 0
	for _, page := range readers(t) {
		text := read(t, page)
		first := ours.FindStringIndex(coded.ReplaceAllStringFunc(text, blanked))
		if first == nil {
			continue
		}
		n++
		near := text
		if end := strings.Index(text[first[1]:], "\n## "); end >= 0 {
			near = text[:first[1]+end]
		}
		if !strings.Contains(near, "](glossary.md)") && !strings.Contains(near, "](../glossary.md)") {
			t.Errorf("%s says %q; lead from there to the glossary", page, text[first[0]:first[1]])
		}
	}
	require.GreaterOrEqual(t, n, 5)
}

func blanked(text string) string { return strings.Repeat(" ", len(text)) }
