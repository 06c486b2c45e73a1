package commands

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what the binary knows of itself.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source
	Modified bool   `json:"modified,omitempty"` // built from changed source
	Go       string `json:"go"`
}

func newVersion(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this tool",
		Long: `Print the version of this tool.

With -o json: {version, revision, modified, go}.`,
		Args: exactly("none", 0),
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild(debug.ReadBuildInfo())
			if e.json() {
				return writeJSON(e.jsonOut, b)
			}
			line := "causeway " + b.Version
			if b.Revision != "" {
				line += " (" + b.Revision
				if b.Modified {
					line += ", modified"
				}
				line += ")"
			}
			fmt.Fprintln(e.out, line+" "+b.Go)
			return nil
		},
	}
}

func thisBuild(info *debug.BuildInfo, ok bool) build {
	b := build{Version: "unknown", Go: runtime.Version()}
	if !ok {
		return b
	}
	if b.Version = info.Main.Version; b.Version == "" {
		b.Version = "(devel)"
	}
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
