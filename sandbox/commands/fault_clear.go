package commands

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func newFaultClear() *cobra.Command {
	var a admin
	cmd := &cobra.Command{Use: "clear [id]", Short: "Remove one scripted fault, or all", Args: cobra.MaximumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return a.call(cmd.Context(), http.MethodDelete, "/faults?id="+url.QueryEscape(strings.Join(args, "")), nil, nil)
	}}
	a.flag(cmd.Flags())
	return cmd
}
