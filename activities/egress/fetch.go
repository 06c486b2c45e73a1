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

// FetchEvents reads one page of events, decides which go to the timeline, and stages all
// of them, so that every event that was read is accounted for. It returns counts only;
// events and positions stay in the ledger. A page that is staged already is returned
// without reading it again.
//
// With Phase events it waits, for up to in.Wait, until the journal or the file
// server has something, and stages the first page of that.
func (a *Activities) FetchEvents(ctx context.Context, in activities.FetchInput) (_ *activities.FetchResult, err error) {
	defer func() { err = run.Lost(err) }()
	ctx = run.InTurn(ctx)
	var checked run.Checked
	defer run.KeepBeating(ctx, checked.Beat)()
	staged, last, err := run.StagedPage(ctx, a.o.Ledger, in, "Start the flow again")
	if err != nil || staged != nil {
		return staged, err
	}
	identity := ""
	if in.Phase == activities.PhaseEvents {
		if identity, err = run.SameLedger(ctx, a.o.Ledger, in.Known, activities.FlowEgress, activities.FlowEgress, ""); err != nil {
			return nil, err
		}
	}
	plan, err := a.plan(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	f := &pageFetch{Activities: a, in: in, plan: plan, checked: &checked, last: last}
	switch in.Phase {
	case activities.PhaseEvents:
		out, err := f.wait(ctx)
		if out != nil {
			out.Ledger, out.Models = identity, f.found
		}
		return out, err
	case activities.PhaseJournal:
		return f.stageJournalPage(ctx)
	case activities.PhaseFiles:
		out, err := f.stageFilePage(ctx)
		return out, run.ToTemporal(ctx, err)
	}
	return nil, fmt.Errorf("phase %q is unknown to this build", in.Phase)
}

// pageFetch is one attempt to read a page.
type pageFetch struct {
	*Activities
	in        activities.FetchInput
	plan      *timeline.Plan
	last      *ledger.Page // the page before; nil for the first
	watermark ledger.Watermark
	checked   *run.Checked
	saved     time.Time                // when mark was last saved
	unsaved   bool                     // mark is newer than the saved one
	found     *activities.ModelChanges // by a look at the tables; nil: there was none
	badFiles  []string                 // files that cannot be read, with place and reason
}

// nothing is the answer when there is no page.
func (f *pageFetch) nothing() *activities.FetchResult {
	return &activities.FetchResult{Phase: f.in.Phase, Nothing: true, Watermark: f.watermark.ObtainedAt, BadFiles: f.badFiles}
}

// useJournal says whether this run reads the journal.
func (f *pageFetch) useJournal() bool {
	if f.in.Window.Folder != "" {
		return false
	}
	return f.o.Journal != nil && (f.plan.Settings.Journal() || !f.in.Window.Since.IsZero())
}

// sinceSlack is how much further back a backfill begins. The journal is asked how far
// back to begin, and counts from when the question arrives, by its own clock.
const sinceSlack = time.Minute

// journalLink is where reading the journal goes on, and whether there is more.
func (f *pageFetch) journalLink(ctx context.Context) (string, bool, error) {
	if f.last != nil && f.last.Phase == string(activities.PhaseJournal) {
		return f.last.Next.At, !f.last.Next.None(), nil
	}
	if !f.in.Window.Since.IsZero() {
		return f.o.Journal.Since(time.Since(f.in.Window.Since)+sinceSlack, f.o.PageSize), true, nil
	}
	err := f.loadWatermark(ctx)
	return f.watermark.Link, true, err
}

// sameJournal fails as if the position had expired when the journal has another address
// than the one that the position is of: its event registration was made anew.
func (f *pageFetch) sameJournal(ctx context.Context) error {
	if f.o.Journal == nil {
		return nil
	}
	same, err := f.keepJournal(ctx, false)
	if err == nil && !same {
		err = run.Blocked(apierr.ReasonPositionExpired, "the position in the journal was kept under another campaign.journal.url; the new journal is read from its oldest event")
	}
	return err
}

func (f *pageFetch) loadWatermark(ctx context.Context) error {
	mark, err := f.o.Ledger.Watermark(ctx, activities.FlowEgress, activities.FlowEgress)
	if errors.Is(err, ledger.ErrNotFound) { // from the oldest event
		f.watermark = ledger.Watermark{Flow: activities.FlowEgress, Table: activities.FlowEgress, Revision: f.in.Revision}
		return nil
	}
	if err == nil {
		f.watermark = *mark
	}
	return err
}

// stageJournalPage stages the next page of the journal.
func (f *pageFetch) stageJournalPage(ctx context.Context) (*activities.FetchResult, error) {
	if !f.useJournal() {
		return f.nothing(), nil
	}
	if err := f.sameJournal(ctx); err != nil {
		return nil, err
	}
	link, more, err := f.journalLink(ctx)
	if err != nil || !more {
		return f.nothing(), err
	}
	page, err := f.readJournalPage(ctx, link)
	if err != nil {
		return nil, run.ToTemporal(ctx, fmt.Errorf("reading page %d of the journal: %w", f.in.Page, err))
	}
	if len(page.Events) == 0 {
		return f.nothing(), nil
	}
	return f.stageJournalEvents(ctx, page, link)
}

// readJournalPage reads one page, with a few tries before Temporal's slower retry takes
// over.
func (f *pageFetch) readJournalPage(ctx context.Context, link string) (*campaign.JournalPage, error) {
	return run.Retry(ctx, nil, func() (*campaign.JournalPage, error) { return f.o.Journal.Page(ctx, link, f.o.PageSize) })
}

// nearlyFullPage is the size from which on a page is not taken for the last one: the
// service cuts pages at 1.5 MB, so more may follow.
const nearlyFullPage = 1 << 20

func (f *pageFetch) stageJournalEvents(ctx context.Context, page *campaign.JournalPage, link string) (*activities.FetchResult, error) {
	s := newSortedPage(f.plan, f.in.Lanes)
	size := 0
	for i := range page.Events {
		size += len(page.Events[i].Raw)
		s.addJournal(&page.Events[i])
	}
	end := len(page.Events) < limitOf(link, f.o.PageSize) && size < nearlyFullPage
	next := page.Next
	if end || f.in.Kind == activities.KindDelta && f.in.Page >= f.o.PagesPerRun {
		next = "" // what follows is for the next run, behind the position of this one
	}
	upTo := s.reached
	switch {
	case end:
		upTo = time.Now().UTC()
	case upTo.IsZero() && f.last != nil: // the page has no event of ours with a time
		upTo = f.last.ServerTime
	case upTo.IsZero():
		upTo = f.watermark.ObtainedAt
	}
	return f.stage(ctx, activities.PhaseJournal, s, ledger.LinkCursor(next), ledger.LinkCursor(page.Next), upTo)
}

// limitOf is how many events a link asks for: the page size at the time when it was made.
func limitOf(link string, otherwise int) int {
	_, query, _ := strings.Cut(link, "?")
	if values, err := url.ParseQuery(query); err == nil {
		if n, err := strconv.Atoi(values.Get("limit")); err == nil && n > 0 {
			return n
		}
	}
	return otherwise
}

// stage keeps a page in the ledger. position is where the journal goes on behind it, and
// upTo the time up to which everything has been read. Pages of files carry on both from
// the page before.
func (f *pageFetch) stage(ctx context.Context, phase activities.Phase, s *sortedPage, next, position ledger.Cursor, upTo time.Time) (*activities.FetchResult, error) {
	if phase == activities.PhaseFiles && f.last != nil {
		position, upTo = f.last.End, f.last.ServerTime
	}
	staged, err := run.Stage(ctx, f.o.Ledger, f.in, ledger.Run{Flow: activities.FlowEgress, Table: activities.FlowEgress, Started: time.Now().UTC()},
		ledger.PageInput{Phase: string(phase), Lanes: s.lanes, Next: next, End: position, ServerTime: upTo})
	if err != nil {
		return nil, err
	}
	f.metrics.read.Inc(int64(staged.Read))
	if s.ahead > 0 {
		f.o.Logger.Warn("events are dated more than a day ahead; they are written as they are, and none is taken for the newest", "flow", activities.FlowEgress, "page", f.in.Page, "read", s.ahead)
	}
	if !s.newest.IsZero() {
		f.metrics.newest.Tell(ctx, float64(s.newest.Unix()))
	}
	out := run.FetchResult(staged)
	out.Newest = s.newest
	return out, nil
}

// farAhead is how far ahead of our clock an event may be dated and be believed. A date
// like the year 9999 would stay the newest for ever.
const farAhead = 24 * time.Hour

// sortedPage is a page of events in lanes. Events of one contact, and the same event twice,
// come into one lane, so that they are written one after the other.
type sortedPage struct {
	plan    *timeline.Plan
	lanes   [][]ledger.Entry
	newest  time.Time // not of events that are dated far ahead
	ahead   int       // how many events are dated far ahead
	reached time.Time // the newest that is not ahead of our clock, since another clock may be wrong
}

func newSortedPage(plan *timeline.Plan, lanes int) *sortedPage {
	return &sortedPage{plan: plan, lanes: make([][]ledger.Entry, lanes)}
}

// verdictIgnored is the verdict of entries that are no marketing events. The other verdicts
// of this flow are those of internal/timeline.
const verdictIgnored ledger.Verdict = "ignored"

func (s *sortedPage) put(by string, e ledger.Entry) {
	lane := run.LaneOf(by, len(s.lanes))
	s.lanes[lane] = append(s.lanes[lane], e)
}

func (s *sortedPage) add(e *events.MarketingEvent) {
	by := e.ContactID
	if by == "" {
		by = e.Key
	}
	switch {
	case e.Time.After(time.Now().Add(farAhead)):
		s.ahead++
	case e.Time.After(s.newest):
		s.newest = e.Time
	}
	if e.Time.After(s.reached) && !e.Time.After(time.Now()) {
		s.reached = e.Time
	}
	s.put(by, ledger.Entry{Key: e.Key, Verdict: ledger.Verdict(s.plan.Settings.Judge(e)), Raw: e.Encode()})
}

// ignore adds something that is no marketing event, so that it is counted.
func (s *sortedPage) ignore(place string) {
	s.put(place, ledger.Entry{Key: place, Verdict: verdictIgnored})
}

// refuse adds an event that cannot be read, with the reason, which holds no value.
func (s *sortedPage) refuse(key string, problem error, raw []byte) {
	s.put(key, ledger.Entry{Key: key, Verdict: ledger.VerdictUnreadable, Problem: problem.Error(), Raw: raw})
}

func (s *sortedPage) addJournal(e *campaign.JournalEvent) {
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

// journalKey names an event that cannot be read: by its own id if it has one that looks
// like an id, else by its position in the journal.
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

// wait asks the sources until one has something. While there is nothing new, it moves the
// time of the watermark, up to which everything is dealt with.
func (f *pageFetch) wait(ctx context.Context) (*activities.FetchResult, error) {
	if err := f.loadWatermark(ctx); err != nil {
		return nil, err
	}
	if f.useJournal() {
		if err := f.sameJournal(ctx); err != nil {
			return nil, err
		}
	}
	f.saved = time.Now()
	deadline := time.Now().Add(time.Duration(f.in.Wait))
	for {
		if told, err := f.checkModels(ctx); err != nil {
			return nil, err
		} else if told {
			return f.endWithNothing(ctx)
		}
		out, rest, err := f.askSources(ctx)
		switch {
		case ctx.Err() != nil:
			return f.endWithNothing(ctx)
		case run.OpensBefore(deadline, err):
			// The gate is closed; look again when it opens.
		case err != nil:
			return nil, run.ToTemporal(ctx, fmt.Errorf("looking for events: %w", err))
		case out != nil:
			return out, nil
		default:
			f.watermark.ObtainedAt, f.unsaved = time.Now().UTC(), true
			f.checked.Set(f.watermark.ObtainedAt)
			f.showWatermark(f.watermark.ObtainedAt)
		}
		if f.unsaved && time.Since(f.saved) >= run.SavePositionEvery {
			if err := f.o.Ledger.SaveWatermark(ctx, f.watermark); err != nil {
				return nil, err
			}
			f.unsaved, f.saved = false, time.Now()
		}
		if !time.Now().Add(rest).Before(deadline) || !run.SleepUnlessStopping(ctx, rest) {
			return f.endWithNothing(ctx)
		}
	}
}

// askSources asks each source once. It stages the first page that one has, or says how
// long to wait. A source that is down does not keep the other from being read.
func (f *pageFetch) askSources(ctx context.Context) (*activities.FetchResult, time.Duration, error) {
	rest := time.Duration(f.in.Poll)
	var down error
	if f.useJournal() {
		page, err := f.readJournalPage(ctx, f.watermark.Link)
		switch {
		case err == nil && len(page.Events) > 0:
			out, err := f.stageJournalEvents(ctx, page, f.watermark.Link)
			return out, 0, err
		case err == nil:
			f.watermark.Link = page.Next
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
		out, err := f.stageFilePage(ctx)
		if err != nil || !out.Nothing {
			return out, 0, err
		}
		rest = min(rest, time.Duration(f.in.Poll))
	}
	return nil, rest, down
}

// endWithNothing saves the watermark and reports that there was nothing. It does so also
// when the wait was interrupted, because the workflow knows what interrupted it.
func (f *pageFetch) endWithNothing(ctx context.Context) (*activities.FetchResult, error) {
	if f.unsaved {
		if err := f.o.Ledger.SaveWatermark(context.WithoutCancel(ctx), f.watermark); err != nil {
			return nil, err
		}
	}
	return f.nothing(), nil
}

// rowKey names a row of a file.
func rowKey(file string, line int) string { return "file/" + file + ":" + strconv.Itoa(line) }
