package eventlog

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Pushed is a single event that a test or a person makes. Raw is a text that goes into
// the journal unchanged, for events that break the contract; it excludes the others.
type Pushed struct {
	Kind       string          `json:"type"`        // send, open, click, bounce, optout or mirror
	ExternalID string          `json:"external_id"` // "" for a profile that is no contact
	Email      string          `json:"email"`
	Delivery   string          `json:"delivery"`      // its internal id; default DM1
	Campaign   string          `json:"campaign"`      // its internal id, or ""
	Time       time.Time       `json:"time,omitzero"` // default: now
	URL        string          `json:"url"`           // of a click
	Failure    string          `json:"failure"`       // of a bounce: hard (default) or soft
	BroadLogID string          `json:"broadlog_id"`   // of an earlier message; its bounce is then a late one
	Seed       bool            `json:"seed"`
	Proof      bool            `json:"proof"`
	Times      int             `json:"times"` // appearances in the journal; default 1
	Raw        json.RawMessage `json:"raw,omitempty"`
}

// Push adds an event and publishes it at once.
func (l *Log) Push(p Pushed) (Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	if p.Time.IsZero() {
		p.Time = now
	}
	if len(p.Raw) > 0 {
		l.raws = append(l.raws, slices.Clone(p.Raw))
		l.publishTimes(ref{at: now.UnixMilli(), what: ofRaw, n: uint32(len(l.raws) - 1)}, p.Times) //nolint:gosec // memory ends first
		return Event{}, nil
	}
	r, err := l.record(p)
	if err != nil {
		return Event{}, err
	}
	l.publishTimes(r, p.Times)
	return l.describe(r), nil
}

func (l *Log) publishTimes(r ref, times int) {
	refs := make([]ref, max(1, times))
	for i := range refs {
		refs[i] = r
	}
	l.publish(refs, Unruly{}, nil)
}

// record adds the rows of an event.
func (l *Log) record(p Pushed) (ref, error) {
	at := p.Time.UnixMilli()
	r := ref{at: max(at, l.clock.Now().UnixMilli())}
	if p.Kind == Bounce && p.Failure == "" {
		p.Failure = "hard"
	}
	failure := slices.Index([]string{"", "soft", "hard"}, p.Failure)
	switch {
	case p.Kind != Send && p.Kind != Bounce && urlTypes[p.Kind] == 0:
		return r, fmt.Errorf("type: got %q, want send, open, click, bounce, optout or mirror", p.Kind)
	case failure < 0 || failure > 0 && p.Kind != Bounce:
		return r, fmt.Errorf("failure: got %q of a %s, want hard or soft of a bounce", p.Failure, p.Kind)
	case p.Kind == Click && p.URL == "":
		p.URL = "https://shop.example.test/product?utm_source=mail"
	}
	if _, err := url.Parse(p.URL); err != nil {
		return r, fmt.Errorf("url: not an address")
	}
	known, err := l.known(p.BroadLogID)
	if err != nil {
		return r, err
	}
	if known < 0 {
		known = len(l.messages)
		l.messages = append(l.messages, message{external: p.ExternalID, email: p.Email, sent: at, recipient: recipientOf(p.ExternalID),
			delivery: l.deliveryFor(p), seed: p.Seed, silent: p.Kind != Send && p.Kind != Bounce})
	} else if p.Kind == Bounce {
		// Rows are never changed in place, because readers use them without a lock.
		l.messages = slices.Clone(l.messages)
		l.messages[known].late = true
	} else if p.Kind == Send {
		return r, fmt.Errorf("broadlog_id: got one of a send, which makes its own")
	}
	m := &l.messages[known]
	r.n = uint32(known) //nolint:gosec // memory ends first
	switch p.Kind {
	case Send:
		r.what = ofSend
	case Bounce:
		r.what = ofBounce
		m.bounced, m.failure, m.reason = at, uint8(failure), UserUnknown //nolint:gosec // 1 or 2
		if failure == FailureSoft {
			m.reason = MailboxFull
		}
	default:
		r.what, r.n = ofTouch, uint32(len(l.touches))                                                                      //nolint:gosec // memory ends first
		l.touches = append(l.touches, touch{at: at, message: uint32(known), url: l.url(p.URL), urlType: urlTypes[p.Kind]}) //nolint:gosec // memory ends first
	}
	return r, nil
}

// known finds a message by its broadlog id; -1 when id is "".
func (l *Log) known(id string) (int, error) {
	if id == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(id)
	if n -= firstBroadLog; err != nil || n < 0 || n >= len(l.messages) {
		return 0, fmt.Errorf("broadlog_id: got %q, which is the id of no message", id)
	}
	return n, nil
}

// deliveryFor finds or makes the delivery and the campaign of a pushed event.
func (l *Log) deliveryFor(p Pushed) uint32 {
	if p.Delivery == "" {
		p.Delivery = "DM1"
	}
	for i, d := range l.deliveries {
		if d.Name == p.Delivery && d.Proof == p.Proof && (d.Campaign == nil && p.Campaign == "" || d.Campaign != nil && d.Campaign.Name == p.Campaign) {
			return uint32(i) //nolint:gosec // memory ends first
		}
	}
	return l.addDelivery(Delivery{Name: p.Delivery, Label: "Delivery " + p.Delivery, Campaign: l.campaign(p.Campaign, "Campaign "+p.Campaign), Proof: p.Proof})
}

func (l *Log) addDelivery(d Delivery) uint32 {
	n := len(l.deliveries)
	d.ID = strconv.Itoa(firstDelivery + n)
	l.deliveries = append(l.deliveries, &d)
	return uint32(n) //nolint:gosec // memory ends first
}

func (l *Log) campaign(name, label string) *Campaign {
	if name == "" {
		return nil
	}
	for _, c := range l.campaigns {
		if c.Name == name {
			return c
		}
	}
	c := &Campaign{ID: strconv.Itoa(firstCampaign + len(l.campaigns)), Name: name, Label: label}
	l.campaigns = append(l.campaigns, c)
	return c
}

func recipientOf(external string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(external))
	return h.Sum32() % 5_000_000
}
