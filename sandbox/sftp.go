package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

func newSFTP() *cobra.Command {
	var a admin
	cmd := &cobra.Command{Use: "sftp", Short: "See and disturb Campaign's SFTP server"}
	cmd.AddCommand(&cobra.Command{Use: "show", Short: "Print the use of its space, and what clients did", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return printJSON(cmd.Context(), cmd.OutOrStdout(), &a, "/sftp")
	}})
	cmd.AddCommand(newSFTPLimit(&a), newHostKey(&a), &cobra.Command{
		Use: "drop", Short: "End every session", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.call(cmd.Context(), http.MethodDelete, "/sftp/sessions", nil, nil)
		},
	})
	a.flag(cmd.PersistentFlags())
	return cmd
}

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

func newHostKey(a *admin) *cobra.Command {
	var publish bool
	cmd := &cobra.Command{
		Use: "host-key", Short: "Give it another host key, and print its use", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var doc any
			if err := a.call(cmd.Context(), http.MethodPost, "/sftp/host-key", map[string]bool{"publish": publish}, &doc); err != nil {
				return err
			}
			return printDoc(cmd.OutOrStdout(), doc)
		},
	}
	cmd.Flags().BoolVar(&publish, "publish", false, "name the new key in known_hosts")
	return cmd
}
