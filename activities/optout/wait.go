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

// wait looks at every source in turn until one has something.
func (f *optOutFetch) wait(ctx context.Context) (*activities.FetchResult, error) {
	mark, err := f.o.Ledger.Watermark(ctx, activities.FlowOptOut, activities.FlowOptOut)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && mark.Link == "" {
		return nil, run.Blocked(apierr.ReasonLinkExpired, "nothing is known of where the contacts were read up to; a new baseline is needed")
	}
	if err != nil {
		return nil, err
	}
	f.mark, f.saved = *mark, time.Now()
	bad := f.badFiles(ctx)
	deadline := time.Now().Add(time.Duration(f.in.Wait))
	for {
		page, err := f.look(ctx)
		switch {
		case ctx.Err() != nil:
			return f.leave(ctx)
		case err != nil && apierr.ClassOf(err) == apierr.Throttled && time.Now().Before(deadline):
			// The gate is closed; look again when it opens.
		case err != nil:
			return nil, run.ToTemporal(ctx, fmt.Errorf("looking for opt-outs: %w", err))
		case page != nil:
			out, err := f.stage(ctx, page)
			if err != nil {
				f.lookSoon()
			}
			return out, err
		case !slices.Equal(bad, f.badFiles(ctx)): // for Status to show
			return f.leave(ctx)
		}
		if f.moved && time.Since(f.saved) >= run.KeepMark {
			if err := f.o.Ledger.SaveWatermark(ctx, f.mark); err != nil {
				return nil, err
			}
			f.moved, f.saved = false, time.Now()
		}
		if !time.Now().Add(time.Duration(f.in.Poll)).Before(deadline) || !run.SleepUnlessStopping(ctx, time.Duration(f.in.Poll)) {
			return f.leave(ctx)
		}
	}
}

// leave saves the mark and reports that there was nothing, also when the wait was
// interrupted: the workflow looks at what interrupted it.
func (f *optOutFetch) leave(ctx context.Context) (*activities.FetchResult, error) {
	if f.moved {
		if err := f.o.Ledger.SaveWatermark(context.WithoutCancel(ctx), f.mark); err != nil {
			return nil, err
		}
	}
	return &activities.FetchResult{Phase: activities.PhaseDelta, Nothing: true, Watermark: f.mark.ObtainedAt, BadFiles: f.badFiles(context.WithoutCancel(ctx))}, nil
}

// look asks each source once; nil when none has anything new. Campaign comes first
// when its turn has come, because Dynamics may have something at every look; and
// what is wrong there for now keeps nothing back that comes from Dynamics.
func (f *optOutFetch) look(ctx context.Context) (*optOutPage, error) {
	sources := []func(context.Context) (*optOutPage, error){f.changes, f.due}
	var later error
	if f.atCampaign() {
		page, err := f.campaign(ctx)
		if err != nil {
			f.lookSoon()
		}
		if class := apierr.ClassOf(err); class == apierr.Retryable || class == apierr.Throttled {
			later = err
		} else if err != nil || page != nil {
			return page, err
		}
		slices.Reverse(sources) // those that wait are not to wait for Dynamics either
	}
	for _, look := range sources {
		if page, err := look(ctx); err != nil || page != nil {
			return page, err
		}
	}
	return nil, later
}

func (f *optOutFetch) campaign(ctx context.Context) (*optOutPage, error) {
	if f.plan.Source == optout.SourceREST {
		return f.modified(ctx)
	}
	if f.o.Files == nil {
		return nil, run.Blocked(apierr.ReasonConfig, "the worker's configuration has no campaign.sftp; add it and start the worker again")
	}
	return f.nextFile(ctx)
}

// atCampaign says that it is time to look there: at once when that was asked for
// or when a file has settled, else every so often.
func (f *optOutFetch) atCampaign() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.o.Now(); f.in.Now || f.files.Settled() || now.Sub(f.looked) >= f.plan.Settings.CampaignEvery {
		f.looked, f.in.Now = now, false
		return true
	}
	return false
}

// soon is the pause before a look at Campaign that failed is repeated.
const soon = time.Minute

// lookSoon does not count the last look at Campaign: it came to nothing.
func (f *optOutFetch) lookSoon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked = f.o.Now().Add(min(soon, f.plan.Settings.CampaignEvery) - f.plan.Settings.CampaignEvery)
}

// changes reads what Dynamics has behind the mark. Rows of a version that is known,
// our own writes above all, are no news (R19.20).
func (f *optOutFetch) changes(ctx context.Context) (*optOutPage, error) {
	q := f.plan.query()
	read, err := run.Retry(ctx, nil, func() (*dataverse.Page, error) { return f.o.Dynamics.Follow(ctx, q, f.mark.Link) })
	if err != nil {
		return nil, err
	}
	page, err := f.contactsOf(read)
	if err != nil {
		return nil, err
	}
	if page.entries, err = f.news(ctx, page.entries); err != nil || len(page.entries) > 0 || !page.next.None() {
		return page, err
	}
	if read.DeltaLink != "" {
		f.mark.Link = read.DeltaLink
	}
	f.mark.ObtainedAt, f.moved = f.o.Now().UTC(), true
	f.metrics.watermark.Update(float64(f.mark.ObtainedAt.Unix()))
	return nil, nil
}

