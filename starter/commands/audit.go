package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// exitDiffers tells scripts that an audit found something.
const exitDiffers = 2

func newAudit(e *env) *cobra.Command {
	var o auditOptions
	cmd := tableArg(e, &cobra.Command{
		Use: "audit <table>", Short: "Compare both systems, and repair what differs",
		Long: `Compare what Campaign holds, and what Dynamics says, with what was written. It
reads both systems whole and changes neither; the flow goes on meanwhile. In
Campaign it costs one engine call per 1,000 records (fewer, if Campaign sends
smaller pages), and one per record that differs.

Changed: somebody changed mapped fields in Campaign. Fields with apply_updates:
false belong to Campaign and are not compared; of links only whether they name
something. Missing: somebody deleted the record in Campaign. Where the mapping
leaves such a record deleted (erased, by default for contacts), it is listed as
left so, counts as no difference, and --repair does not create it. Stray: Campaign
has it with a key, and not from here; it is left alone. Duplicate: its key is that of
one of our records in another spelling, such as upper case; it is never touched,
and somebody should keep one of the two. What Dynamics says and was
not written yet is listed too: mostly changes on their way.

With --repair the flow then loads the table anew and writes what differs, deletes
included; as always, more deletes than deletes.stop_ratio allows wait for
"causeway approve". "causeway status" shows how far it is.

After the ledger was restored, a stray may be a record that was created since the
backup, and deleted in Dynamics meanwhile. With --repair --strays the strays are
listed that have a key as ours are, and that are gone from Dynamics or left out by
the filter; Dynamics is asked for each. If you say so, they are deleted, at most 1,000 at a time; deletes.stop_ratio counts them, and the
run that deletes them can be rolled back. Look whether something else keeps records
with such keys in Campaign before you say yes.

An audit is the workflow <instance>/ingress/<table>/audit; it goes on if this
command is interrupted, and asking again watches it.

Exit code 0 when nothing differs, 2 when something does.

With -o json: {run, held, findings: {changed, missing, erased, stray, duplicate, fields, examples},
source: as causeway plan, repair, refused}; with --strays also strays: {audit, gone,
left, more}, and deleting: whether they are.`,
		Example: "  causeway audit contacts\n  causeway audit contacts --repair\n  causeway audit contacts --repair --strays\n  causeway audit contacts -o json | jq .findings.missing",
		RunE:    func(cmd *cobra.Command, args []string) error { return audit(cmd.Context(), e, args[0], o) },
	})
	cmd.Flags().BoolVar(&o.repair, "repair", false, "let the flow write what differs")
	cmd.Flags().BoolVar(&o.strays, "strays", false, "with --repair: delete what is not known here and not in Dynamics, after asking")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

type auditOptions struct{ repair, strays, yes bool }

// auditAnswer is what the command prints with -o json.
type auditAnswer struct {
	*workflows.AuditResult
	Strays   *activities.StraysResult `json:"strays,omitempty"`
	Deleting bool                     `json:"deleting,omitempty"`
}

func audit(ctx context.Context, e *env, table string, o auditOptions) error {
	if o.strays && !o.repair {
		return badInput("--strays goes with --repair")
	}
	if o.strays && !o.yes && !(e.inTerminal && e.errTerminal) {
		return badInput("this deletes records in Campaign; say --yes")
	}
	began, shown := false, ""
	at := func(look int, progress workflows.AuditProgress) {
		if line := auditLine(table, progress); line != shown && look%plainLooks == 0 {
			e.say("%s", line)
			shown = line
		}
	}
	return judge(ctx, e, func(i *operator.Instance) (answer auditAnswer, err error) {
		if began, err = i.BeginAudit(ctx, table, o.repair); err != nil {
			return answer, err
		}
		if !began {
			e.say("an audit of %s is running already; watching that one", table)
		}
		if answer.AuditResult, err = i.WatchAudit(ctx, table, at); err != nil || !o.strays {
			return answer, err
		}
		return answer, deleteStrays(ctx, e, i, table, o.yes, &answer)
	}, func(e *env, r auditAnswer) {
		writeAudit(e, table, *r.AuditResult)
		if o.repair && !began && !r.Repair && r.Repairable() {
			e.say("the audit that was running had not been asked to repair; run causeway audit %s --repair again", table)
		}
		writeStrays(e, table, r)
	}, func(r auditAnswer) int {
		if r.InStep() {
			return exitDone
		}
		return exitDiffers
	})
}

// auditLine is what an audit is at; how far is not known before it has begun.
func auditLine(table string, at workflows.AuditProgress) string {
	if at.Held == 0 {
		return fmt.Sprintf("audit of %s: %s", table, at.Phase)
	}
	return fmt.Sprintf("audit of %s: %s, %s of %s listed", table, at.Phase, humanize.Comma(at.Listed), humanize.Comma(at.Held))
}

const plainLooks = 10 // looks per line of progress

func writeAudit(e *env, table string, r workflows.AuditResult) {
	p := e.colours()
	f, src := r.Findings, r.Source.Counts
	fmt.Fprintf(e.out, "%s: %s that Campaign should hold, audit %s\n\n", table, phrase.Count(r.Held, "record"), r.Run)
	rows := [][]cell{header([]int{1}, "WHAT DIFFERS", "RECORDS")}
	for _, line := range []struct {
		what string
		n    int64
	}{
		{"changed in Campaign", f.Changed},
		{"missing in Campaign", f.Missing},
		{"deleted in Campaign, left so", f.Erased},
		{"in Campaign, and not from here (left alone)", f.Stray},
		{"in Campaign twice, with the key in another spelling", f.Duplicate},
		{"in Dynamics, and not yet in Campaign", src.Created},
		{"changed in Dynamics, and not yet in Campaign", src.Updated},
		{"gone from Dynamics, or left out, and still in Campaign", src.Deleted},
		{"refused", src.Quarantined},
		{"waiting for a parent", src.Parked},
	} {
		rows = append(rows, []cell{text(line.what), number(line.n)})
	}
	writeTable(e.out, p, rows)
	writeRanked(e, "FIELD CHANGED IN CAMPAIGN", f.Fields)
	writeRanked(e, "FIELD CHANGED IN DYNAMICS", r.Source.Fields)
	writeExamples(e, "IS", append(slices.Clone(f.Examples), r.Source.Examples...))
	fmt.Fprintln(e.out)
	if f.Duplicate > 0 {
		fmt.Fprintln(e.out, p.with(bad, "Two profiles stand for one contact. Keep one of them: delete the other in Campaign, or give it another key."))
	}
	writeShort(e, r.Source.Short)
	switch {
	case !r.Repairable() && !r.InStep():
	case r.InStep():
		fmt.Fprintln(e.out, p.with(good, "Both systems are in step."))
	case r.Repair:
		fmt.Fprintf(e.out, "The flow loads the table anew and repairs this; watch it with: causeway status %s\n", table)
	case r.Refused != "":
		fmt.Fprintln(e.out, p.with(bad, "Nobody repairs this: "+r.Refused))
	default:
		fmt.Fprintf(e.out, "To repair this: causeway audit %s --repair\n", table)
	}
}

// writeShort warns that what reads like gone may be hidden.
func writeShort(e *env, s *activities.ShortLoad) {
	if s == nil {
		return
	}
	fmt.Fprintln(e.out, e.colours().with(bad, fmt.Sprintf("Dynamics showed %s and counts about %s, up to a day ago: some may be hidden from the application user, and not gone.",
		phrase.Count(s.Listed, "record"), humanize.Comma(s.Expected))))
}

func writeRanked(e *env, title string, counts []activities.PlanCount) {
	if len(counts) == 0 {
		return
	}
	fmt.Fprintln(e.out)
	rows := [][]cell{header([]int{1}, title, "RECORDS")}
	for _, c := range counts {
		rows = append(rows, []cell{text(c.What), number(c.Records)})
	}
	writeTable(e.out, e.colours(), rows)
}

func writeExamples(e *env, outcome string, examples []activities.PlanExample) {
	if len(examples) == 0 {
		return
	}
	fmt.Fprintln(e.out)
	rows := [][]cell{header(nil, "EXAMPLE", outcome, "WHAT")}
	for _, x := range examples {
		rows = append(rows, []cell{text(x.ID), text(x.Outcome), text(x.Why)})
		for _, f := range slices.Sorted(maps.Keys(x.Changes)) {
			rows = append(rows, []cell{text(""), text(""), text(f + ": " + x.Changes[f])})
		}
	}
	writeTable(e.out, e.colours(), rows)
}
