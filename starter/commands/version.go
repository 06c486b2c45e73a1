package commands

import (
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/internal/buildinfo"
)

func newVersion(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this tool",
		Long: `Print the version of this tool.

With -o json: {version, revision, modified, go}.`,
		Args: exactly("none", 0),
		RunE: func(*cobra.Command, []string) error {
			b := buildinfo.Current()
			return e.show(b, func() { fmt.Fprintln(e.out, "causeway "+b.String()) })
		},
	}
}
