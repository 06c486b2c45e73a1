package optout

import (
	"context"
	"errors"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// CarriedUpTo is the time up to which every choice that was seen is held by both systems:
// that of the last look at either of them, or since when one of them has refused a choice.
// Zero before the first look. What waits for a profile has nothing to be carried to, and
// exported files are as old as Campaign makes them.
func CarriedUpTo(ctx context.Context, l *ledger.Ledger) (time.Time, error) {
	oldest, err := l.OldestRefused(ctx)
	if err != nil {
		return time.Time{}, err
	}
	for _, name := range []string{activities.FlowOptOut, campaignWatermark} {
		mark, err := l.Watermark(ctx, activities.FlowOptOut, name)
		switch {
		case errors.Is(err, ledger.ErrNotFound) && name == campaignWatermark: // Campaign exports files
			continue
		case errors.Is(err, ledger.ErrNotFound):
			return time.Time{}, nil
		case err != nil:
			return time.Time{}, err
		}
		if oldest.IsZero() || mark.ObtainedAt.Before(oldest) {
			oldest = mark.ObtainedAt
		}
	}
	return oldest, nil
}
