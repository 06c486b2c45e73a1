package host

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/ledger"
)

// sealedAs is a ledger that is sealed in some way.
type sealedAs ledger.Sealing

func (s sealedAs) Sealing(context.Context) (*ledger.Sealing, error) {
	out := ledger.Sealing(s)
	return &out, nil
}

// One of the states is 1, and a rekey shows how far it is and whether it goes on.
func TestGaugesSayHowTheLedgerIsSealed(t *testing.T) {
	t.Parallel()
	ended := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	columns := (*ledger.Rekey)(nil).Columns()
	for name, c := range map[string]struct {
		is          sealedAs
		state       string
		done, stuck float64
	}{
		"without a key":   {sealedAs{}, "clear", 1, 0},
		"from before":     {sealedAs{Key: "a"}, "partly", 1, 0},
		"remains":         {sealedAs{Key: "a", Whole: true, Remains: true, Rekey: &ledger.Rekey{Ended: &ended, Column: columns}}, "partly", 1, 0},
		"a new key":       {sealedAs{Key: "b", OlderKey: []string{"a"}, Whole: true}, "older", 1, 0},
		"being rekeyed":   {sealedAs{Key: "b", OlderKey: []string{"a"}, Whole: true, Rekey: &ledger.Rekey{Column: 3}}, "older", 3 / float64(columns), 0},
		"a rekey stuck":   {sealedAs{Key: "b", Whole: true, OlderKey: []string{"a"}, Rekey: &ledger.Rekey{Problem: "record.payload of x"}}, "older", 0, 1},
		"sealed anew":     {sealedAs{Key: "b", Whole: true, Rekey: &ledger.Rekey{Ended: &ended, Column: columns}}, "sealed", 1, 0},
		"from the outset": {sealedAs{Key: "b", Whole: true}, "sealed", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scope := tally.NewTestScope("", nil)
			require.NoError(t, (&sealingGauges{ledger: c.is, scope: scope}).refresh(t.Context()))
			var states []string
			values := map[string]float64{}
			for _, g := range slices.Collect(maps.Values(scope.Snapshot().Gauges())) {
				if g.Name() != "ledger_sealing" {
					values[g.Name()] = g.Value()
				} else if g.Value() == 1 {
					states = append(states, g.Tags()["state"])
				}
			}
			require.Equal(t, []string{c.state}, states)
			require.Equal(t, map[string]float64{"ledger_rekey_done_ratio": c.done, "ledger_rekey_stuck": c.stuck}, values)
		})
	}
}
