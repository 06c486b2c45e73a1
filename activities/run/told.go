package run

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/ledger"
)

// A Told gauge has a value that one worker finds out and every worker shows. The worker
// that found it out tells the ledger, and each shows what is there: none goes on showing
// what it found long ago while another works.
type Told struct {
	Ledger *ledger.Ledger
	Logger *slog.Logger
	Name   string // of the value in the ledger
	Gauge  tally.Gauge
}

// Tell keeps a value for all workers. Work goes on without it: a ledger that cannot be
// written fails work anyway.
func (g *Told) Tell(ctx context.Context, value float64) { g.TellUntil(ctx, value, time.Time{}) }

// TellUntil is Tell of a value that nobody shows any more from a time on; the zero time is
// never.
func (g *Told) TellUntil(ctx context.Context, value float64, until time.Time) {
	g.Gauge.Update(value)
	told := strconv.FormatFloat(value, 'f', -1, 64)
	if !until.IsZero() {
		told += " " + strconv.FormatInt(until.Unix(), 10)
	}
	name := factTold(g.Name)
	before, err := g.Ledger.Fact(ctx, name)
	if err == nil && before != told {
		err = g.Ledger.SaveFact(ctx, name, told)
	}
	if err != nil && ctx.Err() == nil {
		g.Logger.Warn("telling the other workers", "what", g.Name, "error", err)
	}
}

// Show sets the gauge to what was told last; 0 when that was nothing, or is over.
func (g *Told) Show(ctx context.Context) error {
	told, err := g.Ledger.Fact(ctx, factTold(g.Name))
	if err != nil {
		return err
	}
	value, err := whatWasTold(told, time.Now())
	if err != nil {
		return fmt.Errorf("what workers told of %s: %w", g.Name, err)
	}
	g.Gauge.Update(value)
	return nil
}

func factTold(name string) string { return "told/" + name }

func whatWasTold(told string, now time.Time) (float64, error) {
	if told == "" {
		return 0, nil
	}
	text, until, ends := strings.Cut(told, " ")
	if ends {
		at, err := strconv.ParseInt(until, 10, 64)
		if err != nil || now.Unix() >= at {
			return 0, err
		}
	}
	return strconv.ParseFloat(text, 64)
}
