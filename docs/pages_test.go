// Package docs_test keeps the pages and the code together: links lead somewhere,
// what comments cite is in the repository, and texts that users see do without
// the numbers of requirements.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// files lists the files of the repository whose names end so, by their paths from
// the root.
func files(t *testing.T, suffix string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if name := e.Name(); path != ".." && (strings.HasPrefix(name, ".") || strings.HasSuffix(name, "-data") || name == "bin" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, suffix) {
			rel, err := filepath.Rel("..", path)
			out = append(out, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, out)
	return out
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", path))
	require.NoError(t, err)
	return string(data)
}

var (
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fenced = regexp.MustCompile("(?ms)^```.*?^```")
	coded  = regexp.MustCompile("`[^`\n]*`")

	testName = regexp.MustCompile("`Test[A-Z][A-Za-z]*`")
)

// Links to files of the repository lead to files, and to headings that are there.
func TestLinks(t *testing.T) {
	t.Parallel()
	n := 0
	for _, page := range files(t, ".md") {
		text := coded.ReplaceAllString(fenced.ReplaceAllString(read(t, page), ""), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			n++
			to := page
			if target != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(page), target))
			}
			if _, err := os.Stat(filepath.Join("..", to)); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", page, m[1])
				continue
			}
			if anchor != "" && !anchors(read(t, to))[anchor] {
				t.Errorf("%s: %s has no heading #%s", page, to, anchor)
			}
		}
	}
	require.Greater(t, n, 50)
}

// anchors are the headings of a page as links name them.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(fenced.ReplaceAllString(text, "")) {
		heading, ok := strings.CutPrefix(strings.TrimLeft(strings.TrimSpace(line), "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		var anchor strings.Builder
		for _, r := range strings.ToLower(heading) {
			switch {
			case r == ' ':
				anchor.WriteByte('-')
			case r == '-', r == '_', r >= 'a' && r <= 'z', r >= '0' && r <= '9', r > 127:
				anchor.WriteRune(r)
			}
		}
		out[anchor.String()] = true
	}
	return out
}

// An index leads to every page: docs/README.md, that of the decisions, and that of the runbooks.
func TestTheIndexIsWhole(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"docs", "docs/decisions", "docs/runbooks"} {
		index := read(t, folder+"/README.md")
		for _, page := range files(t, ".md") {
			rel, below := strings.CutPrefix(page, folder+"/")
			if !below || rel == "README.md" || folder == "docs" && (strings.HasPrefix(rel, "decisions/") || strings.HasPrefix(rel, "runbooks/") && rel != "runbooks/README.md") {
				continue
			}
			if !strings.Contains(index, "("+rel+")") {
				t.Errorf("%s/README.md does not lead to %s", folder, page)
			}
		}
	}
}

// A page begins with what one can do after it.
func TestPagesBeginWithWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	for _, page := range files(t, ".md") {
		if page == "README.md" || strings.HasPrefix(page, "docs/decisions/0") || strings.HasPrefix(page, "docs/runbooks/Causeway") {
			continue
		}
		if strings.HasPrefix(read(t, page), "<!-- Generated") {
			continue
		}
		_, text, ok := strings.Cut(read(t, page), "\n")
		if !ok || !strings.HasPrefix(strings.TrimSpace(text), "After this page you ") {
			t.Errorf("%s does not begin with what one can do after it", page)
		}
	}
}

// A test that a page names is there.
func TestTestsThatPagesName(t *testing.T) {
	t.Parallel()
	var code strings.Builder
	for _, file := range files(t, "_test.go") {
		code.WriteString(read(t, file))
	}
	tests, n := code.String(), 0
	for _, page := range files(t, ".md") {
		for _, name := range testName.FindAllString(read(t, page), -1) {
			n++
			if !strings.Contains(tests, "func "+strings.Trim(name, "`")+"(") {
				t.Errorf("%s names %s, which is not there", page, name)
			}
		}
	}
	require.Greater(t, n, 10)
}

// A path of the repository that a page names in code letters is there.
func TestPathsThatPagesName(t *testing.T) {
	t.Parallel()
	folders := regexp.MustCompile("`((?:activities|config|console|deploy|devstack|docs|internal|sandbox|starter|worker|workflows)/[A-Za-z0-9_./-]*)`")
	for _, page := range files(t, ".md") {
		if strings.HasPrefix(page, "docs/protocol/") {
			continue
		}
		for _, m := range folders.FindAllStringSubmatch(read(t, page), -1) {
			if target[strings.TrimSuffix(m[1], "/")] {
				continue
			}
			if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
				t.Errorf("%s names %s, which is not there", page, m[1])
			}
		}
	}
}

// target are packages that the pages describe and that are still being made.
var target = map[string]bool{
	"activities/run": true, "activities/ingress": true, "activities/egress": true, "activities/optout": true, "activities/operator": true, "activities/budget": true,
	"internal/operator": true,
}
