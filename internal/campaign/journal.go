package campaign

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

const journalService = "journal"

const (
	// JournalMaxBody is a sensible transport.Options.MaxBody: pages are capped at
	// 1.5 MB by the service (§6.1).
	JournalMaxBody = 8 << 20
	// journalWait is used when an empty page does not say how long to wait.
	journalWait = 10 * time.Second
)

// JournalOptions of a Journal.
type JournalOptions struct {
	URL       string // of the registration: https://events-va6.adobe.io/events/organizations/…
	APIKey    string // client id, sent as x-api-key
	OrgID     string // <id>@AdobeOrg, sent as x-ims-org-id
	Transport *transport.Client
}

// Journal reads one registration of the Adobe I/O Events journal.
type Journal struct {
	base *url.URL
	root string
	o    JournalOptions
	odd  transport.Patience
}

// NewJournal returns a Journal. The URL must be https, because tokens travel,
// and have neither user nor query.
func NewJournal(o JournalOptions) (*Journal, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("campaign.journal.url: got %s, want https://events-va6.adobe.io/events/organizations/<org>/integrations/<credential>/<registration>", shape(base))
	}
	if o.Transport == nil {
		return nil, errors.New("campaign.journal: got no transport, want one")
	}
	j := &Journal{base: base, root: strings.TrimRight(o.URL, "/"), o: o}
	j.odd.ToldTo(o.Transport.Watch(), journalService)
	return j, nil
}

// JournalEvent is one entry of the journal.
type JournalEvent struct {
	Position string // opaque
	Raw      []byte // the event as it came; not checked
}

// JournalPage is one answer. Next is never "".
type JournalPage struct {
	Events []JournalEvent
	Next   string // link to what comes after, an address of the journal
	// RetryAfter is how long to wait before following Next: more than 0 exactly
	// when the page has no events.
	RetryAfter time.Duration
}

// Page reads one page of events.
//
// link is "" for the oldest event that is kept, else the Next of an earlier page
// or what After gave, passed back unread; a link to another host is refused.
// limit is the wished number of events, 0 for the service's choice; it counts
// only with link "", because links carry their own. The journal neither orders
// events nor avoids duplicates.
//
// Fails with *apierr.Error; ReasonPositionExpired when the link's position is
// older than what is kept: events are lost, and reading starts again with "";
// ReasonLinkRepeated when a page of events would follow itself for ever.
//
// Source: Adobe I/O Events, "Journaling API".
func (j *Journal) Page(ctx context.Context, link string, limit int) (*JournalPage, error) {
	const op = "read the journal"
	if link == "" {
		link = j.root
		if limit > 0 {
			link += fmt.Sprintf("?limit=%d", limit)
		}
	}
	link, err := j.resolve(op, link)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		page, err := j.page(ctx, op, link, limit)
		switch {
		case err != nil:
			return nil, err
		case len(page.Events) == 0 || page.Next != link:
			return page, nil
		case try > 1:
			return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonLinkRepeated, Service: journalService, Op: op, Status: http.StatusOK,
				Message: "a page of events names itself as the next one; reading on would never end"}
		}
	}
}

// page reads one page. One with events that names itself as the next is read once
// more by Page, as that may have come from a cache.
func (j *Journal) page(ctx context.Context, op, link string, limit int) (*JournalPage, error) {
	res, err := j.get(ctx, op, link)
	if err != nil {
		return nil, err
	}
	page := &JournalPage{}
	if res.Status != http.StatusNoContent {
		if page.Events, err = parseEvents(op, res.Body); err != nil {
			return nil, err
		}
	}
	switch next := linkTarget(res.Header, "next"); {
	case next != "":
		if page.Next, err = j.resolve(op, next); err != nil {
			return nil, err
		}
	case len(page.Events) > 0:
		page.Next = j.After(page.Events[len(page.Events)-1].Position, limit)
	default:
		page.Next = link
	}
	if len(page.Events) == 0 {
		if page.RetryAfter, _ = transport.RetryAfter(res.Header); page.RetryAfter <= 0 {
			page.RetryAfter = journalWait
		}
	}
	return page, nil
}

// After is the link to the events after a position: how to go on from an event
// within a page. limit is as for Page.
func (j *Journal) After(position string, limit int) string {
	link := j.root + "?since=" + escape(position)
	if limit > 0 {
		link += fmt.Sprintf("&limit=%d", limit)
	}
	return link
}

