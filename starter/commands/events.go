package commands

import (
	"context"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

func newEvents(e *env) *cobra.Command {
	cmd := group(&cobra.Command{
		Use: "events", Short: "Load e-mail events again",
		Long: "Commands about the events of egress; \"causeway explain event\" says what became of one.",
	})
	cmd.AddCommand(newEventsBackfill(e))
	return cmd
}

type eventsOptions struct {
	from, since string
	wait        bool
}

func newEventsBackfill(e *env) *cobra.Command {
	var o eventsOptions
	cmd := &cobra.Command{
		Use: "backfill {--since <time> | --from <folder>}", Short: "Load events again: since a time, or from exported log files",
		Long: `Bring events to the timeline that were not read, or were left out: with --since the
journal is read again from then (it keeps 7 days); with --from delivery and tracking
logs that Campaign exported (broadlog_*.csv, trackinglog_*.csv, also .gz) are read,
for history that is older. What is on the timeline already is recognised and not
written again. The flow must be running or paused; new events are brought in between.

The folder is one of the worker's machine, as an absolute path, or one of the file
server of campaign.sftp: sftp:d365_loads/archive. Its files are left where they are.

A time is an instant (2026-01-31T08:00:00Z), a day (2026-01-31, from 00:00 of
your time zone, or of UTC with --utc) or an age (36h).

With -o json: {run, workflow_id, queued}; with --wait also {result}, which is
{run, kind, state, reason, counts, start, end}. State is COMPLETED, INCOMPLETE,
STOPPED, FAILED or CANCELLED; all but COMPLETED end with exit code 1.`,
		Example: "  causeway events backfill --since 48h --wait\n  causeway events backfill --from /var/lib/causeway/logs-2025\n  causeway events backfill --from sftp:d365_loads/archive",
		Args:    exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return eventsBackfill(cmd.Context(), e, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.since, "since", "", "read the journal again from this `time`")
	flags.StringVar(&o.from, "from", "", "load the exported files of this `folder`")
	flags.BoolVarP(&o.wait, "wait", "w", false, "follow the backfill to its end, with progress")
	return named(cmd)
}

func eventsBackfill(ctx context.Context, e *env, o eventsOptions) error {
	window, err := e.eventWindow(o)
	if err != nil {
		return err
	}
	return e.with(ctx, func(i *operator.Instance) error {
		answer, err := i.BackfillEvents(ctx, window)
		if err != nil {
			return err
		}
		return e.accepted(ctx, i, activities.FlowEgress, answer, o.wait)
	})
}

// eventWindow reads the flags; what is odd in them is bad input.
func (e *env) eventWindow(o eventsOptions) (w activities.Window, err error) {
	switch {
	case o.from == "" && o.since == "":
		return w, badInput("got neither --since nor --from, want one of them")
	case o.from != "" && o.since != "":
		return w, badInput("got both --since and --from, want one of them")
	case o.since != "":
		if w.Since, err = e.instant("--since", o.since); err == nil && !w.Since.Before(e.now()) {
			err = badInput("--since: got %s, want a time that is over", w.Since.Format(time.RFC3339))
		}
		if err == nil && e.now().Sub(w.Since) > operator.JournalKeeps {
			err = badInput("--since: got %s, and the journal keeps events for 7 days; load older ones from exported logs with --from", w.Since.Format(time.RFC3339))
		}
		return w, err
	}
	w.Folder = o.from
	if on, sftp := strings.CutPrefix(o.from, "sftp:"); !sftp && !path.IsAbs(o.from) || sftp && (on == "" || strings.Contains(on, "..")) {
		return w, badInput("--from: got %q, want an absolute path on the worker's machine, or sftp:<folder>", o.from)
	}
	return w, nil
}
