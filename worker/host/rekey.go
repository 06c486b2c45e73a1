package host

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"causeway.dev/internal/ledger"
)

// rekeyEvery is how often a worker asks whether the ledger is to be sealed anew.
const rekeyEvery = time.Second

// rekeyer seals the ledger anew when an operator has asked for it.
type rekeyer struct {
	ledger interface {
		RekeyStep(context.Context) (more bool, err error)
	}
	logger *slog.Logger
	sleep  func(context.Context, time.Duration)
}

// run works until ctx ends, or a key is missing: the ledger got one while this worker was
// at work, which then must write no more. It rests as long as each step took, so that flows
// keep at least half of the ledger.
func (r *rekeyer) run(ctx context.Context) error {
	begun := false
	for ctx.Err() == nil {
		from := time.Now()
		more, err := r.ledger.RekeyStep(ctx)
		var missing *ledger.MissingKeyError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &missing):
			return err
		case err != nil:
			r.logger.Error("sealing the ledger anew does not go on", "error", err)
		case more != begun:
			if begun = more; more {
				r.logger.Info("sealing the ledger anew")
			} else {
				r.logger.Info("the ledger is sealed anew")
			}
		}
		if more && err == nil {
			r.sleep(ctx, time.Since(from))
		} else {
			r.sleep(ctx, rekeyEvery)
		}
	}
	return nil
}

// rest waits until d is over or ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
