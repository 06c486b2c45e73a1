package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	requirement = regexp.MustCompile(`\bR\d+(?:\.\d+)?\b`)
	row         = regexp.MustCompile(`(?m)^\| (R\d+\.\d+) \|`)
	chapter     = regexp.MustCompile(`(?m)^## (R\d+) `)
)

// Every requirement that code cites stands in docs/requirements.md, once.
func TestCitedRequirements(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/requirements.md")
	known := map[string]bool{}
	for _, m := range append(row.FindAllStringSubmatch(page, -1), chapter.FindAllStringSubmatch(page, -1)...) {
		require.False(t, known[m[1]], "%s stands there twice", m[1])
		known[m[1]] = true
	}
	cited := 0
	for _, file := range files(t, ".go") {
		for n, line := range strings.Split(read(t, file), "\n") {
			for _, id := range requirement.FindAllString(line, -1) {
				cited++
				if !known[id] {
					t.Errorf("%s:%d cites %s, which is not in docs/requirements.md", file, n+1, id)
				}
			}
		}
	}
	require.Greater(t, cited, 200)
}

var (
	numbered = regexp.MustCompile(`(?m)^#{2,3} (\d+(?:\.\d+)?)\.? `)
	// A citation is a page and its sections, or sections alone.
	citation = regexp.MustCompile(`((?:[\w-]+/)*[\w-]+\.md)?(?:,? ?(§\d+(?:\.\d+)?))+`)
	section  = regexp.MustCompile(`§(\d+(?:\.\d+)?)`)
	named    = regexp.MustCompile(`(?:[\w-]+/)*[\w-]+\.md`)
)

// Every page and section that code cites is in the repository. Sections without a
// page are those of the one page that the package's comment names.
func TestCitedSections(t *testing.T) {
	t.Parallel()
	sections := map[string]map[string]bool{}
	for _, page := range []string{"docs/protocol/dynamics.md", "docs/protocol/campaign.md", "docs/protocol/integration.md"} {
		sections[page] = map[string]bool{}
		for _, m := range numbered.FindAllStringSubmatch(read(t, page), -1) {
			sections[page][m[1]] = true
		}
		require.NotEmpty(t, sections[page], page)
	}
	sources := files(t, ".go")
	subject := map[string]string{} // the page that the comment of a package names, by folder
	comments := map[string][]string{}
	for _, file := range sources {
		parsed, err := parser.ParseFile(token.NewFileSet(), "../"+file, nil, parser.ParseComments)
		require.NoError(t, err)
		if parsed.Doc != nil {
			if page := named.FindString(flat(parsed.Doc)); page != "" {
				subject[path.Dir(file)] = page
			}
		}
		for _, group := range parsed.Comments {
			comments[file] = append(comments[file], flat(group))
		}
	}
	cited := 0
	for _, file := range sources {
		for _, text := range comments[file] {
			for _, page := range named.FindAllString(text, -1) {
				if _, err := os.Stat("../" + page); err != nil {
					t.Errorf("%s cites %s; write the path of a page from the root, such as docs/protocol/dynamics.md", file, page)
				}
			}
			for _, m := range citation.FindAllStringSubmatch(text, -1) {
				page := m[1]
				if page == "" {
					page = subject[path.Dir(file)]
				}
				if page == "" {
					t.Errorf("%s cites %s of no page, and the package's comment names none", file, strings.TrimSpace(m[0]))
					continue
				}
				for _, s := range section.FindAllStringSubmatch(m[0], -1) {
					cited++
					if !sections[page][s[1]] {
						t.Errorf("%s cites §%s of %s, which has no such section", file, s[1], page)
					}
				}
			}
		}
	}
	require.Greater(t, cited, 100)
}

// flat is a comment without its line breaks.
func flat(group *ast.CommentGroup) string {
	return strings.Join(strings.Fields(group.Text()), " ")
}
