package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/ledger"
)

// Log adds to the audit trail, and says of each name whether it was verified, as its form
// tells.
func Log(ctx context.Context, l *ledger.Ledger, operations ...ledger.Operation) (ledger.LogEnd, error) {
	for i, o := range operations {
		operations[i].Subject, operations[i].Verified = access.Subject(o.By)
	}
	return l.Log(ctx, operations...)
}

// LogReveal enters into the audit trail that values of persons are shown to somebody. It
// comes before they are: what cannot be logged is not shown. question tells an activity that
// runs twice from two questions; whoever asks may not choose it alone.
func LogReveal(ctx context.Context, l *ledger.Ledger, question string, shown ledger.Operation) error {
	return logQuestion(ctx, l, activities.OpReveal, question, shown)
}

// LogSearch enters into the audit trail that somebody looks for a person, and by what,
// before it is done. It holds nothing of what is looked for.
func LogSearch(ctx context.Context, l *ledger.Ledger, question string, search ledger.Operation) error {
	return logQuestion(ctx, l, activities.OpSearch, question, search)
}

func logQuestion(ctx context.Context, l *ledger.Ledger, what, question string, o ledger.Operation) error {
	id := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", question, o.By, o.Table, o.Detail))
	o.ID, o.What, o.At = what+"/"+hex.EncodeToString(id[:]), what, time.Now()
	_, err := Log(ctx, l, o)
	return err
}

// Execution names this execution of an activity, also when it is tried again.
func Execution(ctx context.Context) string {
	info := activity.GetInfo(ctx)
	return info.WorkflowExecution.RunID + "/" + info.ActivityRunID + "/" + info.ActivityID
}
