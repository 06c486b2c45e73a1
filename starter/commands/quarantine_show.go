package commands

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newQuarantineShow(e *env) *cobra.Command {
	var reveal bool
	cmd := &cobra.Command{
		Use: "show <table> <id>", Short: "Say why a record was refused, and what would be sent of it now",
		Long: `Show one refused record: the field and the rule that was at fault, what Campaign
answered, how often it was tried and when it is tried again. Both systems are asked
how the record is now, and its newest version is mapped with the mapping that runs.

Values are shown in general terms, "text of 61", unless --reveal is given. Revealed
values are personal data: a worker encrypts them to a key that this command makes for
this one answer, so that Temporal holds nothing readable, and the operations log
says who asked.

With -o json: {record, rule, held, parent, mapping, live, fields: [{from, to,
in_dynamics, in_campaign, would_send}]}; in_campaign is what was last written. With
--reveal also {values}: the same fields in the same order.`,
		Example:           "  causeway quarantine show contacts 6f0c1d2e-0000-4000-8000-000000000001\n  causeway quarantine show contacts 6f0c1d2e-0000-4000-8000-000000000001 --reveal",
		Args:              exactly("a table and the id of a record", 2),
		ValidArgsFunction: completeTables(e),
		RunE: func(cmd *cobra.Command, args []string) error {
			return tell(cmd.Context(), e, func(i *operator.Instance) (*operator.ShownRecord, error) {
				return i.ShowQuarantined(cmd.Context(), args[0], args[1], reveal)
			}, writeShown)
		},
	}
	cmd.Flags().BoolVar(&reveal, "reveal", false, "show values; they are personal data")
	return cmd
}

func writeShown(e *env, r *operator.ShownRecord) {
	now, q := e.now(), r.Record
	var f facts
	f.add("Record", q.Table+" "+q.ID)
	held := "Campaign has nothing of it from us"
	if r.Held {
		held = "Campaign keeps what was written before"
	}
	f.add("State", q.State+"; "+held)
	f.add("Refused", fmt.Sprintf("%s %s: %s", q.Code, cmp.Or(q.Field, "(no field named)"), phrase.OneLine(q.Message)))
	f.add("Rule", r.Rule)
	f.add("Parent", r.Parent)
	f.add("Tried", fmt.Sprintf("%s, first %s, last %s, run %s", phrase.Count(int64(q.Attempts), "time"), phrase.Moment(now, q.FirstSeen), phrase.Moment(now, q.LastSeen), q.Run))
	switch {
	case q.State != "open":
	case q.NextTry.IsZero():
		f.add("Next try", "not by itself; causeway quarantine release "+q.Table+" --ids "+q.ID)
	default:
		f.add("Next try", phrase.Until(now, q.NextTry)+", by itself; at once: causeway quarantine release "+q.Table+" --ids "+q.ID)
	}
	if d := q.Discarded; d != nil {
		f.add("Discarded", fmt.Sprintf("by %s %s: %s", cmp.Or(operator.Somebody(d.By), "somebody"), phrase.Moment(now, d.At), phrase.OneLine(d.Reason)))
	}
	where := map[bool]string{true: "there", false: "not there"}
	version := versionOf(r.Live.Version)
	if r.Live.Version != "" && q.Version != "" && r.Live.Version != q.Version {
		version += ", changed since version " + q.Version + " was refused"
	}
	f.add("In Dynamics now", where[r.Live.InDynamics]+version)
	f.add("In Campaign now", where[r.Live.InCampaign])
	f.add("The mapping calls for", r.Live.Decision+reason(r.Live.Why))
	f.add("Mapping", r.Mapping)
	writeFacts(e.out, e.colours(), f)
	fmt.Fprintln(e.out)
	fields := [][]cell{header(nil, "DYNAMICS", "CAMPAIGN", "IN DYNAMICS", "LAST WRITTEN", "WOULD BE SENT")}
	for i, f := range r.Fields {
		in, was, send := f.InDynamics, f.InCampaign, cmp.Or(f.WouldSend, "-")
		if i < len(r.Values) {
			v := r.Values[i]
			in, was, send = literal(v.InDynamics), literal(v.InCampaign), literal(v.WouldSend)
		}
		line := []cell{text(f.From), text(f.To), text(in), text(was), text(send)}
		if f.To == q.Field {
			for c := range line {
				line[c].code = bad
			}
		}
		fields = append(fields, line)
	}
	writeTable(e.out, e.colours(), fields)
}

// literal is a revealed value as JSON, in which nothing can steer a terminal.
func literal(v json.RawMessage) string {
	if v == nil {
		return "-"
	}
	var value any
	if json.Unmarshal(v, &value) != nil {
		return "-"
	}
	safe := fmt.Sprintf("%q", value)
	if _, isText := value.(string); !isText {
		safe = phrase.OneLine(string(v))
	}
	return safe
}
