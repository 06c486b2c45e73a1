package commands

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"causeway.dev/sandbox/kit"
)

func newFaultList() *cobra.Command {
	var a admin
	cmd := &cobra.Command{Use: "list", Short: "List the scripted faults and how often they hit", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return listFaults(cmd.Context(), cmd.OutOrStdout(), &a)
	}}
	a.flag(cmd.Flags())
	return cmd
}

func listFaults(ctx context.Context, out io.Writer, a *admin) error {
	var rules []kit.Rule
	if err := a.call(ctx, http.MethodGet, "/faults", nil, &rules); err != nil {
		return err
	}
	if len(rules) == 0 {
		fmt.Fprintln(out, "no faults are scripted")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSERVICE\tWHAT\tWHERE\tHITS")
	for _, r := range rules {
		what := strings.TrimSpace(fmt.Sprint(r.Action, " ", r.Name))
		if r.Status != 0 {
			what += fmt.Sprint(" ", r.Status)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", r.ID, r.Service, what, strings.TrimSpace(r.Method+" "+r.Path), r.Hits)
	}
	return w.Flush()
}
