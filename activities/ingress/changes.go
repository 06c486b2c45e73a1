package ingress

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
)

// fetchChanges reads the first page behind the watermark. With in.Wait it polls
// until there is something, so that waiting for changes costs one activity, not
// one per poll.
func (a *Activities) fetchChanges(ctx context.Context, in activities.FetchInput) (*activities.FetchResult, error) {
	if page, err := a.o.Ledger.Page(ctx, in.Run, in.Page); err == nil {
		return run.Fetched(page), nil
	} else if !errors.Is(err, ledger.ErrNotFound) {
		return nil, err
	}
	m, err := a.mapper(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	mark, err := a.o.Ledger.Watermark(ctx, activities.FlowIngress, in.Table)
	if errors.Is(err, ledger.ErrNotFound) || (err == nil && mark.Link == "") {
		return nil, run.Blocked(apierr.ReasonLinkExpired, "there is no watermark for "+in.Table+"; a new baseline is needed")
	}
	if err != nil {
		return nil, err
	}
	w := waiter{Activities: a, in: in, m: m, mark: *mark, saved: time.Now()}
	return w.wait(ctx)
}

// waiter follows a delta link while it leads to nothing.
type waiter struct {
	*Activities
	in     activities.FetchInput
	m      *tableMapper
	mark   ledger.Watermark
	saved  time.Time // when mark was last saved
	roused time.Time // when what waits was last looked through
	looked time.Time // when quarantine was last looked through
	moved  bool      // mark is newer than the saved one
}

func (w *waiter) wait(ctx context.Context) (*activities.FetchResult, error) {
	deadline := time.Now().Add(time.Duration(w.in.Wait))
	for {
		if due, err := w.due(ctx); err != nil || due {
			return w.Release(ctx, err)
		}
		page, err := w.patiently(ctx, w.m.query, w.mark.Link)
		if err == nil {
			err = w.unpark(ctx, page)
		}
		switch {
		case ctx.Err() != nil:
			return w.leave(ctx)
		case err != nil && apierr.ClassOf(err) == apierr.Throttled && time.Now().Before(deadline):
			// The gate is closed; look again when it opens.
		case err != nil:
			return nil, run.ToTemporal(ctx, fmt.Errorf("reading changes to %s: %w", w.in.Table, err))
		case len(page.Changes) > 0 || page.NextLink != "":
			return w.stage(ctx, w.in, page, ledger.LinkCursor(page.NextLink), ledger.LinkCursor(page.DeltaLink))
		default:
			w.advance(page)
		}
		if err := w.keep(ctx); err != nil {
			return nil, err
		}
		if !time.Now().Add(time.Duration(w.in.Poll)).Before(deadline) {
			return w.leave(ctx)
		}
		if !w.pause(ctx) {
			return w.leave(ctx)
		}
	}
}

// rouseEvery is how often the parked records are looked through for those that
// nothing woke.
const rouseEvery = 10 * time.Second

// unpark puts what waited for a parent, and need not any more, before the
// changes of a page; also records that Campaign is to be asked for, as they are now.
func (w *waiter) unpark(ctx context.Context, page *dataverse.Page) error {
	if time.Since(w.roused) >= rouseEvery {
		if _, err := w.o.Ledger.ReleaseUnblocked(ctx, w.in.Table); err != nil {
			return err
		}
		w.roused = time.Now()
	}
	ready, err := w.o.Ledger.Ready(ctx, w.in.Table, readyPage)
	if err != nil || len(ready) == 0 {
		return err
	}
	changes := make([]dataverse.Change, 0, len(ready)+len(page.Changes))
	var doubtful []string
	for _, e := range ready {
		if e.Raw == nil && !e.Deleted {
			doubtful = append(doubtful, e.Key)
			continue
		}
		changes = append(changes, dataverse.Change{Key: e.Key, Version: e.Version, Deleted: e.Deleted, Raw: e.Raw})
	}
	now, _, err := w.asTheyAre(ctx, w.m, w.in, doubtful[:min(len(doubtful), sweepPage)], false) // the others with the next pass
	if err != nil {
		return err
	}
	page.Changes = slices.Concat(changes, now.Changes, page.Changes)
	return nil
}

// readyPage is how many parked records join a pass.
const readyPage = 5000

// advance moves the mark: nothing was read, so nothing is left to write before it.
func (w *waiter) advance(page *dataverse.Page) {
	if page.DeltaLink != "" {
		w.mark.Link = page.DeltaLink
	}
	w.mark.ObtainedAt, w.moved = time.Now().UTC(), true
	w.metrics.of(w.in.Table).settledUpTo(w.mark.ObtainedAt)
}

// keep saves a moved mark once in a while, so that a restart does not fall back far.
func (w *waiter) keep(ctx context.Context) error {
	if !w.moved || time.Since(w.saved) < run.KeepMark {
		return nil
	}
	if err := w.o.Ledger.SaveWatermark(ctx, w.mark); err != nil {
		return err
	}
	w.moved, w.saved = false, time.Now()
	return nil
}

// leave saves the mark and reports that nothing changed, also when the wait was
// interrupted: the workflow looks at what interrupted it.
func (w *waiter) leave(ctx context.Context) (*activities.FetchResult, error) {
	if w.moved {
		if err := w.o.Ledger.SaveWatermark(context.WithoutCancel(ctx), w.mark); err != nil {
			return nil, err
		}
	}
	open, err := w.o.Ledger.QuarantineCount(context.WithoutCancel(ctx), activities.FlowIngress, w.in.Table)
	if err != nil {
		return nil, err
	}
	return &activities.FetchResult{Phase: activities.PhaseDelta, Nothing: true, Watermark: w.mark.ObtainedAt, Quarantined: &open}, nil
}

// pause sleeps until the next poll, heartbeating so that a cancellation arrives;
// false when it did.
func (w *waiter) pause(ctx context.Context) bool {
	poll := time.NewTimer(time.Duration(w.in.Poll))
	defer poll.Stop()
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	for {
		select {
		case <-poll.C:
			activity.RecordHeartbeat(ctx, "waiting")
			return true
		case <-beat.C:
			activity.RecordHeartbeat(ctx, "waiting")
		case <-activity.GetWorkerStopChannel(ctx):
			return false
		case <-ctx.Done():
			return false
		}
	}
}
