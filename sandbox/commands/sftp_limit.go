package commands

import (
	"net/http"

	"github.com/spf13/cobra"
)

func newSFTPLimit(a *admin) *cobra.Command {
	var capacity, speed int64
	var sessions int
	var allow []string
	cmd := &cobra.Command{
		Use: "limit", Short: "Change its space, speed, sessions and allow list", Args: cobra.NoArgs,
		Example: `  sandbox sftp limit --capacity 1000000 --speed 20000
  sandbox sftp limit --allow 192.0.2.0/24`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body := map[string]any{}
			for name, member := range map[string]struct {
				key   string
				value any
			}{"capacity": {"capacity", capacity}, "speed": {"bytes_per_second", speed}, "sessions": {"max_sessions", sessions}, "allow": {"allow", allow}} {
				if cmd.Flags().Changed(name) {
					body[member.key] = member.value
				}
			}
			if len(body) == 0 {
				return inputError("sftp limit: got no flag, want --capacity, --speed, --sessions or --allow")
			}
			return a.call(cmd.Context(), http.MethodPost, "/sftp", body, nil)
		},
	}
	f := cmd.Flags()
	f.Int64Var(&capacity, "capacity", 0, "bytes; 0 = any number")
	f.Int64Var(&speed, "speed", 0, "bytes per second of a transfer; 0 = full speed")
	f.IntVar(&sessions, "sessions", 5, "sessions at once")
	f.StringSliceVar(&allow, "allow", nil, "ranges of addresses that may connect, /24 to /32; none = everybody")
	return cmd
}
