package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

type backfillOptions struct {
	table             string
	since, until, ids string
	where             []string
	wait, yes, dry    bool
	by                string
	noRollback        bool
}

func newBackfill(e *env) *cobra.Command {
	var o backfillOptions
	cmd := tableArg(e, &cobra.Command{
		Use: "backfill <table>", Short: "Read records again: the whole table, a window, a filter, or named ids",
		Long: `Read records of Dynamics again and write what differs in Campaign. Records that are
as the flow last wrote them cost no call to Campaign. The flow must be running or
paused; changes made meanwhile are applied in between. Backfills of one table run
one after the other.

An id of --ids that Dynamics does not have is named in the end; nothing is done about
such a record. One that the application user may not read ends the run. With --dry-run
Dynamics is asked how many of them it lists, and nothing is begun.

Without a window the whole table is read, which asks first unless --yes is given. It
says then how many records that is, what it costs in engine calls of Campaign and how
long it takes, by what earlier runs left in the ledger.

A time is an instant (2026-01-31T08:00:00Z), a day (2026-01-31, from 00:00 of
your time zone, or of UTC with --utc) or an age (36h). It is compared with modifiedon: since is included, until is not.

A condition of --where is a column, a comparison and a value, as in a mapping's
filter: "statecode equals Active", "new_price greater 100", "lastname empty". All of
several must hold. Values are kept in Temporal's history, so text columns, which may
be personal, can only be empty or not_empty. The window is read whole and compared
here; what does not meet the conditions costs no call to Campaign.

With --by file, records that the ledger does not have go into files that an import
workflow of Campaign loads, see docs/first-load.md; what is not new goes by REST. The
first load of a table goes by file with: causeway start <table> --by file.

With -o json: {run, workflow_id, queued}; with --wait also {result}, which is
{run, kind, state, reason, counts, start, end}. State is COMPLETED, INCOMPLETE,
STOPPED, FAILED or CANCELLED; all but COMPLETED end with exit code 1. With
--dry-run: {found, not_found}.`,
		Example: `  causeway backfill contacts --since 24h --wait
  causeway backfill contacts --since 2026-01-01 --until 2026-02-01
  causeway backfill contacts --where "statecode equals Active" --where "address1_city not_empty"
  causeway backfill contacts --ids 6f0c1d2e-0000-4000-8000-000000000001
  causeway backfill contacts --ids @ids.txt      # one id per line; @- reads stdin
  causeway backfill contacts --ids @ids.txt --dry-run
  causeway backfill contacts --yes --wait        # everything`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.table = args[0]
			return backfill(cmd.Context(), e, o)
		},
	})
	flags := cmd.Flags()
	flags.StringVar(&o.since, "since", "", "only records modified at or after this `time`")
	flags.StringVar(&o.until, "until", "", "only records modified before this `time`")
	flags.StringVar(&o.ids, "ids", "", "only these records: `a,b` or @file, at most 1,000")
	flags.StringArrayVar(&o.where, "where", nil, "only records that meet this `condition`; may be repeated")
	flags.StringVar(&o.by, "by", "rest", "`rest`, or file: an import workflow of Campaign writes the records that are new")
	flags.BoolVar(&o.noRollback, "no-rollback", false, noRollbackUsage)
	flags.BoolVar(&o.dry, "dry-run", false, "with --ids: say which of the records Dynamics has, and begin nothing")
	flags.BoolVarP(&o.wait, "wait", "w", false, "follow the backfill to its end, with progress")
	flags.BoolVarP(&o.yes, "yes", "y", false, "read the whole table without asking")
	return named(cmd)
}

const noRollbackUsage = "with --by file: go on although Campaign holds records already, of which no before-images are kept"

// byFile reads the flags that have a load go by file.
func byFile(by string, noRollback bool) (workflows.ByFile, error) {
	switch {
	case by != "rest" && by != "file":
		return workflows.ByFile{}, badInput("--by: got %q, want rest or file", by)
	case noRollback && by != "file":
		return workflows.ByFile{}, badInput("got --no-rollback without --by file")
	}
	return workflows.ByFile{File: by == "file", NoRollback: noRollback}, nil
}

