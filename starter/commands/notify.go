package commands

import (
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

func newNotify(e *env) *cobra.Command {
	cmd := &cobra.Command{Use: "notify", Short: "Try the webhook that is told what needs somebody", Long: "Try the webhook that is told what needs somebody: notify.webhook of the configuration."}
	cmd.AddCommand(newNotifyTest(e))
	return cmd
}

func newNotifyTest(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "test", Short: "Send a trial message to the webhook",
		Long: `Have a worker send a trial message to notify.webhook, with the settings that it
runs with. docs/notify.md says what is told by itself, and when.

Exit code 0 when the webhook took it, 1 when it did not, 2 when the worker has no
webhook, 3 when no worker answers.

With -o json: {sent, problem}.`,
		Example: "  causeway notify test",
		Args:    exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return judge(cmd.Context(), e, func(i *operator.Instance) (activities.NotifyTestResult, error) {
				return i.NotifyTest(cmd.Context())
			}, func(e *env, r activities.NotifyTestResult) {
				if r.Sent {
					fmt.Fprintln(e.out, "sent: the webhook took a trial message")
					return
				}
				fmt.Fprintf(e.out, "the webhook did not take the message: %s; look at the address in notify.webhook, and whether the worker may reach it\n", r.Problem)
			}, func(r activities.NotifyTestResult) int { return failedIf(!r.Sent) })
		},
	}
}
