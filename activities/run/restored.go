package run

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/uber-go/tally/v4"
	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// factRestored names when a flow found that its ledger had been restored, or an operator
// said so, and why.
func factRestored(flow, table string) string { return "restored/" + flow + "/" + table }

// SameLedger fails with FailureLedgerRestored when the ledger is not the one that the flow knew:
// it has another identity, or lacks a run that the flow knows of, or a part of it, or what it
// was told, or somebody has said that it was restored. It returns the identity of the ledger.
// opening is the run that is opened, "" when none is: it may go on again.
func SameLedger(ctx context.Context, l *ledger.Ledger, known *activities.LedgerKnown, flow, table, opening string) (string, error) {
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
	lacks, err := lacksStart(ctx, l, flow, table, known.Start)
	if err != nil {
		return "", err
	}
	if why == "" {
		why = lacks
	}
	if why == "" && known.Opened != nil {
		if why, err = lacksOf(ctx, l, known.Opened, opening); err != nil {
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

// lacksOf says why a ledger is older than what a flow knows of a run; "" when it is not.
func lacksOf(ctx context.Context, l *ledger.Ledger, known *activities.RunKnown, opening string) (string, error) {
	// An earlier attempt may have opened the run again, which had been stopped.
	opened := known.Run == opening && activity.GetInfo(ctx).Attempt > 1
	current, err := l.Run(ctx, known.Run)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
	case err != nil:
		return "", err
	case current.Counts.WithOutcome() >= known.Settled && (opened || !before(current.State, ledger.RunState(known.State))):
		return "", nil
	}
	return "the ledger lacks what run " + known.Run + " did: it was restored from a backup", nil
}

// before says that a run which was seen to end is in a state from before. A failure may not
// have reached the ledger, and a run that was stopped may have been given up since.
func before(is, ended ledger.RunState) bool {
	switch ended {
	case ledger.RunRunning, ledger.RunFailed:
		return false
	case ledger.RunStopped:
		return is == ledger.RunRunning
	}
	return is == ledger.RunRunning || is == ledger.RunStopped
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
		return Overtaken(err)
	}
	return Blocked(activities.FailureLedgerLost, err.Error()+"; was the ledger restored or replaced? The flow goes on from what it holds")
}

// Overtaken makes the failure of a step final that comes from a workflow which is older than
// the ledger: Temporal was restored from a backup. The flow ends the run and goes on. Where
// the step is that of a worker which stood still, Temporal takes no answer of it any more.
func Overtaken(err error) error {
	if !errors.Is(err, ledger.ErrOvertaken) {
		return err
	}
	return Blocked(activities.FailureLedgerLost, err.Error()+"; was Temporal restored from a backup? The flow goes on from what the ledger holds")
}
