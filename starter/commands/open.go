package commands

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
)

// consoleAddress is where a console of this machine is.
const consoleAddress = "http://localhost:8280"

func newOpen(e *env) *cobra.Command {
	noBrowser, console := false, e.getenv("CAUSEWAY_CONSOLE")
	if console == "" {
		console = consoleAddress
	}
	cmd := &cobra.Command{
		Use: "open [console | <table> | egress | optout | <run>]", Short: "Open Temporal's Web UI or the console in a browser",
		Long: `Open a page in the browser of this machine, and print its address. Without an argument
that is the list of workflows in Temporal's Web UI, with a flow or a run the page of its
workflow. temporal.ui_url of the configuration file says where the UI is. Where there is
no screen, as over SSH, only the address is printed.

"console" is the web console that "causeway console" serves, on this machine or where
--console or CAUSEWAY_CONSOLE says.

With -o json: {url}.`,
		Example: "  causeway open\n  causeway open contacts\n  causeway open contacts-20260102T030405.000Z --no-browser\n  causeway open console",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return exactly("one page: console, a flow or a run", 1)(cmd, args)
		},
		ValidArgsFunction: first(func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
			flows, _ := completeFlows(e)(cmd, args, toComplete)
			runs, how := completeRuns(e)(cmd, args, toComplete)
			return append(append([]cobra.Completion{cobra.CompletionWithDesc("console", "the web console")}, flows...), runs...), how
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "console" {
				if at, err := url.Parse(console); err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
					return badInput("--console: got %q, want an address such as https://causeway.example.com", console)
				}
				return e.openPage(console, noBrowser)
			}
			return e.openWorkflow(cmd.Context(), args, noBrowser)
		},
	}
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "print the address and open nothing")
	cmd.Flags().StringVar(&console, "console", console, "`address` of the console; CAUSEWAY_CONSOLE sets the default")
	return cmd
}

func (e *env) openWorkflow(ctx context.Context, names []string, noBrowser bool) error {
	return e.with(ctx, func(i *operator.Instance) error {
		address, err := i.Page(ctx, strings.Join(names, " ")) // one at most
		if err != nil {
			return err
		}
		return e.openPage(address, noBrowser)
	})
}

// openPage prints an address, and shows it where somebody may sit.
func (e *env) openPage(address string, noBrowser bool) error {
	err := e.show(struct {
		URL string `json:"url"`
	}{address}, func() { fmt.Fprintln(e.out, address) })
	if err == nil && !noBrowser && e.open != nil {
		e.open(address)
	}
	return err
}
