package console_test

import (
	"html"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/console/static"
	"causeway.dev/internal/access"
)

// Every page of the documentation is there, also before the privacy text was acknowledged, and
// every link between them leads somewhere.
func TestTheDocumentation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, as(access.Viewer))
	require.Equal(t, http.StatusSeeOther, w.get(w.link.New()).status)
	links := regexp.MustCompile(`href="(/i/acme/docs[^"#]*)?(#[^"]*)?"`)
	bodies := map[string]string{}
	look := func(at string) string {
		if bodies[at] == "" {
			p := w.get(at)
			require.Equal(t, http.StatusOK, p.status, at)
			_, article, _ := strings.Cut(p.body, `<article class="panel doc">`)
			article, _, _ = strings.Cut(article, "</article>")
			require.NotEmpty(t, article)
			require.NotContains(t, article, `.md"`, "%s: a link to a file", at)
			bodies[at] = article
		}
		return bodies[at]
	}
	files, followed := 0, 0
	require.NoError(t, filepath.WalkDir(filepath.Join("..", "docs"), func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		if d.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		files++
		rel, err := filepath.Rel(filepath.Join("..", "docs"), path)
		require.NoError(t, err)
		at := "/i/acme/docs/" + strings.TrimSuffix(filepath.ToSlash(rel), ".md")
		for _, link := range links.FindAllStringSubmatch(look(at), -1) {
			to, anchor := link[1], html.UnescapeString(strings.TrimPrefix(link[2], "#"))
			if to == "" {
				to = at
			}
			followed++
			if body := look(to); anchor != "" {
				require.Contains(t, body, `id="`+anchor+`"`, "%s leads to %s#%s", at, to, anchor)
			}
		}
		return nil
	}))
	require.Greater(t, files, 30)
	require.Greater(t, followed, 50)
	require.Contains(t, look("/i/acme/docs"), "After this page you know which page to read.")
	require.Contains(t, look("/i/acme/docs/access"), "<table>")
	for _, path := range []string{"/docs/none", "/docs/..%2fgo.mod", "/docs/access.md"} {
		require.Equal(t, http.StatusNotFound, w.get("/i/acme"+path).status, path)
	}
}

func TestAbout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, as(access.Viewer))
	w.signIn()
	body := w.get("/i/acme/about").body
	require.Contains(t, body, "Zero-Clause BSD")
	require.Contains(t, body, "Permission to use, copy, modify")
	readme, err := os.ReadFile(filepath.Join("static", "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(readme), "| `htmx.min.js` | "+static.HtmxVersion+" |")
	require.Contains(t, w.get("/i/acme/").body, `href="/i/acme/about"`)
}