// Address is that of the journal. Positions are worth something with it alone.
func (j *Journal) Address() string { return j.root }

// Since is the link to the events of the last d (the journal's seek).
func (j *Journal) Since(d time.Duration, limit int) string {
	link := fmt.Sprintf("%s?seek=-PT%dS", j.root, max(1, int64(d.Seconds())))
	if limit > 0 {
		link += fmt.Sprintf("&limit=%d", limit)
	}
	return link
}

// resolve makes a link absolute and refuses one that leads elsewhere. The part
// after the host stays byte for byte what the service sent.
func (j *Journal) resolve(op, link string) (string, error) {
	switch {
	case strings.HasPrefix(link, "//"): // another host, or ours in disguise
		link = j.base.Scheme + ":" + link
	case strings.HasPrefix(link, "/"):
		link = j.base.Scheme + "://" + j.base.Host + link
	case strings.HasPrefix(link, "?"):
		link = j.root + link
	}
	if _, err := transport.SameOrigin(j.base, link); err != nil {
		if e, ok := errors.AsType[*apierr.Error](err); ok {
			e.Service, e.Op = journalService, op
		}
		return "", err
	}
	return link, nil
}

func (j *Journal) get(ctx context.Context, op, link string) (*transport.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonConfig, Service: journalService, Op: op, Message: "the link cannot be used"}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Api-Key", j.o.APIKey)
	req.Header.Set("X-Ims-Org-Id", j.o.OrgID)
	res, err := j.o.Transport.Do(ctx, op, req)
	if err != nil {
		return nil, err
	}
	if res.Status == http.StatusOK || res.Status == http.StatusNoContent {
		if res.Page() {
			j.odd.Lasts(op, "got a page") // it is told of; it may last
			return nil, badPage(op, "got a page, want a list of events")
		}
		j.odd.Ends(op)
		return res, nil
	}
	fail := journalError(op, res)
	switch {
	case !fail.Odd():
		j.odd.Ends(op)
	case j.odd.Lasts(op, fail.Message):
		fail.Class, fail.Lasted = apierr.Blocked, true
	}
	if gate := j.o.Transport.Gate(); fail.Class == apierr.Throttled && gate != nil {
		gate.Close(fail.RetryAfter)
	}
	return nil, fail
}

// journalError is parseError in the journal's terms: no record is at stake, so
// what is refused stops the flow once it has lasted.
func journalError(op string, res *transport.Response) *apierr.Error {
	e := parseError(op, http.MethodGet, res)
	e.Service = journalService
	e.Message = strings.ReplaceAll(e.Message, "campaign.url", "campaign.journal.url")
	switch {
	case res.Status == http.StatusGone:
		set(e, apierr.Blocked, apierr.ReasonPositionExpired, "the journal no longer holds the events after this position; some may be lost")
	case e.Code == "403023":
		e.Message = "the credential has no access to the organization's events; check campaign.journal.org_id and the project's I/O Events API"
	case res.Status == http.StatusNotFound:
		set(e, apierr.Retryable, apierr.ReasonConfig, "there is no such journal; check campaign.journal.url")
	case e.Class == apierr.Rejected:
		set(e, apierr.Retryable, apierr.ReasonConfig, fmt.Sprintf("the journal refused the request with status %d; check campaign.journal.url", res.Status))
	}
	return e
}

func parseEvents(op string, body []byte) ([]JournalEvent, error) {
	list := gjson.GetBytes(body, "events")
	if !gjson.ValidBytes(body) || !list.IsArray() {
		return nil, badPage(op, "want a list of events")
	}
	var out []JournalEvent
	bad := false
	list.ForEach(func(_, entry gjson.Result) bool {
		position, event := entry.Get("position"), entry.Get("event")
		bad = position.Type != gjson.String || position.Str == "" || !event.Exists()
		out = append(out, JournalEvent{Position: position.Str, Raw: []byte(event.Raw)})
		return !bad
	})
	if bad {
		return nil, badPage(op, "want events, each with its position")
	}
	return out, nil
}

func badPage(op, message string) *apierr.Error {
	e := badResponse(op, message)
	e.Service = journalService
	return e
}
