package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// A step of a flow that wakes late changes no run any more: it would end one that goes
// on, drop its pages, or begin one that nobody drives.
func TestALateStepChangesNoRun(t *testing.T) {
	t.Parallel()
	turn := func(after time.Duration, activity string, attempt int) ledger.Turn {
		return ledger.Turn{Scheduled: noon.Add(after), Activity: activity, Attempt: attempt}
	}
	newer := turn(time.Minute, "7", 2)
	for name, tt := range map[string]struct {
		turn ledger.Turn
		late bool
	}{
		"an earlier attempt of the same step": {turn(time.Minute, "7", 1), true},
		"a step before it":                    {turn(40*time.Second, "5", 9), true},
		"the same attempt again":              {newer, false},
		"a step of the same moment":           {turn(time.Minute, "8", 1), false},
		"clocks of Temporal's hosts differ":   {turn(56*time.Second, "8", 1), false},
		"a step after it":                     {turn(2*time.Minute, "9", 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ledgertest.Each(t, func(t *testing.T, open open) {
				l := open()
				ctx := ledger.WithTurn(t.Context(), newer)
				run := ledger.Run{ID: "r1", Flow: flow, Table: table, Kind: "initial"}
				_, err := l.BeginRun(ctx, run)
				require.NoError(t, err)
				stage(t, l, "r1", 1, 1)

				ctx = ledger.WithTurn(t.Context(), tt.turn)
				other := run
				other.ID = "r0"
				_, begin := l.BeginRun(ctx, other)
				errs := map[string]error{
					"begin":     begin,
					"end":       l.SetRunState(ctx, "r1", ledger.RunFailed, ""),
					"drop":      l.DropPages(ctx, "r1"),
					"watermark": l.SaveWatermark(ctx, ledger.Watermark{Flow: flow, Table: table, Link: "x"}),
				}
				for what, err := range errs {
					if tt.late {
						require.ErrorIs(t, err, ledger.ErrFenced, what)
					} else {
						require.NoError(t, err, what)
					}
				}
				_, err = l.BeginRun(ledger.WithTurn(t.Context(), turn(-time.Hour, "1", 1)), ledger.Run{ID: "r2", Flow: flow, Table: "accounts", Kind: "initial"})
				require.NoError(t, err, "each table has turns of its own")
				require.NoError(t, l.SetRunState(t.Context(), "r1", ledger.RunCancelled, ""), "who is no step of a flow has no turn")
			})
		})
	}
}
