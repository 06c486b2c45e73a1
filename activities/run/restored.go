package run

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// factRestored names when a flow found that its ledger had been restored, or an operator
// said so, and why.
func factRestored(flow, table string) string { return "restored/" + flow + "/" + table }

// SameLedger fails with FailureLedgerRestored when the ledger is not the one that the flow knew:
// it has another identity, or lacks a completed run that the flow knows of or what it was
// told, or somebody has said that it was restored. It returns the identity of the ledger.
func SameLedger(ctx context.Context, l *ledger.Ledger, known *activities.LedgerKnown, flow, table string) (string, error) {
	identity, err := l.Identity(ctx)
	if err != nil || known == nil {
		return identity, err
	}
	why := ""
	if known.Ledger != "" && known.Ledger != identity {
		why = "the ledger is another one than before: it was replaced"
	}
	for _, of := range []string{known.Run, known.Latest} {
		if of == "" || why != "" {
			continue
		}
		switch last, err := l.Run(ctx, of); {
		case errors.Is(err, ledger.ErrNotFound), err == nil && last.State != ledger.RunCompleted:
			why = "the ledger lacks what run " + of + " did: it was restored from a backup"
		case err != nil:
			return "", err
		}
	}
	marked, err := WhyRestored(ctx, l, flow, table)
	switch {
	case err != nil:
		return "", err
	case why == "" && known.Marked && marked == "":
		why = "the ledger lacks that it was restored: it was restored again"
	}
	switch {
	case why != "":
		return "", foundRestored(ctx, l, flow, table, why)
	case marked != "" && !known.Comparing:
		return "", Blocked(activities.FailureLedgerRestored, marked)
	}
	return identity, nil
}

// MarkRestored keeps that the ledger of a flow was restored, and why that is known.
func MarkRestored(ctx context.Context, l *ledger.Ledger, flow, table, why string) error {
	return l.SaveFact(ctx, factRestored(flow, table), time.Now().UTC().Format(time.RFC3339)+" "+why)
}

// WhyRestored is why the ledger of a flow counts as restored; "" when it does not, or has
// been compared with the systems since.
func WhyRestored(ctx context.Context, l *ledger.Ledger, flow, table string) (string, error) {
	fact, err := l.Fact(ctx, factRestored(flow, table))
	_, why, _ := strings.Cut(fact, " ")
	return why, err
}

// StartRestored is what a start makes of a restored ledger. With why the flow knows of it,
// and that is kept. Otherwise it returns why the ledger counts as restored, if it does.
func StartRestored(ctx context.Context, l *ledger.Ledger, flow, table, why string) (string, error) {
	if why != "" {
		return "", MarkRestored(ctx, l, flow, table, why)
	}
	return WhyRestored(ctx, l, flow, table)
}

// foundRestored keeps that a flow's ledger was restored, and is the failure that tells the
// flow.
func foundRestored(ctx context.Context, l *ledger.Ledger, flow, table, why string) error {
	if err := MarkRestored(ctx, l, flow, table, why); err != nil {
		return err
	}
	return Blocked(activities.FailureLedgerRestored, why)
}

// LacksSettings makes a failure for want of the settings that a flow runs with a sign of a
// restored ledger: every start keeps them there. A rollback that is not in the ledger was
// lost with them. Other failures stay what they are.
func LacksSettings(ctx context.Context, l *ledger.Ledger, ref activities.RunRef, flow string, err error) error {
	switch {
	case !errors.Is(err, ledger.ErrNotFound):
		return err
	case ref.Undoes != "":
		if _, gone := l.Run(ctx, ref.Run); errors.Is(gone, ledger.ErrNotFound) {
			return Lost(err) // it was opened with them
		}
		return err
	case ref.Plan == "":
		return err
	}
	return foundRestored(ctx, l, flow, ref.Table, "the ledger lacks the settings that the flow runs with: it was restored from a backup, or replaced")
}

// Restored says that a flow's ledger was restored or replaced, and that it has not been
// compared with the systems since. What it lacks may be anything.
func Restored(ctx context.Context, l *ledger.Ledger, flow, table string) (bool, error) {
	since, err := l.Fact(ctx, factRestored(flow, table))
	return since != "", err
}

// ShowRestored sets a gauge to 1 while the ledger of a flow counts as restored.
func ShowRestored(ctx context.Context, l *ledger.Ledger, flow, table string, gauge tally.Gauge) error {
	restored, err := Restored(ctx, l, flow, table)
	if err != nil {
		return err
	}
	value := 0.0
	if restored {
		value = 1
	}
	gauge.Update(value)
	return nil
}

// Trust ends what SameLedger began.
func Trust(ctx context.Context, l *ledger.Ledger, flow, table string) error {
	return l.SaveFact(ctx, factRestored(flow, table), "")
}

// Lost makes a failure for want of a run in the ledger final: waiting does not
// bring it back. The flow ends the run and goes on.
func Lost(err error) error {
	if !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	return Blocked(activities.FailureLedgerLost, err.Error()+"; was the ledger restored or replaced? The flow goes on from what it holds")
}
