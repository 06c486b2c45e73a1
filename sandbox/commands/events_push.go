package commands

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"causeway.dev/sandbox/eventlog"
)

func newEventsPush() *cobra.Command {
	var a admin
	var p eventlog.Pushed
	cmd := &cobra.Command{
		Use: "push {send|open|click|bounce}", Short: "Publish one event and print its ids", Args: cobra.ExactArgs(1),
		Example: "  sandbox events push click --contact 6f1d… --url https://shop.example.test/a",
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Kind = args[0]
			return pushEvent(cmd.Context(), cmd.OutOrStdout(), &a, p)
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.ExternalID, "contact", "", "id of the contact; none for a profile that is not synchronised")
	f.StringVar(&p.Delivery, "delivery", "", "internal id of the delivery (default: DM1)")
	f.StringVar(&p.Campaign, "campaign", "", "internal id of the campaign")
	f.StringVar(&p.URL, "url", "", "address that is clicked")
	f.StringVar(&p.Failure, "failure", "", "of a bounce: hard (default) or soft")
	f.StringVar(&p.BroadLogID, "broadlog", "", "id of a message that was sent before")
	f.BoolVar(&p.Seed, "seed-address", false, "of a seed address")
	f.BoolVar(&p.Proof, "proof", false, "of a proof")
	f.IntVar(&p.Times, "times", 1, "publish it so many times")
	a.flag(f)
	return cmd
}

func pushEvent(ctx context.Context, out io.Writer, a *admin, p eventlog.Pushed) error {
	var ids struct {
		ID       string `json:"id"`
		BroadLog string `json:"broadlog_id"`
		Tracking string `json:"trackinglog_id"`
	}
	if err := a.call(ctx, http.MethodPost, eventsPath+"/one", p, &ids); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "event %s, delivery log %s", ids.ID, ids.BroadLog)
	if err == nil && ids.Tracking != "" {
		_, err = fmt.Fprintf(out, ", tracking log %s", ids.Tracking)
	}
	if err == nil {
		_, err = fmt.Fprintln(out)
	}
	return err
}
