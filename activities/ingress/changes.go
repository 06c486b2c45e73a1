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

// fetchChanges reads the first page behind the watermark. With in.Wait it polls until
// there is something, so that waiting costs one activity and not one a poll.
func (a *Activities) fetchChanges(ctx context.Context, in activities.FetchInput) (*activities.FetchResult, error) {
	if page, err := a.o.Ledger.Page(ctx, in.Run, in.Page); err == nil {
		return run.FetchResult(page), nil
	} else if !errors.Is(err, ledger.ErrNotFound) {
		return nil, err
	}
	identity, err := run.SameLedger(ctx, a.o.Ledger, in.Known, activities.FlowIngress, in.Table, "")
	if err != nil {
		return nil, err
	}
	m, err := a.mappingOf(ctx, in.RunRef)
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
	w := changeWait{Activities: a, in: in, m: m, watermark: *mark, saved: time.Now()}
	if w.hearing, err = a.o.Pushes.Listen(ctx, in.Table, time.Duration(in.Poll), mark.ObtainedAt); err != nil {
		return nil, err
	}
	out, err := w.wait(ctx)
	if out != nil {
		out.Ledger, out.Models = identity, w.found
	}
	return out, err
}

// changeWait polls the delta link of a table until it leads to changes.
type changeWait struct {
	*Activities
	in        activities.FetchInput
	m         *tableMapper
	watermark ledger.Watermark
	saved     time.Time                // when the watermark was last saved
	unparked  time.Time                // when parked records were last searched for those that can go on
	dueAsked  time.Time                // when it was last asked whether quarantined records are due
	unsaved   bool                     // the watermark is newer than the saved one
	found     *activities.ModelChanges // by a look at the data models; nil: there was none
	hearing   *run.Hearing             // says when Dynamics is asked
}

func (w *changeWait) wait(ctx context.Context) (*activities.FetchResult, error) {
	deadline := time.Now().Add(time.Duration(w.in.Wait))
	for {
		if told, err := w.checkModels(ctx); err != nil {
			return nil, err
		} else if told {
			return w.endWithNothing(ctx)
		}
		if due, err := w.releaseDue(ctx); err != nil || due {
			return w.endForRelease(ctx, err)
		}
		page, err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return w.endWithNothing(ctx)
		case run.OpensBefore(deadline, err):
			// The gate is closed; look again when it opens.
		case err != nil:
			return nil, run.ToTemporal(ctx, fmt.Errorf("reading changes to %s: %w", w.in.Table, err))
		case page == nil: // Dynamics was not asked
		case len(page.Changes) > 0 || page.NextLink != "":
			return w.stage(ctx, w.in, page, ledger.LinkCursor(page.NextLink), ledger.LinkCursor(page.DeltaLink))
		default:
			w.advance(page)
		}
		if err := w.saveNowAndThen(ctx); err != nil {
			return nil, err
		}
		if !time.Now().Add(time.Duration(w.in.Poll)).Before(deadline) {
			return w.endWithNothing(ctx)
		}
		if !w.pause(ctx) {
			return w.endWithNothing(ctx)
		}
	}
}

// look asks Dynamics when that is due, or the ledger has records that can go on; else the
// page is nil.
func (w *changeWait) look(ctx context.Context) (*dataverse.Page, error) {
	var ahead []dataverse.Change
	if !w.hearing.Due() {
		waiting := &dataverse.Page{}
		if err := w.addUnparked(ctx, waiting); err != nil || len(waiting.Changes) == 0 {
			return nil, err
		}
		ahead = waiting.Changes
	}
	w.hearing.Begin()
	page, err := w.readPage(ctx, w.m.query, w.watermark.Link)
	if err == nil {
		err = w.checkAdvance(page)
	}
	if err != nil {
		w.hearing.Failed()
		return nil, err
	}
	w.hearing.End(ctx, len(page.Changes) > 0 || page.NextLink != "")
	if len(ahead) > 0 {
		page.Changes = slices.Concat(ahead, page.Changes)
		return page, nil
	}
	return page, w.addUnparked(ctx, page)
}

// unblockEvery is how often the ledger is searched for records that could go on and that
// no write has woken: parked ones, and quarantined ones whose parent has come.
const unblockEvery = 10 * time.Second

// addUnparked puts records before the changes of a page: those that were parked and can
// go on, and those that are to be looked at in Campaign, as Dynamics has them now.
func (w *changeWait) addUnparked(ctx context.Context, page *dataverse.Page) error {
	if time.Since(w.unparked) >= unblockEvery {
		if _, err := w.o.Ledger.ReleaseUnblocked(ctx, w.in.Table); err != nil {
			return err
		}
		w.unparked = time.Now()
	}
	inDoubt, err := w.doubtfulNow(ctx)
	if err != nil {
		return err
	}
	page.Changes = slices.Concat(inDoubt, page.Changes)
	ready, err := w.o.Ledger.Ready(ctx, w.in.Table, maxUnparked)
	if err != nil || len(ready) == 0 {
		return err
	}
	changes := make([]dataverse.Change, 0, len(ready)+len(page.Changes))
	for _, e := range ready {
		changes = append(changes, dataverse.Change{Key: e.Key, Version: e.Version, Deleted: e.Deleted, Raw: e.Raw})
	}
	page.Changes = append(changes, page.Changes...)
	return nil
}

// maxUnparked is how many unparked records join a pass.
const maxUnparked = 5000

// advance moves the watermark to a page without changes: nothing is left to write before
// it.
func (w *changeWait) advance(page *dataverse.Page) {
	if page.DeltaLink != "" {
		w.watermark.Link = page.DeltaLink
	}
	w.watermark.ObtainedAt, w.unsaved = time.Now().UTC(), true
	w.metrics.of(w.in.Table).showWatermark(w.watermark.ObtainedAt)
}

// saveNowAndThen saves a watermark that has moved, once in a while, so that a restart
// does not go back far.
func (w *changeWait) saveNowAndThen(ctx context.Context) error {
	if !w.unsaved || time.Since(w.saved) < run.SavePositionEvery {
		return nil
	}
	if err := w.o.Ledger.SaveWatermark(ctx, w.watermark); err != nil {
		return err
	}
	w.unsaved, w.saved = false, time.Now()
	return nil
}

// endWithNothing saves the watermark and reports that nothing changed. It does so also
// when the wait was interrupted, because the workflow knows what interrupted it.
func (w *changeWait) endWithNothing(ctx context.Context) (*activities.FetchResult, error) {
	if w.unsaved {
		if err := w.o.Ledger.SaveWatermark(context.WithoutCancel(ctx), w.watermark); err != nil {
			return nil, err
		}
	}
	open, err := w.o.Ledger.QuarantineCount(context.WithoutCancel(ctx), activities.FlowIngress, w.in.Table)
	if err != nil {
		return nil, err
	}
	strays, err := w.o.Ledger.Strays(context.WithoutCancel(ctx), w.in.Table)
	if err != nil {
		return nil, err
	}
	return &activities.FetchResult{Phase: activities.PhaseDelta, Nothing: true, Watermark: w.watermark.ObtainedAt, Quarantined: &open, Strays: strays}, nil
}

// pause sleeps until the next look, with heartbeats, so that a cancellation arrives. It
// is false when the wait is to end.
func (w *changeWait) pause(ctx context.Context) bool {
	beat := func() { activity.RecordHeartbeat(ctx, activities.WaitingBeat{Checked: w.watermark.ObtainedAt}) }
	if !w.hearing.Sleep(ctx, beat) {
		return false
	}
	beat()
	return true
}
