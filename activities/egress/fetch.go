package egress

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/events"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/timeline"
)

// FetchEvents reads one page of events, decides which go to the timeline and
// stages all of them, so that every event read is accounted for, however often
// either activity runs. It returns counts only: events and positions stay in the
// ledger. A page that is staged already is returned.
//
// With Phase events it waits, for up to in.Wait, until the journal or the file
// server has something, and stages the first page of that.
func (a *Activities) FetchEvents(ctx context.Context, in activities.FetchInput) (*activities.FetchResult, error) {
	defer run.KeepBeating(ctx, nil)()
	staged, last, err := run.Staged(ctx, a.o.Ledger, in, "Start the flow again")
	if err != nil || staged != nil {
		return staged, err
	}
	plan, err := a.plan(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	f := &eventFetch{Activities: a, in: in, plan: plan, last: last}
	switch in.Phase {
	case activities.PhaseEvents:
		return f.wait(ctx)
	case activities.PhaseJournal:
		return f.journalPage(ctx)
	case activities.PhaseFiles:
		out, err := f.filePage(ctx)
		return out, run.ToTemporal(ctx, err)
	}
	return nil, fmt.Errorf("phase %q is unknown to this build", in.Phase)
}

// eventFetch is one attempt to read a page.
type eventFetch struct {
	*Activities
	in    activities.FetchInput
	plan  *timeline.Plan
	last  *ledger.Page // the page before; nil for the first
	mark  ledger.Watermark
	saved time.Time // when mark was last saved
	moved bool      // mark is newer than the saved one
	bad   []string  // files that cannot be read, with place and reason
}

// nothing is the answer when there is no page.
func (f *eventFetch) nothing() *activities.FetchResult {
	return &activities.FetchResult{Phase: f.in.Phase, Nothing: true, Watermark: f.mark.ObtainedAt, BadFiles: f.bad}
}

// useJournal says whether this run reads the journal.
func (f *eventFetch) useJournal() bool {
	if f.in.Window.Folder != "" {
		return false
	}
	return f.o.Journal != nil && (f.plan.Settings.Journal() || !f.in.Window.Since.IsZero())
}

// seekSlack is how much further back a backfill begins: the journal counts from when
// it is asked, by its own clock.
const seekSlack = time.Minute

// link is where the journal is read on, and whether there is more to be read.
func (f *eventFetch) link(ctx context.Context) (string, bool, error) {
	if f.last != nil && f.last.Phase == string(activities.PhaseJournal) {
		return f.last.Next.At, !f.last.Next.None(), nil
	}
	if !f.in.Window.Since.IsZero() {
		return f.o.Journal.Since(time.Since(f.in.Window.Since)+seekSlack, f.o.PageSize), true, nil
	}
	err := f.loadMark(ctx)
	return f.mark.Link, true, err
}

func (f *eventFetch) loadMark(ctx context.Context) error {
	mark, err := f.o.Ledger.Watermark(ctx, activities.FlowEgress, activities.FlowEgress)
	if errors.Is(err, ledger.ErrNotFound) { // from the oldest event
		f.mark = ledger.Watermark{Flow: activities.FlowEgress, Table: activities.FlowEgress, Revision: f.in.Revision}
		return nil
	}
	if err == nil {
		f.mark = *mark
	}
	return err
}

// journalPage stages the next page of the journal.
func (f *eventFetch) journalPage(ctx context.Context) (*activities.FetchResult, error) {
	if !f.useJournal() {
		return f.nothing(), nil
	}
	link, more, err := f.link(ctx)
	if err != nil || !more {
		return f.nothing(), err
	}
	page, err := f.readJournal(ctx, link)
	if err != nil {
		return nil, run.ToTemporal(ctx, fmt.Errorf("reading page %d of the journal: %w", f.in.Page, err))
	}
	if len(page.Events) == 0 {
		return f.nothing(), nil
	}
	return f.stageJournal(ctx, page, link)
}

// readJournal reads one page, a few times if need be, before Temporal's slower
// retry takes over.
func (f *eventFetch) readJournal(ctx context.Context, link string) (*campaign.JournalPage, error) {
	return run.Retry(ctx, nil, func() (*campaign.JournalPage, error) { return f.o.Journal.Page(ctx, link, f.o.PageSize) })
}

// fullPage is how much of the service's 1.5 MB a page may hold and still be the
// last one: beyond that it may have been cut short.
const fullPage = 1 << 20

func (f *eventFetch) stageJournal(ctx context.Context, page *campaign.JournalPage, link string) (*activities.FetchResult, error) {
	s := newStaging(f.plan, f.in.Lanes)
	size := 0
	for i := range page.Events {
		size += len(page.Events[i].Raw)
		s.addJournal(&page.Events[i])
	}
	end := len(page.Events) < limitOf(link, f.o.PageSize) && size < fullPage
	next := page.Next
	if end || f.in.Kind == activities.KindDelta && f.in.Page >= f.o.PagesPerRun {
		next = "" // what follows is for the next run, behind the position of this one
	}
	upTo := s.reached
	switch {
	case end:
		upTo = time.Now().UTC()
	case upTo.IsZero() && f.last != nil: // no event of ours in it tells
		upTo = f.last.ServerTime
	case upTo.IsZero():
		upTo = f.mark.ObtainedAt
	}
	return f.stage(ctx, activities.PhaseJournal, s, ledger.LinkCursor(next), ledger.LinkCursor(page.Next), upTo)
}

// limitOf is how many events a link asks for; it carries the page size of when
// it was made.
func limitOf(link string, otherwise int) int {
	_, query, _ := strings.Cut(link, "?")
	if values, err := url.ParseQuery(query); err == nil {
		if n, err := strconv.Atoi(values.Get("limit")); err == nil && n > 0 {
			return n
		}
	}
	return otherwise
}

// stage keeps a page. position is that of the journal behind it, which the pages
// of files carry on, and upTo the time up to which everything has been read.
func (f *eventFetch) stage(ctx context.Context, phase activities.Phase, s *staging, next, position ledger.Cursor, upTo time.Time) (*activities.FetchResult, error) {
	if phase == activities.PhaseFiles && f.last != nil {
		position, upTo = f.last.End, f.last.ServerTime
	}
	staged, err := run.Stage(ctx, f.o.Ledger, f.in, ledger.Run{Flow: activities.FlowEgress, Table: activities.FlowEgress, Started: time.Now().UTC()},
		ledger.PageInput{Phase: string(phase), Lanes: s.lanes, Next: next, End: position, ServerTime: upTo})
	if err != nil {
		return nil, err
	}
	f.metrics.read.Inc(int64(staged.Read))
	if !s.newest.IsZero() {
		f.metrics.newest.Update(float64(s.newest.Unix()))
	}
	out := run.Fetched(staged)
	out.Newest = s.newest
	return out, nil
}

// staging sorts events into lanes, so that those of one contact, and those that
// are the same event twice, are written one after the other.
type staging struct {
	plan    *timeline.Plan
	lanes   [][]ledger.Entry
	newest  time.Time
	reached time.Time // the newest that is not ahead of our clock: theirs may be wrong
}

func newStaging(plan *timeline.Plan, lanes int) *staging {
	return &staging{plan: plan, lanes: make([][]ledger.Entry, lanes)}
}

// verdictIgnored is of entries that are events of another kind. The other verdicts
// of this flow are those of timeline.
const verdictIgnored ledger.Verdict = "ignored"

func (s *staging) put(by string, e ledger.Entry) {
	lane := run.LaneOf(by, len(s.lanes))
	s.lanes[lane] = append(s.lanes[lane], e)
}

func (s *staging) add(e *events.MarketingEvent) {
	by := e.ContactID
	if by == "" {
		by = e.Key
	}
	if e.Time.After(s.newest) {
		s.newest = e.Time
	}
	if e.Time.After(s.reached) && !e.Time.After(time.Now()) {
		s.reached = e.Time
	}
	s.put(by, ledger.Entry{Key: e.Key, Verdict: ledger.Verdict(s.plan.Settings.Judge(e)), Raw: e.Encode()})
}

// ignore counts something that is not ours.
func (s *staging) ignore(place string) {
	s.put(place, ledger.Entry{Key: place, Verdict: verdictIgnored})
}

// refuse sets aside what cannot be read, with the reason, which holds no value.
func (s *staging) refuse(key string, problem error, raw []byte) {
	s.put(key, ledger.Entry{Key: key, Verdict: ledger.VerdictUnreadable, Problem: problem.Error(), Raw: raw})
}

func (s *staging) addJournal(e *campaign.JournalEvent) {
	event, ours, err := events.FromJournal(e.Position, e.Raw)
	switch {
	case err != nil:
		s.refuse(journalKey(e), err, e.Raw)
	case !ours:
		s.ignore(e.Position)
	default:
		s.add(&event)
	}
}

// journalKey names an event that cannot be read: by its own id, if it has one
// that may be shown, else by its place.
func journalKey(e *campaign.JournalEvent) string {
	for _, name := range []string{"eventid", "event_id", "id"} {
		id := gjson.GetBytes(e.Raw, name)
		if id.Type == gjson.String && id.Str != "" && len(id.Str) <= 100 && !strings.ContainsFunc(id.Str, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
		}) {
			return "event/" + id.Str
		}
	}
	return "journal/" + e.Position
}

