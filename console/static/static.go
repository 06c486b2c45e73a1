// Package static holds the files that the console serves as they are. README.md says where
// they come from.
package static

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"strings"
)

//go:embed style.css htmx.min.js console.js icon.svg uplot.min.js uplot.min.css charts.js
var files embed.FS

// Path is where the files are served.
const Path = "/static/"

// Version changes with the files: browsers may keep them for ever under it.
var Version = func() string {
	sum := sha256.New()
	for _, name := range []string{"style.css", "htmx.min.js", "console.js", "icon.svg", "uplot.min.js", "uplot.min.css", "charts.js"} {
		data, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it was embedded
		}
		sum.Write(data)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}()

// Handler serves the files.
func Handler() http.Handler {
	serve := http.StripPrefix(Path, http.FileServerFS(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") { // http.FileServerFS would list what there is
			http.NotFound(w, r)
			return
		}
		if r.URL.Query().Get("v") == Version {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		serve.ServeHTTP(w, r)
	})
}
