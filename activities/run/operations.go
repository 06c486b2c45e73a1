package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

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
// comes before they are: what cannot be logged is not shown. The key to which they are
// sealed is made for one question, so it tells an activity that runs twice from two
// questions.
func LogReveal(ctx context.Context, l *ledger.Ledger, to []byte, shown ledger.Operation) error {
	return logQuestion(ctx, l, activities.OpReveal, to, shown)
}

// LogSearch enters into the audit trail that somebody looks for a person, and by what,
// before it is done. It holds nothing of what is looked for.
func LogSearch(ctx context.Context, l *ledger.Ledger, to []byte, search ledger.Operation) error {
	return logQuestion(ctx, l, activities.OpSearch, to, search)
}

func logQuestion(ctx context.Context, l *ledger.Ledger, what string, to []byte, o ledger.Operation) error {
	question := sha256.Sum256(fmt.Appendf(nil, "%x %q %q %q", to, o.By, o.Table, o.Detail))
	o.ID, o.What, o.At = what+"/"+hex.EncodeToString(question[:]), what, time.Now()
	_, err := Log(ctx, l, o)
	return err
}