// wait looks at the sources until one has something. Where nothing is new, it
// moves the time up to which everything is settled.
func (f *eventFetch) wait(ctx context.Context) (*activities.FetchResult, error) {
	if err := f.loadMark(ctx); err != nil {
		return nil, err
	}
	f.saved = time.Now()
	deadline := time.Now().Add(time.Duration(f.in.Wait))
	for {
		out, rest, err := f.look(ctx)
		switch {
		case ctx.Err() != nil:
			return f.leave(ctx)
		case err != nil && apierr.ClassOf(err) == apierr.Throttled && time.Now().Before(deadline):
			// The gate is closed; look again when it opens.
		case err != nil:
			return nil, run.ToTemporal(ctx, fmt.Errorf("looking for events: %w", err))
		case out != nil:
			return out, nil
		default:
			f.mark.ObtainedAt, f.moved = time.Now().UTC(), true
			f.settledUpTo(f.mark.ObtainedAt)
		}
		if f.moved && time.Since(f.saved) >= run.KeepMark {
			if err := f.o.Ledger.SaveWatermark(ctx, f.mark); err != nil {
				return nil, err
			}
			f.moved, f.saved = false, time.Now()
		}
		if !time.Now().Add(rest).Before(deadline) || !run.SleepUnlessStopping(ctx, rest) {
			return f.leave(ctx)
		}
	}
}

