package optout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

// wait asks the sources in turn until one has something.
func (f *pageFetch) wait(ctx context.Context) (*activities.FetchResult, error) {
	mark, err := f.o.Ledger.Watermark(ctx, activities.FlowOptOut, activities.FlowOptOut)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && mark.Link == "" {
		return nil, run.Blocked(apierr.ReasonLinkExpired, "nothing is known of where the contacts were read up to; a new baseline is needed")
	}
	if err != nil {
		return nil, err
	}
	f.watermark, f.saved = *mark, time.Now()
	if f.hearing, err = f.o.Pushes.Listen(ctx, activities.FlowOptOut, time.Duration(f.in.Poll), mark.ObtainedAt); err != nil {
		return nil, err
	}
	bad := f.badFiles(ctx)
	deadline := time.Now().Add(time.Duration(f.in.Wait))
	for {
		if told, err := f.checkModels(ctx); err != nil {
			return nil, err
		} else if told {
			return f.endWithNothing(ctx)
		}
		page, err := f.askSources(ctx)
		switch {
		case ctx.Err() != nil:
			return f.endWithNothing(ctx)
		case run.OpensBefore(deadline, err):
			// The gate is closed; look again when it opens.
		case err != nil:
			return nil, run.ToTemporal(ctx, fmt.Errorf("looking for opt-outs: %w", err))
		case page != nil:
			out, err := f.stage(ctx, page)
			if err != nil {
				f.askCampaignSoon()
			}
			return out, err
		case !slices.Equal(bad, f.badFiles(ctx)): // the status is to show it
			return f.endWithNothing(ctx)
		}
		if f.unsaved && time.Since(f.saved) >= run.SavePositionEvery {
			if err := f.o.Ledger.SaveWatermark(ctx, f.watermark); err != nil {
				return nil, err
			}
			f.unsaved, f.saved = false, time.Now()
		}
		if !time.Now().Add(time.Duration(f.in.Poll)).Before(deadline) || !f.hearing.Sleep(ctx, nil) {
			return f.endWithNothing(ctx)
		}
	}
}

// endWithNothing saves the watermark and reports that there was nothing. It does so also
// when the wait was interrupted, because the workflow knows what interrupted it.
func (f *pageFetch) endWithNothing(ctx context.Context) (*activities.FetchResult, error) {
	if f.unsaved {
		if err := f.o.Ledger.SaveWatermark(context.WithoutCancel(ctx), f.watermark); err != nil {
			return nil, err
		}
	}
	return &activities.FetchResult{Phase: activities.PhaseDelta, Nothing: true, Watermark: f.watermark.ObtainedAt, BadFiles: f.badFiles(context.WithoutCancel(ctx))}, nil
}

// askSources asks each source once; nil when none has anything new. Campaign comes first
// when it is due, because Dynamics may have something every time. A passing failure there
// does not hold back what comes from Dynamics.
func (f *pageFetch) askSources(ctx context.Context) (*sourcePage, error) {
	sources := []func(context.Context) (*sourcePage, error){f.dynamicsChanges, f.dueContacts}
	var later error
	if f.campaignIsDue() {
		page, err := f.campaignChanges(ctx)
		if err != nil {
			f.askCampaignSoon()
		}
		if class := apierr.ClassOf(err); class == apierr.Retryable || class == apierr.Throttled {
			later = err
		} else if err != nil || page != nil {
			return page, err
		}
		slices.Reverse(sources) // contacts that wait come before Dynamics as well, for the same reason
	}
	for _, look := range sources {
		if page, err := look(ctx); err != nil || page != nil {
			return page, err
		}
	}
	return nil, later
}

// campaignChanges asks Campaign, over REST or for files.
func (f *pageFetch) campaignChanges(ctx context.Context) (*sourcePage, error) {
	if f.plan.Source == optout.SourceREST {
		return f.modifiedProfiles(ctx)
	}
	if f.o.Files == nil {
		return nil, run.Blocked(apierr.ReasonConfig, "the worker's configuration has no campaign.sftp; add it and start the worker again")
	}
	return f.nextFile(ctx)
}

// campaignIsDue says whether Campaign is to be asked now: because that was asked for, a
// file has settled, or the interval is over.
func (f *pageFetch) campaignIsDue() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.o.Now(); f.in.Now || f.files.Due() || now.Sub(f.campaignAsked) >= f.plan.Settings.CampaignEvery {
		f.campaignAsked, f.in.Now = now, false
		return true
	}
	return false
}

// retryCampaignAfter is the pause before Campaign is asked again after a failure.
const retryCampaignAfter = time.Minute

// askCampaignSoon has Campaign asked again soon, because asking it has failed.
func (f *pageFetch) askCampaignSoon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.campaignAsked = f.o.Now().Add(min(retryCampaignAfter, f.plan.Settings.CampaignEvery) - f.plan.Settings.CampaignEvery)
}

// dynamicsChanges reads what Dynamics has behind the watermark, when that is due. Rows of a
// version that is known, such as our own writes, are left out (R19.20).
func (f *pageFetch) dynamicsChanges(ctx context.Context) (*sourcePage, error) {
	if !f.hearing.Due() {
		return nil, nil
	}
	f.hearing.Begin()
	q := f.plan.query()
	read, err := run.Retry(ctx, nil, func() (*dataverse.Page, error) { return f.o.Dynamics.Follow(ctx, q, f.watermark.Link) })
	if err != nil {
		f.hearing.Failed()
		return nil, err
	}
	f.hearing.End(ctx, len(read.Changes) > 0 || read.NextLink != "")
	page, err := f.contactsOf(read)
	if err != nil {
		return nil, err
	}
	if page.entries, err = f.onlyNews(ctx, page.entries); err != nil || len(page.entries) > 0 || !page.next.None() {
		return page, err
	}
	if read.DeltaLink != "" {
		f.watermark.Link = read.DeltaLink
	}
	f.watermark.ObtainedAt, f.unsaved = f.o.Now().UTC(), true
	f.checked.Set(f.watermark.ObtainedAt)
	f.metrics.watermark.Update(float64(f.watermark.ObtainedAt.Unix()))
	return nil, nil
}