func (o *backfillOptions) request(ctx context.Context, i *operator.Instance, w activities.Window) (workflows.BackfillAnswer, error) {
	load, err := byFile(o.by, o.noRollback)
	if err != nil {
		return workflows.BackfillAnswer{}, err
	}
	if load.File {
		return i.BackfillByFile(ctx, o.table, w, load)
	}
	return i.Backfill(ctx, o.table, w)
}

// backfillAnswer is what the command prints with -o json.
type backfillAnswer struct {
	workflows.BackfillAnswer
	Result *workflows.RunSummary `json:"result,omitempty"`
}

func backfill(ctx context.Context, e *env, o backfillOptions) error {
	window, err := e.window(o)
	if err != nil {
		return err
	}
	if _, err := byFile(o.by, o.noRollback); err != nil {
		return err
	}
	if o.dry && len(window.IDs) == 0 {
		return badInput("got --dry-run without --ids; what reading a whole table costs is said before it is read")
	}
	return e.with(ctx, func(i *operator.Instance) error {
		if err := i.HasRecords(o.table); err != nil {
			return err
		}
		if o.dry {
			return e.checkNamed(ctx, i, o.table, window.IDs)
		}
		what := o.table
		if t, mapped := i.Config.Ingress.Tables[o.table]; mapped {
			what = fmt.Sprintf("every record of the Dynamics table %s", t.Dynamics.Table)
		}
		intro := ""
		if asks := !o.yes && window.Whole(); asks && e.inTerminal && e.errTerminal {
			intro = fmt.Sprintf("This reads %s again, and writes to Campaign only what differs\nfrom what was written last. %s\nIf much differs, stop other processes in Campaign meanwhile.", what, foreseen(i.EstimateBackfill(ctx, o.table)))
		}
		err := e.confirm(ctx, o.yes || !window.Whole(), intro, "Go on?",
			fmt.Sprintf("this reads %s again; say --yes, or narrow it with --since, --until, --where or --ids", what))
		if err != nil {
			return err
		}
		answer, err := o.request(ctx, i, window)
		if err != nil {
			return err
		}
		return e.accepted(ctx, i, o.table, answer, o.wait)
	})
}

// checkNamed says which of some records Dynamics has.
func (e *env) checkNamed(ctx context.Context, i *operator.Instance, table string, ids []string) error {
	found, err := i.CheckNamed(ctx, table, ids)
	if err != nil {
		return err
	}
	if found.NotFound == nil {
		found.NotFound = []string{}
	}
	answer := struct {
		Found    int      `json:"found"`
		NotFound []string `json:"not_found"`
	}{found.Found, found.NotFound}
	return e.show(answer, func() {
		fmt.Fprintf(e.out, "found %s of %s; nothing was begun\n", humanize.Comma(int64(found.Found)), humanize.Comma(int64(len(ids))))
		for _, id := range found.NotFound {
			fmt.Fprintf(e.out, "not found: %s\n", id)
		}
		if len(found.NotFound) > 0 {
			fmt.Fprintln(e.out, "those are gone from Dynamics, or hidden from the application user; a backfill does nothing about them")
		}
	})
}

// foreseen says what reading a whole table again costs.
func foreseen(r *activities.EstimateResult) string {
	if r == nil {
		return "How many records that is, and how long it takes, is not known: no worker answers."
	}
	if r.Records == 0 {
		return "How many records that is, and how long it takes, is not known: no run has read them yet."
	}
	calls := fmt.Sprintf("up to %s, if every record differs", phrase.Count(r.Records, "engine call"))
	if r.Calls != nil {
		calls = fmt.Sprintf("about %s as the last runs did, and %s if every record differs", phrase.Count(*r.Calls, "engine call"), humanize.Comma(r.Records))
	}
	out := fmt.Sprintf("It is about %s.\nIt costs %s.", phrase.Count(r.Records, "record"), calls)
	if r.PerHour > 0 {
		out += fmt.Sprintf("\nLoads may make %s an hour; what is more waits for the next.", humanize.Comma(r.PerHour))
	}
	if r.Runs == 0 {
		return out + "\nHow long it takes is not known: no run over the whole table has ended yet."
	}
	span := phrase.Span(time.Duration(r.Quick) * time.Second)
	if slow := phrase.Span(time.Duration(r.Slow) * time.Second); slow != span {
		span += " to " + slow
	}
	return out + fmt.Sprintf("\nIt takes about %s at the pace of the last %s over the whole table.", span, phrase.Count(int64(r.Runs), "run"))
}

