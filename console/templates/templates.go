// Package templates holds the pages' HTML and what it is written with. A page is a file that
// defines "main"; layout.html is around it, parts.html and trial.html have what several share, and a page
// may define parts of its own that are rendered alone when they are refreshed.
package templates

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/internal/phrase"
)

//go:embed *.html
var files embed.FS

// Set is all pages, parsed.
type Set map[string]*template.Template

// Parse reads all pages. It panics when one is wrong, which a test shows.
func Parse() Set {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err)
	}
	shared := template.Must(template.New("").Funcs(functions).ParseFS(files, "layout.html", "parts.html", "trial.html"))
	out := Set{}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".html")
		if name == "layout" || name == "parts" || name == "trial" {
			continue
		}
		out[name] = template.Must(template.Must(shared.Clone()).ParseFS(files, e.Name()))
	}
	return out
}

// Write writes a part of a page; "layout" is all of it.
func (s Set) Write(w io.Writer, page, part string, view any) error {
	t := s[page]
	if t == nil {
		return fmt.Errorf("there is no page %q", page)
	}
	return t.ExecuteTemplate(w, part, view)
}

var functions = template.FuncMap{
	"icon":   icon,
	"number": func(n int64) string { return humanize.Comma(n) },
	"count":  phrase.Count,
	"int64":  func(n int) int64 { return int64(n) },
	"since":  Since,
	"until":  until,
	"clock":  clock,
	"span":   phrase.Span,
	"mark": func(class, icon, text string) map[string]string {
		return map[string]string{"Class": class, "Icon": icon, "Text": text}
	},
	"args": func(values ...any) []any { return values },
}

// Since is a time for people: how long ago, and the moment on hover. The moment is in the
// zone of now, which is the reader's, and in UTC.
func Since(now, t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	return timeElement(now, t, phrase.Age(now, t), "")
}

// until is a time that is to come, as since is one that has passed.
func until(now, t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	return timeElement(now, t, phrase.Until(now, t), "")
}

// clock is a moment in the zone of now. console.js writes it anew where the browser is in
// another, as on a first visit.
func clock(now, t time.Time) template.HTML {
	return timeElement(now, t, written(now, t), " data-clock")
}

func written(now, t time.Time) string {
	return t.In(now.Location()).Format("2 January 2006, 15:04 MST")
}

func timeElement(now, t time.Time, text, more string) template.HTML {
	utc := t.UTC()
	title := utc.Format("2006-01-02 15:04:05 UTC")
	if now.Location() != time.UTC {
		title = written(now, t) + " · " + title
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s"%s>%s</time>`, //nolint:gosec // made of times alone
		utc.Format(time.RFC3339), title, more, template.HTMLEscapeString(text)))
}

