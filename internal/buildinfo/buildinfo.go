// Package buildinfo says which build of Causeway a program is. The programs and the
// console show it, so that whoever reports something can name it.
package buildinfo

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strings"
)

// stamped is the version that a release or an image was built as; its build gives it with
// -ldflags "-X causeway.dev/internal/buildinfo.stamped=v1.2.3".
var stamped string

// Build is what a program knows of itself.
type Build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source
	Modified bool   `json:"modified,omitempty"` // built from changed source
	Go       string `json:"go"`
}

// Current is the build of this program.
func Current() Build {
	info, ok := debug.ReadBuildInfo()
	return of(stamped, info, ok)
}

// of prefers what was stamped to what Go has found out by itself, which is nothing where
// the source came without its history, as into an image.
func of(stamp string, info *debug.BuildInfo, ok bool) Build {
	b := Build{Version: cmp.Or(stamp, "unknown"), Go: runtime.Version()}
	if !ok {
		return b
	}
	b.Version = cmp.Or(stamp, info.Main.Version, "(devel)")
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String is the build in one line: v1.2.3 (0a1b2c…, modified) go1.26.0.
func (b Build) String() string {
	line := b.Version
	if b.Revision != "" {
		line += " (" + b.Revision
		if b.Modified {
			line += ", modified"
		}
		line += ")"
	}
	return line + " " + b.Go
}

// ID names the build where programs of several builds work side by side: its version, with
// the revision of the source where nothing stamped it. Builds of changed source share one.
func (b Build) ID() string {
	id := strings.Trim(b.Version, "()")
	if (id == "devel" || id == "unknown") && b.Revision != "" {
		id += "-" + b.Revision[:min(len(b.Revision), 12)]
	}
	return strings.Map(func(r rune) rune {
		if r == ':' || r == '\'' || r <= ' ' {
			return '-' // Temporal parts names by colons, and questions hold the id in quotes
		}
		return r
	}, id)
}