// accepted says which run a request became and, with wait, follows it to its end.
func (e *env) accepted(ctx context.Context, i *operator.Instance, flow string, accepted workflows.BackfillAnswer, wait bool) error {
	answer := backfillAnswer{BackfillAnswer: accepted}
	if !wait {
		return e.show(answer, func() {
			after := ""
			if answer.Queued > 0 {
				after = " after " + phrase.Count(int64(answer.Queued), "other backfill")
			}
			fmt.Fprintf(e.out, "backfill of %s accepted%s: run %s; follow it with: causeway status %s --watch\n", flow, after, answer.Run, flow)
		})
	}
	return e.followRun(ctx, i, flow, accepted, func(r *workflows.RunSummary) any {
		answer.Result = r
		return answer
	})
}

// followRun follows a run to its end and prints how it ended; whole is the answer
// for -o json.
func (e *env) followRun(ctx context.Context, i *operator.Instance, flow string, run workflows.BackfillAnswer, whole func(*workflows.RunSummary) any) error {
	bar := e.bar()
	r, err := i.FollowRun(ctx, flow, run, bar)
	bar.end()
	if err != nil {
		return err
	}
	err = e.show(whole(r), func() {
		p, reason := e.colours(), ""
		if r.Reason != "" {
			reason = ": " + phrase.OneLine(r.Reason)
		}
		fmt.Fprintf(e.out, "run %s of %s is %s after %s%s\n", r.Run, flow, p.with(runColour(r.State), r.State), phrase.Span(r.End.Sub(r.Start)), reason)
		writeAccount(e.out, p, flow, r.Counts)
	})
	if err == nil && r.State != "COMPLETED" {
		return quietly(exitFailed)
	}
	return err
}

// window reads the flags that narrow a backfill; what is odd in them is bad input.
func (e *env) window(o backfillOptions) (activities.Window, error) {
	var w activities.Window
	var err error
	if w.Since, err = e.instant("--since", o.since); err != nil {
		return w, err
	}
	if w.Until, err = e.instant("--until", o.until); err != nil {
		return w, err
	}
	if !w.Since.IsZero() && !w.Until.IsZero() && !w.Since.Before(w.Until) {
		return w, badInput("--since: got %s, want a time before --until %s", w.Since.Format(time.RFC3339), w.Until.Format(time.RFC3339))
	}
	if w.Where, err = conditions(o.where); err != nil {
		return w, err
	}
	if o.ids == "" {
		return w, nil
	}
	if len(w.Where) > 0 {
		return w, badInput("got both --ids and --where, want one of them")
	}
	if o.since != "" || o.until != "" {
		return w, badInput("got both --ids and a window of time, want one of them")
	}
	w.IDs, err = e.readIDs(o.ids)
	return w, err
}

// conditions reads --where: a column, a comparison, and all that follows is the value.
func conditions(where []string) ([]activities.Condition, error) {
	var out []activities.Condition
	for _, text := range where {
		words := strings.Fields(text)
		if len(words) < 2 {
			return nil, badInput("--where: got %q, want a column, a comparison and a value, such as \"statecode equals Active\"", text)
		}
		value := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), words[0])), words[1]))
		out = append(out, activities.Condition{Column: words[0], Is: words[1], Value: value})
	}
	return out, nil
}

// instant reads an instant, a day of the reader's zone or an age.
func (e *env) instant(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, e.now().Location()); err == nil {
			return t.UTC(), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return e.now().UTC().Add(-d).Truncate(time.Second), nil
	}
	return time.Time{}, badInput("%s: got %q, want an instant like 2026-01-31T08:00:00Z, a day like 2026-01-31 or an age like 36h", flag, s)
}