// icons are drawn in a field of 16 by 16.
var icons = map[string]string{
	"bad":     `<path d="M5.4 1.75h5.2l3.65 3.65v5.2l-3.65 3.65H5.4l-3.65-3.65V5.4z"/><path d="M6 6l4 4M10 6l-4 4"/>`,
	"warn":    `<path d="M8 2.2l6.3 11.1H1.7z"/><path d="M8 6.4v3.2M8 11.3v.1"/>`,
	"wait":    `<circle cx="8" cy="8" r="6.25"/><path d="M8 4.6V8l2.3 1.5"/>`,
	"ok":      `<circle cx="8" cy="8" r="6.25"/><path d="M5.3 8.2l1.9 1.9 3.6-4"/>`,
	"running": `<circle cx="8" cy="8" r="6.25"/><circle cx="8" cy="8" r="2.5" fill="currentColor" stroke="none"/>`,
	"stop":    `<rect x="3.25" y="3.25" width="9.5" height="9.5" rx="1.5"/>`,
	"start":   `<path d="M4.5 2.8v10.4L13 8z"/>`,
	"pause":   `<path d="M5.5 3.5v9M10.5 3.5v9"/>`,
	"sync":    `<path d="M13.4 6.5A5.8 5.8 0 0 0 3.3 4.7M2.6 9.5a5.8 5.8 0 0 0 10.1 1.8"/><path d="M3 1.9v3h3M13 14.1v-3h-3"/>`,
	"more":    `<path d="M3.2 8h.1M8 8h.1M12.7 8h.1" stroke-width="2.4"/>`,
	"menu":    `<path d="M2.5 4h11M2.5 8h11M2.5 12h11"/>`,
	"down":    `<path d="M3.5 6l4.5 4.5L12.5 6"/>`,
	"up":      `<path d="M3.5 10.5L8 6l4.5 4.5"/>`,
	"bin":     `<path d="M2.5 4.4h11M6 4.2V2.4h4v1.8M4 4.6l.6 8.6h6.8l.6-8.6"/>`,
	"grid":    `<rect x="2.2" y="2.2" width="4.8" height="4.8" rx="1"/><rect x="9" y="2.2" width="4.8" height="4.8" rx="1"/><rect x="2.2" y="9" width="4.8" height="4.8" rx="1"/><rect x="9" y="9" width="4.8" height="4.8" rx="1"/>`,
	"shield":  `<path d="M8 1.8l5.2 1.8v4c0 3.2-2.1 5.4-5.2 6.6-3.1-1.2-5.2-3.4-5.2-6.6v-4z"/>`,
	"key":     `<circle cx="5" cy="11" r="3.1"/><path d="M7.3 8.7L13.6 2.4M11 5l2.2 2.2"/>`,
	"out":     `<path d="M2.5 8h11M9.7 4.2L13.5 8l-3.8 3.8"/>`,
	"list":    `<path d="M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.1M2.5 8h.1M2.5 12h.1"/>`,
	"again":   `<path d="M2.6 8a5.4 5.4 0 1 0 1.6-3.8"/><path d="M2.6 2v3.4H6"/>`,
	"undo":    `<path d="M5.5 3L2.5 6l3 3"/><path d="M2.5 6h7a4 4 0 0 1 0 8H6"/>`,
	"box":     `<path d="M2.2 5.2L8 2.2l5.8 3v5.6L8 13.8l-5.8-3z"/><path d="M2.4 5.3L8 8.2l5.6-2.9M8 8.2v5.4"/>`,
	"clock":   `<path d="M2.3 8a5.7 5.7 0 1 0 1.8-4.1L2.3 5.6"/><path d="M2.2 2.4v3.3h3.3M8 5v3l2.2 1.4"/>`,
	"book":    `<path d="M3 2.5h7.5A2.5 2.5 0 0 1 13 5v8.5H5.5A2.5 2.5 0 0 1 3 11zM3 11a2.2 2.2 0 0 1 2.4-1.9H13"/>`,
	"about":   `<circle cx="8" cy="8" r="6.25"/><path d="M8 7.4v3.6M8 4.9v.1"/>`,
	"cross":   `<path d="M4 4l8 8M12 4l-8 8"/>`,
	"load":    `<path d="M8 2v8M4.7 7L8 10.3 11.3 7M2.5 13.5h11"/>`,
	"eye":     `<path d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8z"/><circle cx="8" cy="8" r="2"/>`,
	"person":  `<circle cx="8" cy="5.2" r="2.9"/><path d="M2.6 13.8c.6-2.9 2.7-4.4 5.4-4.4s4.8 1.5 5.4 4.4"/>`,
	"find":    `<circle cx="7" cy="7" r="4.75"/><path d="M10.6 10.6l3.4 3.4"/>`,
	"mail":    `<rect x="1.8" y="3.2" width="12.4" height="9.6" rx="1.4"/><path d="M2.2 4.2L8 8.6l5.8-4.4"/>`,
	"pen":     `<path d="M2.4 13.6l.8-3.3 7.6-7.6a1.4 1.4 0 0 1 2 0l.5.5a1.4 1.4 0 0 1 0 2l-7.6 7.6z"/>`,
	"plus":    `<path d="M8 3v10M3 8h10"/>`,
	"same":    `<path d="M3 6h10M3 10h10"/>`,
	"differs": `<path d="M3 6h10M3 10h10M10.5 3l-5 10"/>`,
	"map":     `<path d="M2 4.2h4l4 7.6h4M2 11.8h4M10 4.2h4"/>`,
	"gear":    `<circle cx="8" cy="8" r="2.1"/><path d="M8 1.6v2M8 12.4v2M1.6 8h2M12.4 8h2M3.5 3.5l1.4 1.4M11.1 11.1l1.4 1.4M12.5 3.5l-1.4 1.4M4.9 11.1l-1.4 1.4"/>`,
	"none":    ``,
}

// icon is a picture, which says nothing by itself: a word stands beside it. More classes
// colour it.
func icon(name string, classes ...string) (template.HTML, error) {
	paths, ok := icons[name]
	if !ok {
		return "", fmt.Errorf("there is no icon %q", name)
	}
	return template.HTML(`<svg class="` + template.HTMLEscapeString(strings.Join(append([]string{"i"}, classes...), " ")) + //nolint:gosec // ours
		`" viewBox="0 0 16 16" aria-hidden="true">` + paths + `</svg>`), nil
}