// onlyNews leaves out entries that would change nothing of what is known.
func (f *pageFetch) onlyNews(ctx context.Context, entries []ledger.Entry) ([]ledger.Entry, error) {
	known, err := f.knownContacts(ctx, entries)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(entries, func(e ledger.Entry) bool {
		before := known[e.Key]
		if before == nil {
			return false
		}
		after := before.Clone()
		if _, refused := unreadable(e); refused {
			return false
		}
		if _, err := applyEntry(after, e, f.o.Now()); err != nil {
			return false
		}
		return before.NothingNew(f.plan.Settings.Policy(), after)
	}), nil
}

// dueContacts are contacts that waited and are to be decided about again.
func (f *pageFetch) dueContacts(ctx context.Context) (*sourcePage, error) {
	ids, err := f.o.Ledger.OptOutsDue(ctx, f.plan.Settings.Profiles, f.plan.attributes(), dueContactsPerPage)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	out := &sourcePage{}
	for _, id := range ids {
		out.entries = append(out.entries, ledger.Entry{Key: id, Verdict: entryDue})
	}
	return out, nil
}

// overlap is how far before the last reading modified profiles are read again: a stamp is
// set some time before the change can be read.
const (
	overlap = 2 * time.Minute
	// Every farBackEvery much more is read again. A change may have taken long to be
	// committed, or been missed between two pages of a list that moved.
	farBackEvery = time.Hour
	farBackBy    = 2 * time.Hour
)

// howFarBack is how far before the watermark this reading begins, and whether that is far
// back.
func (f *pageFetch) howFarBack(now time.Time) (back time.Duration, deep bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	back = overlap + f.plan.Settings.Skew
	if deep = now.Sub(f.farBackAsked) >= farBackEvery; deep {
		back += farBackBy
	}
	return back, deep
}

// farBackRead is a reading far back that found something. It counts once its run ends.
type farBackRead struct {
	run   string
	begun time.Time
}

// countFarBack counts the reading far back of a run that ended. If another worker began it,
// that one reads far back once more.
func (a *Activities) countFarBack(run string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.farBackIn.run == run {
		a.farBackAsked, a.farBackIn = a.farBackIn.begun, farBackRead{}
	}
}

// campaignNow is what is taken for Campaign's time, which cannot be asked for: the clock of
// this machine, or that of Dynamics if it is behind. A watermark that is ahead of
// Campaign's time would hide what changes until then.
func (f *pageFetch) campaignNow(ctx context.Context) (time.Time, error) {
	me, err := run.Retry(ctx, nil, func() (*dataverse.Identity, error) { return f.o.Dynamics.WhoAmI(ctx) })
	if err != nil {
		return time.Time{}, fmt.Errorf("asking Dynamics for its clock: %w", err)
	}
	return earlier(f.o.Now(), me.ServerTime).UTC(), nil
}

// earlier is the earlier of two times; server is zero when the service did not say.
func earlier(ours, server time.Time) time.Time {
	if !server.IsZero() && server.Before(ours) {
		return server
	}
	return ours
}

// modifiedProfiles reads the profiles that were modified since the last reading.
func (f *pageFetch) modifiedProfiles(ctx context.Context) (*sourcePage, error) {
	since, err := f.o.Ledger.Watermark(ctx, activities.FlowOptOut, campaignWatermark)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return nil, err
	}
	begun := f.o.Now()
	now, asked := f.campaignNow(ctx)
	if asked != nil {
		return nil, asked
	}
	o := campaign.ListOptions{Filter: f.plan.Settings.ModifiedSince.Filter, Lines: profilesPerPage}
	back, deep := f.howFarBack(begun)
	from := time.Unix(0, 0)
	if err == nil && !since.ObtainedAt.After(now.Add(overlap+f.plan.Settings.Skew)) { // else a clock was ahead, for an unknown time, and all are read
		from = since.ObtainedAt.Add(-back)
	}
	o.Params = map[string]string{f.plan.Settings.ModifiedSince.Parameter: stampText(from)}
	for link := ""; ; {
		page, err := f.profiles(ctx, link, o, ledger.CursorModified)
		if err != nil {
			return nil, err
		}
		if page.entries, err = f.onlyNews(ctx, page.entries); err != nil {
			return nil, err
		}
		if len(page.entries) > 0 {
			page.end = ledger.Cursor{Kind: ledger.CursorLooked, At: now.Format(time.RFC3339Nano)}
			if deep {
				f.mu.Lock()
				f.farBackIn = farBackRead{run: f.in.Run, begun: begun}
				f.mu.Unlock()
			}
			return page, nil
		}
		if link = page.next.At; link == "" {
			break
		}
	}
	if err := f.o.Ledger.SaveWatermark(ctx, ledger.Watermark{Flow: activities.FlowOptOut, Table: campaignWatermark, Link: "modified", ObtainedAt: now}); err != nil {
		return nil, err
	}
	if deep {
		f.mu.Lock()
		f.farBackAsked = begun
		f.mu.Unlock()
	}
	return nil, nil
}
