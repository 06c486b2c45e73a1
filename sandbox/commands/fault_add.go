package commands

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/sandbox/kit"
)

func newFaultAdd() *cobra.Command {
	var a admin
	var rule kit.Rule
	var latency time.Duration
	cmd := &cobra.Command{
		Use: "add", Short: "Script a fault and print its id", Args: cobra.NoArgs,
		Example: `  sandbox fault add --service campaign --status 503 --probability 0.05
  sandbox fault add --service campaign --method POST --action reset_after --times 1
  sandbox fault add --service campaign --name throttle --header Retry-After=2 --times 20
  sandbox fault add --service campaign --action replace --status 200 --header Content-Type=text/html --body '<html>' --times 1
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
	f.StringVar((*string)(&rule.Action), "action", "", "respond, delay, reset_before, reset_after, truncate or replace (default: respond with --status, named with --name)")
	f.StringVar(&rule.Name, "name", "", "a fault the service knows; Campaign: bare_rst, throttle, refuse, token_expired; the journal: throttle, token_expired, expired_position; entra and ims: secret_replaced, with the new secret as --body")
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
