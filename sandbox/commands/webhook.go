package commands

import (
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/sandbox/dataverse"
)

func newWebhook() *cobra.Command {
	var a admin
	cmd := &cobra.Command{Use: "webhook", Short: "Have Dynamics call an address when a table changes"}
	cmd.AddCommand(newWebhookAdd(&a), &cobra.Command{
		Use: "list", Short: "Print the webhooks, and what became of their calls", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printJSON(cmd.Context(), cmd.OutOrStdout(), &a, "/dynamics/webhooks")
		},
	}, &cobra.Command{
		Use: "remove <name>", Short: "Remove a webhook", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.call(cmd.Context(), http.MethodDelete, "/dynamics/webhooks?name="+url.QueryEscape(args[0]), nil, nil)
		},
	})
	a.flag(cmd.PersistentFlags())
	return cmd
}

func newWebhookAdd(a *admin) *cobra.Command {
	var w dataverse.Webhook
	var ca string
	var delay time.Duration
	cmd := &cobra.Command{
		Use: "add <name> <url>", Short: "Register a webhook with an asynchronous step for each message", Args: cobra.ExactArgs(2),
		Long: `Registers a webhook, as the Plug-in Registration tool does, with an asynchronous step
after each of the messages. A call fails after a minute, or when the answer is not 200 to
299; it is made once more only after 502, 503 or 504. Where it would be larger than 256 KB
it does not say what was changed. Webhooks are not kept between runs.`,
		Example: `  sandbox webhook add contacts https://localhost:8443/hooks/dynamics/contact --header X-Causeway-Secret=… --ca ca.pem
  sandbox webhook add contacts http://localhost:8443/hooks/dynamics/contact --key …`,
		RunE: func(cmd *cobra.Command, args []string) error {
			w.Name, w.URL, w.AuthType, w.DelayMS = args[0], args[1], "HttpHeader", int(delay.Milliseconds())
			if w.AuthKey != "" {
				w.AuthType = "WebhookKey"
			}
			if ca != "" {
				pem, err := os.ReadFile(ca)
				if err != nil {
					return inputError("--ca: %w", err)
				}
				w.CA = string(pem)
			}
			return a.call(cmd.Context(), http.MethodPost, "/dynamics/webhooks", w, nil)
		},
	}
	f := cmd.Flags()
	f.StringVar(&w.Table, "table", "contact", "logical name of the table")
	f.StringSliceVar(&w.Messages, "message", nil, "Create, Update or Delete (repeatable; default all three)")
	f.StringToStringVar(&w.AuthPairs, "header", nil, "authentication HttpHeader: name=value")
	f.StringVar(&w.AuthKey, "key", "", "authentication WebhookKey: the value of code in the query string")
	f.StringVar(&ca, "ca", "", "PEM file of an authority to trust besides the system's")
	f.DurationVar(&delay, "delay", 0, "until a call is made")
	return cmd
}
