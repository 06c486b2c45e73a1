package commands

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newExplain(e *env) *cobra.Command {
	var live bool
	var who soughtPerson
	cmd := &cobra.Command{
		Use: "explain {<table> | event} {<id> | --email <address> | --name <name>}", Short: "Say what happened to one record or event, and why",
		Long: `Say what is known of one record, by its id in Dynamics: the version that was last
applied and by which run, whether Campaign holds it, why it was left out, refused
or waits, and for what. Values are never shown.

With --live both systems are asked as well: whether they hold the record now, what
the mapping in the configuration file calls for, and which fields differ.

"explain event" does the same for an e-mail event, by its key (tracking/5000,
broadlog/8003/send, broadlog/8003/bounce, event/<id>) or the id of its log entry:
whether it is on the timeline, since which run, how often it came, or why it was
left out. The ledger knows events for retention.events. With --live Dynamics is
asked whether the activity is still there.

With --email or --name instead of an id both systems are asked who that is. Those
who fit are listed with their ids, and values in general terms, "text of 12"; one
alone is explained as well. A name is one or more words, each the beginning of the
first or the last name. "-" reads the address or the name from standard input, so
that it is not in the history of your shell. What you look for is sealed for the
worker, and not kept; the operations log says who searched, and by what.

Exit code 1 when no run has met the record, or the event, or nobody fits.

With -o json: {table, id, state, meaning, version, campaign_key, held, last_run,
last_run_at, created, quarantine, waits, live}; of an event {events: [{key, type,
contact, outcome, meaning, time, run, at, again, again_run, again_at, activity,
quarantine, in_dynamics}]}; of a search {hits: [{id, in_dynamics, in_campaign,
fields: [{to, in_dynamics, in_campaign}]}], more, at, record}.`,
		Example:           "  causeway explain contacts 6f0c1d2e-0000-4000-8000-000000000001\n  causeway explain contacts 6f0c1d2e-0000-4000-8000-000000000001 --live\n  causeway explain contacts --email -\n  causeway explain event tracking/5000",
		Args:              who.args,
		ValidArgsFunction: completeTables(e),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return who.find(cmd.Context(), e, args[0], live)
			}
			if args[0] == "event" {
				return explainEvent(cmd.Context(), e, args[1], live)
			}
			return judge(cmd.Context(), e, func(i *operator.Instance) (activities.ExplainResult, error) {
				return i.Explain(cmd.Context(), args[0], args[1], live)
			}, writeExplanation, func(r activities.ExplainResult) int { return failedIf(r.State == activities.NeverSeen) })
		},
	}
	cmd.Flags().BoolVar(&live, "live", false, "also ask both systems how the record is now")
	cmd.Flags().StringVar(&who.email, "email", "", "look for who has this e-mail `address`; - reads it from standard input")
	cmd.Flags().StringVar(&who.name, "name", "", "look for who has this `name`; - reads it from standard input")
	cmd.MarkFlagsMutuallyExclusive("email", "name")
	return named(cmd)
}

func writeExplanation(e *env, r activities.ExplainResult) {
	now := e.now()
	var f facts
	f.add("Record", r.Table+" "+r.ID)
	f.add("State", r.State+": "+r.Meaning)
	f.add("Version", r.Version)
	f.add("Key in Campaign", r.CampaignKey)
	if r.LastRun != "" {
		f.add("Last run", r.LastRun+", begun "+phrase.Moment(now, r.LastRunAt))
	}
	f.add("Created by", r.Created)
	if q := r.Quarantine; q != nil {
		f.add("Refused", fmt.Sprintf("%s %s: %s", q.Code, cmp.Or(q.Field, "(no field named)"), phrase.OneLine(q.Message)))
		f.add("", fmt.Sprintf("%s, first %s, last %s", phrase.Count(int64(q.Attempts), "attempt"), phrase.Moment(now, q.FirstSeen), phrase.Moment(now, q.LastSeen)))
		next := "next try " + phrase.Until(now, q.NextTry)
		if d := q.Discarded; d != nil && q.State == "discarded" {
			next = fmt.Sprintf("discarded by %s %s: %s", cmp.Or(operator.Somebody(d.By), "somebody"), phrase.Moment(now, d.At), phrase.OneLine(d.Reason))
		}
		f.add("", next+"; more: causeway quarantine show "+r.Table+" "+r.ID)
	}
	if w := r.Waits; w != nil {
		f.add("Waits for", w.For)
		f.add("Parent", w.Parent)
		f.add("Since", phrase.Moment(now, w.Since)+", run "+w.Run)
	}
	if d := r.Doubt; d != nil {
		f.add("In doubt", d.Why+", "+phrase.Moment(now, d.Since)+"; Campaign is looked at "+phrase.Until(now, d.Look))
	}
	if l := r.Live; l != nil {
		where := map[bool]string{true: "there", false: "not there"}
		f.add("In Dynamics now", where[l.InDynamics]+versionOf(l.Version))
		f.add("In Campaign now", where[l.InCampaign])
		f.add("The mapping calls for", l.Decision+reason(l.Why))
		for _, field := range slices.Sorted(maps.Keys(l.Differences)) {
			f.add("Differs in Campaign", field+": "+l.Differences[field])
		}
	}
	writeFacts(e.out, e.colours(), f)
}

func versionOf(v string) string {
	if v == "" {
		return ""
	}
	return ", version " + v
}

func reason(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}
