package host

import (
	"context"
	"fmt"

	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/ledger"
)

// sealingGauges show how the ledger is sealed, and how far a rekey is.
type sealingGauges struct {
	ledger interface {
		Sealing(context.Context) (*ledger.Sealing, error)
	}
	scope tally.Scope
}

// What a ledger is: one of these is 1.
const (
	sealedNothing = "clear"  // without a key
	sealedPartly  = "partly" // values from before it had a key are in clear, or may remain in free space
	sealedOlder   = "older"  // all is sealed, and some with an older key
	sealedWhole   = "sealed" // all is sealed with the first key
)

func (g *sealingGauges) refresh(ctx context.Context) error {
	s, err := g.ledger.Sealing(ctx)
	if err != nil {
		return fmt.Errorf("how the ledger is sealed: %w", err)
	}
	now := sealedWhole
	switch {
	case s.Key == "":
		now = sealedNothing
	case !s.Whole || s.Remains:
		now = sealedPartly
	case len(s.OlderKey) > 0:
		now = sealedOlder
	}
	for _, state := range []string{sealedNothing, sealedPartly, sealedOlder, sealedWhole} {
		g.scope.Tagged(map[string]string{"state": state}).Gauge("ledger_sealing").Update(valueOf(state == now))
	}
	done, stuck := 1.0, false
	if r := s.Rekey; r != nil && r.Ended == nil {
		done, stuck = float64(r.Column)/float64(r.Columns()), r.Problem != ""
	}
	g.scope.Gauge("ledger_rekey_done_ratio").Update(done)
	g.scope.Gauge("ledger_rekey_stuck").Update(valueOf(stuck))
	return nil
}
