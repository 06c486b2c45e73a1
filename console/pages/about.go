package pages

import (
	"net/http"
	"runtime/debug"
	"slices"

	"causeway.dev/console/static"
	"causeway.dev/internal/buildinfo"
)

// aboutView is what this program is made of.
type aboutView struct {
	Version, Revision, Go, Files string
	Embedded                     []static.Licence
	Modules                      []module
}

// module is a library that is compiled in.
type module struct{ Path, Version string }

// about shows the version, and what is embedded under which licence.
func (p *Pages) about(w http.ResponseWriter, r *http.Request) {
	build := buildinfo.Current()
	view := aboutView{Version: build.Version, Revision: build.Revision, Go: build.Go, Files: static.Version, Embedded: static.Licences()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			view.Modules = append(view.Modules, module{m.Path, m.Version})
		}
		slices.SortFunc(view.Modules, func(a, b module) int {
			if a.Path < b.Path {
				return -1
			}
			return 1
		})
	}
	p.render(w, r, http.StatusOK, "about", "About Causeway", view)
}