// news leaves out what would change nothing of what is known.
func (f *optOutFetch) news(ctx context.Context, entries []ledger.Entry) ([]ledger.Entry, error) {
	known, err := f.known(ctx, entries)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(entries, func(e ledger.Entry) bool {
		before := known[e.Key]
		if before == nil {
			return false
		}
		after := before.Clone()
		if _, refused := refusal(e); refused || observe(after, e) != nil {
			return false
		}
		return before.NothingNew(f.plan.Settings.Policy(), after)
	}), nil
}

// due are contacts that wait and need not any more.
func (f *optOutFetch) due(ctx context.Context) (*optOutPage, error) {
	ids, err := f.o.Ledger.OptOutsDue(ctx, f.plan.Settings.Profiles, lookedAtPerPage)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	out := &optOutPage{}
	for _, id := range ids {
		out.entries = append(out.entries, ledger.Entry{Key: id, Verdict: entryLook})
	}
	return out, nil
}

// overlap is how far before the last look profiles are read again: their stamps
// are set before they can be seen.
const (
	overlap = 2 * time.Minute
	// Now and then much more is read again: a change that took long to be committed,
	// or slipped through between two pages of a list that moved, is behind the mark.
	deepEvery = time.Hour
	deepBack  = 2 * time.Hour
)

// backlog is how far behind the mark this look begins, and whether that is deep.
func (f *optOutFetch) backlog(now time.Time) (back time.Duration, deep bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	back = overlap + f.plan.Settings.Skew
	if deep = now.Sub(f.deep) >= deepEvery; deep {
		back += deepBack
	}
	return back, deep
}

// deepLook is a deep look that found something: it counts when its run ends.
type deepLook struct {
	run   string
	begun time.Time
}

// endedDeep counts the deep look of a run that ended; another worker may have begun
// it, whose next look is deep again.
func (a *Activities) endedDeep(run string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.deepIn.run == run {
		a.deep, a.deepIn = a.deepIn.begun, deepLook{}
	}
}

// campaignNow is what may be taken for Campaign's time when a look begins: the clock
// of this machine, unless Dynamics' is behind it. A mark that lies ahead would hide
// what changes until then.
func (f *optOutFetch) campaignNow(ctx context.Context) (time.Time, error) {
	me, err := run.Retry(ctx, nil, func() (*dataverse.Identity, error) { return f.o.Dynamics.WhoAmI(ctx) })
	if err != nil {
		return time.Time{}, fmt.Errorf("asking Dynamics for its clock: %w", err)
	}
	return earlier(f.o.Now(), me.ServerTime).UTC(), nil
}

// earlier of two times; server is zero when the service did not say.
func earlier(ours, server time.Time) time.Time {
	if !server.IsZero() && server.Before(ours) {
		return server
	}
	return ours
}

// modified reads the profiles that changed since the last look.
func (f *optOutFetch) modified(ctx context.Context) (*optOutPage, error) {
	since, err := f.o.Ledger.Watermark(ctx, activities.FlowOptOut, markCampaign)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return nil, err
	}
	begun := f.o.Now()
	now, asked := f.campaignNow(ctx)
	if asked != nil {
		return nil, asked
	}
	o := campaign.ListOptions{Filter: f.plan.Settings.ModifiedSince.Filter, Lines: profilesPerPage}
	back, deep := f.backlog(begun)
	from := time.Unix(0, 0)
	if err == nil && !since.ObtainedAt.After(now.Add(overlap+f.plan.Settings.Skew)) { // else a clock was ahead, who knows since when
		from = since.ObtainedAt.Add(-back)
	}
	o.Params = map[string]string{f.plan.Settings.ModifiedSince.Parameter: stampText(from)}
	for link := ""; ; {
		page, err := f.profiles(ctx, link, o, ledger.CursorModified)
		if err != nil {
			return nil, err
		}
		if page.entries, err = f.news(ctx, page.entries); err != nil {
			return nil, err
		}
		if len(page.entries) > 0 {
			page.mark = ledger.Cursor{Kind: ledger.CursorLooked, At: now.Format(time.RFC3339Nano)}
			if deep {
				f.mu.Lock()
				f.deepIn = deepLook{run: f.in.Run, begun: begun}
				f.mu.Unlock()
			}
			return page, nil
		}
		if link = page.next.At; link == "" {
			break
		}
	}
	if err := f.o.Ledger.SaveWatermark(ctx, ledger.Watermark{Flow: activities.FlowOptOut, Table: markCampaign, Link: "modified", ObtainedAt: now}); err != nil {
		return nil, err
	}
	if deep {
		f.mu.Lock()
		f.deep = begun
		f.mu.Unlock()
	}
	return nil, nil
}
