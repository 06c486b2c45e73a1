package pages

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"causeway.dev/docs"
)

// docView is a page of the documentation.
type docView struct {
	HTML  template.HTML
	Start string // "" on the first page
	Base  string
}

// markdown reads what the pages are written in. Raw HTML is left out.
var markdown = goldmark.New(goldmark.WithExtensions(extension.Table), goldmark.WithParserOptions(parser.WithAutoHeadingID()))

func docsURL(instance string) string { return home(instance) + "docs" }

// doc shows a page of the documentation.
func (p *Pages) doc(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("page")
	if name == "" {
		name = "README"
	}
	source, err := docs.Pages.ReadFile(name + ".md")
	if err != nil {
		p.noSuchPage(w, r)
		return
	}
	base := docsURL(r.PathValue("instance"))
	title, html, err := document(source, name, base)
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	view := docView{HTML: html, Base: base}
	if name != "README" {
		view.Start = base
	}
	p.render(w, r, http.StatusOK, "doc", title, view)
}

// document renders a page, with its links leading to the pages below base. A link to a file
// that is not a page of the documentation becomes its text.
func document(source []byte, name, base string) (title string, html template.HTML, err error) {
	tree := markdown.Parser().Parse(text.NewReader(source))
	var links []*ast.Link
	_ = ast.Walk(tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if l, is := n.(*ast.Link); is && entering {
			links = append(links, l)
		}
		if h, is := n.(*ast.Heading); is && entering && title == "" {
			title = string(h.Lines().Value(source))
		}
		return ast.WalkContinue, nil
	})
	for _, l := range links {
		if to := leadsTo(string(l.Destination), name, base); to != "" {
			l.Destination = []byte(to)
			continue
		}
		for l.FirstChild() != nil { // it moves
			l.Parent().InsertBefore(l.Parent(), l, l.FirstChild())
		}
		l.Parent().RemoveChild(l.Parent(), l)
	}
	var out bytes.Buffer
	err = markdown.Renderer().Render(&out, source, tree)
	return title, template.HTML(out.String()), err //nolint:gosec // ours, and raw HTML is left out
}

// leadsTo is where a link of a page leads in the console; "" where there is nothing.
func leadsTo(link, name, base string) string {
	u, err := url.Parse(link)
	switch {
	case err != nil:
		return ""
	case u.Scheme != "":
		return link
	case u.Path == "":
		return link // within the page
	}
	to := path.Join(path.Dir(name), u.Path)
	if _, err := docs.Pages.ReadFile(to); err != nil || !strings.HasSuffix(to, ".md") {
		return ""
	}
	out := base + "/" + strings.TrimSuffix(to, ".md")
	if to == "README.md" {
		out = base
	}
	if u.Fragment != "" {
		out += "#" + u.Fragment
	}
	return out
}
