package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/sandbox/kit"
)

func newFault() *cobra.Command {
	cmd := &cobra.Command{Use: "fault", Short: "Script faults of the sandboxes"}
	cmd.AddCommand(newFaultAdd(), newFaultList(), newFaultClear())
	return cmd
}

func newFaultAdd() *cobra.Command {
	var a admin
	var rule kit.Rule
	var latency time.Duration
	cmd := &cobra.Command{
		Use: "add", Short: "Script a fault and print its id", Args: cobra.NoArgs,
		Example: `  sandbox fault add --service campaign --status 503 --probability 0.05
  sandbox fault add --service campaign --method POST --action reset_after --times 1
  sandbox fault add --service campaign --name throttle --header Retry-After=2 --times 20
  sandbox fault add --service dataverse --action delay --latency 3s`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rule.LatencyMS = int(latency.Milliseconds())
			return addFault(cmd.Context(), cmd.OutOrStdout(), &a, rule)
		},
	}
	f := cmd.Flags()
	f.StringVar(&rule.Service, "service", "", "dataverse, entra, campaign, ims, journal or sftp")
	f.StringVar(&rule.Method, "method", "", "only requests with this method; of sftp: get, put, list, stat, rename, remove, mkdir, rmdir or setstat")
	f.StringVar(&rule.Path, "path", "", "only requests whose path matches this regular expression")
	f.IntVar(&rule.After, "after", 0, "spare so many matching requests first")
	f.IntVar(&rule.Times, "times", 0, "hit at most so many; 0 = no end")
	f.Float64Var(&rule.Probability, "probability", 0, "hit with this probability, 0 to 1; 0 = always")
	f.StringVar((*string)(&rule.Action), "action", "", "respond, delay, reset_before, reset_after or truncate (default: respond with --status, named with --name)")
	f.StringVar(&rule.Name, "name", "", "a fault the service knows; Campaign: bare_rst, throttle, refuse, token_expired; the journal: throttle, token_expired, expired_position")
	f.IntVar(&rule.Status, "status", 0, "HTTP status to answer with")
	f.StringToStringVar(&rule.Headers, "header", nil, "header of the answer, name=value (repeatable)")
	f.StringVar(&rule.Body, "body", "", "body of the answer")
	f.DurationVar(&latency, "latency", 0, "wait before")
	a.flag(f)
	return cmd
}

func addFault(ctx context.Context, out io.Writer, a *admin, rule kit.Rule) error {
	switch rule.Service {
	case "dataverse", "entra", "campaign", "ims", "journal", "sftp":
	default:
		return inputError("--service: got %q, want dataverse, entra, campaign, ims, journal or sftp", rule.Service)
	}
	if rule.Action == "" {
		switch {
		case rule.Name != "":
			rule.Action = kit.Named
		case rule.Status != 0:
			rule.Action = kit.Respond
		case rule.LatencyMS > 0:
			rule.Action = kit.Delay
		default:
			return inputError("--action: not given; want --status, --name, --latency or --action")
		}
	}
	var added struct {
		ID string `json:"id"`
	}
	if err := a.call(ctx, http.MethodPost, "/faults", rule, &added); err != nil {
		return err
	}
	fmt.Fprintln(out, added.ID)
	return nil
}

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

func newFaultClear() *cobra.Command {
	var a admin
	cmd := &cobra.Command{Use: "clear [id]", Short: "Remove one scripted fault, or all", Args: cobra.MaximumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return a.call(cmd.Context(), http.MethodDelete, "/faults?id="+url.QueryEscape(strings.Join(args, "")), nil, nil)
	}}
	a.flag(cmd.Flags())
	return cmd
}

func newClock() *cobra.Command {
	var a admin
	print := func(cmd *cobra.Command, method string, body any) error {
		var clock struct{ Now, Offset string }
		if err := a.call(cmd.Context(), method, "/clock", body, &clock); err != nil {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s (%s from real time)\n", clock.Now, clock.Offset)
		return err
	}
	cmd := &cobra.Command{Use: "clock", Short: "Print the sandboxes' time", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return print(cmd, http.MethodGet, nil)
	}}
	cmd.AddCommand(&cobra.Command{
		Use: "advance duration", Short: "Move the sandboxes' time, so that tokens and links expire", Args: cobra.ExactArgs(1),
		Example: "  sandbox clock advance 48h",
		RunE: func(cmd *cobra.Command, args []string) error {
			return print(cmd, http.MethodPost, map[string]string{"advance": args[0]})
		},
	})
	a.flag(cmd.PersistentFlags())
	return cmd
}
