package host

import (
	"context"
	"log/slog"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

// forgetEvery is how often a worker looks whether somebody is to be forgotten.
const forgetEvery = 5 * time.Second

// forgetter forgets people when nothing holds them any more, and searches a restored ledger
// for those who were forgotten.
type forgetter struct {
	ledger interface {
		ForgetStep(ctx context.Context, optedOut func([]byte) bool, stillThere ledger.StillThere) (more bool, err error)
		Erasures(ctx context.Context) (ledger.Erasures, error)
	}
	stillThere ledger.StillThere
	waiting    tally.Gauge
	logger     *slog.Logger
	sleep      func(context.Context, time.Duration)
}

// run works until ctx ends. It rests as long as each step took, so that flows keep at least
// half of the ledger.
func (f *forgetter) run(ctx context.Context) {
	for ctx.Err() == nil {
		from := time.Now()
		more, err := f.ledger.ForgetStep(ctx, optout.Chosen, f.stillThere)
		if err == nil && !more {
			var is ledger.Erasures
			if is, err = f.ledger.Erasures(ctx); err == nil {
				f.waiting.Update(float64(len(is.Waiting)))
			}
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.logger.Error("forgetting people does not go on", "error", err)
		}
		if more && err == nil {
			f.sleep(ctx, time.Since(from))
		} else {
			f.sleep(ctx, forgetEvery)
		}
	}
}