// look asks each source once; the first page of what it has, or how long to
// wait. A source that is down does not keep the other from being read.
func (f *eventFetch) look(ctx context.Context) (*activities.FetchResult, time.Duration, error) {
	rest := time.Duration(f.in.Poll)
	var down error
	if f.useJournal() {
		page, err := f.readJournal(ctx, f.mark.Link)
		switch {
		case err == nil && len(page.Events) > 0:
			out, err := f.stageJournal(ctx, page, f.mark.Link)
			return out, 0, err
		case err == nil:
			f.mark.Link = page.Next
			// The service says how often it wants to be asked; a shorter wait is not
			// taken from the configuration, a longer one is.
			rest = max(page.RetryAfter, time.Duration(f.in.Poll))
		case apierr.ClassOf(err) == apierr.Blocked || !f.plan.Settings.SFTP():
			return nil, rest, err
		default:
			down = err
		}
	}
	if f.plan.Settings.SFTP() {
		out, err := f.filePage(ctx)
		if err != nil || !out.Nothing {
			return out, 0, err
		}
		rest = min(rest, time.Duration(f.in.Poll))
	}
	return nil, rest, down
}

// leave saves the mark and reports that there was nothing, also when the wait
// was interrupted: the workflow looks at what interrupted it.
func (f *eventFetch) leave(ctx context.Context) (*activities.FetchResult, error) {
	if f.moved {
		if err := f.o.Ledger.SaveWatermark(context.WithoutCancel(ctx), f.mark); err != nil {
			return nil, err
		}
	}
	return f.nothing(), nil
}

// place is a row of a file.
func place(file string, line int) string { return "file/" + file + ":" + strconv.Itoa(line) }
