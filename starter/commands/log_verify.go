package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newLogVerify(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Check that nothing in the log was changed or removed",
		Long: `Check that the audit trail was only ever added to. Every entry carries a hash over
itself and the entry before, made with ledger.encryption_key where there is one, so
that nobody who only has the database can change it. Flows remember in Temporal how
far the log went when they last wrote to it, so that an end that was cut is noticed.

It says how many entries agree, or the first that does not, and exits with 1 then.
It cannot notice that entries were cut which no flow remembers yet, such as a
discard after the last start or stop; nor, without a key, that whoever can write to
the database made all of it anew where no flow remembers its end. docs/data-protection.md
says more.

With -o json: {agrees, entries, from, to, unkeyed, pruned, pruned_to, fault,
fault_seq, lacking: [{flow, seq, at, hash}], restored, remembered}.`,
		Example: "  causeway log verify\n  causeway log verify -o json | jq .entries",
		Args:    exactly("none", 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return verifyLog(cmd.Context(), e) },
	}
}

func verifyLog(ctx context.Context, e *env) error {
	var found activities.VerifyLogResult
	err := tell(ctx, e, func(i *operator.Instance) (activities.VerifyLogResult, error) {
		var err error
		found, err = i.VerifyLog(ctx)
		return found, err
	}, writeVerified)
	if err == nil && !found.Agrees {
		return failed("the log does not agree: it was changed or cut since it was written")
	}
	return err
}

func writeVerified(e *env, r activities.VerifyLogResult) {
	at := func(t time.Time) string { return phrase.Clock(e.now(), t) }
	switch {
	case r.Entries == 0 && r.Fault == "":
		fmt.Fprintln(e.out, "The log is empty.")
	case r.Entries > 0:
		fmt.Fprintf(e.out, "%s in order, from %s to %s\n", phrase.Count(r.Entries, "operation"), at(r.From), at(r.To))
	}
	if r.Pruned > 0 {
		fmt.Fprintf(e.out, "pruned before them: %s, up to %s (retention.operations)\n", phrase.Count(r.Pruned, "operation"), at(r.PrunedTo))
	}
	if r.Unkeyed > 0 {
		fmt.Fprintf(e.out, "chained without a key: %s; whoever can write to the database can make such ones; set ledger.encryption_key\n", phrase.Count(r.Unkeyed, "operation"))
	}
	if r.Fault != "" {
		fmt.Fprintf(e.out, "FAULT: %s\n", r.Fault)
		return
	}
	if len(r.Remembered) == 0 {
		fmt.Fprintln(e.out, "no flow remembers how far the log went, so an end that was cut would not be noticed")
	}
	for _, end := range r.Lacking {
		fmt.Fprintf(e.out, "%s: %s remembers entry %d of %s, and the log does not have it\n", strings.ToUpper(lackingWord(r)), end.Flow, end.Seq, at(end.At))
	}
	if r.Restored != nil {
		fmt.Fprintf(e.out, "that is explained: %s said at %s that the ledger was restored from a backup\n", phrase.OneLine(r.Restored.By), at(r.Restored.At))
	}
}

// lackingWord says whether what is lacking is explained.
func lackingWord(r activities.VerifyLogResult) string {
	if r.Restored != nil {
		return "note"
	}
	return "fault"
}
