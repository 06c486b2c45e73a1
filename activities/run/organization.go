package run

import (
	"context"
	"fmt"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// factOrganization names the id of the Dynamics organisation whose records are in the
// ledger.
const factOrganization = "organization"

// SameOrganization fails when Dynamics is another organisation than the one whose records
// are in the ledger. An address may change, and positions with it; but with another
// organisation every record would count as deleted.
func SameOrganization(ctx context.Context, l *ledger.Ledger, id string) error {
	kept, err := l.Fact(ctx, factOrganization)
	switch {
	case err != nil || kept == id:
		return err
	case kept == "":
		return l.SaveFact(ctx, factOrganization, id)
	}
	return Blocked(apierr.ReasonConfig, fmt.Sprintf(
		"dynamics.url leads to organisation %s, and the ledger has the records of organisation %s; correct it, or give another instance a ledger of its own", id, kept))
}
