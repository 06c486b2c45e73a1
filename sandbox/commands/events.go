package commands

import "github.com/spf13/cobra"

const eventsPath = "/campaign/events"

func newEvents() *cobra.Command {
	cmd := &cobra.Command{Use: "events", Short: "Make up marketing events of Campaign: sends, opens, clicks and bounces"}
	cmd.AddCommand(newEventsGenerate(), newEventsPush(), newEventsCount())
	return cmd
}
