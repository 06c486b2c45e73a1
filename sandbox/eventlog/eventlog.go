// Package eventlog holds Campaign's delivery logs and tracking logs
// (docs/protocol/campaign.md §6). The journal and the exported log files are both made
// from it, so an event has the same ids in both. Package stack fills it, by the
// generator or event by event; packages journal and exports read it.
package eventlog

import (
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"causeway.dev/sandbox/kit"
)

// Kinds of an event. The journal names them email.<kind>.
const (
	Send   = "send"
	Open   = "open"
	Click  = "click"
	Bounce = "bounce"
	OptOut = "optout" // a click on the opt-out link; not in the contract
	Mirror = "mirror" // a view of the mirror page; not in the contract
)

// Values of a delivery log, as in files (§6.3).
const (
	StatusSent, StatusFailed = 1, 2
	FailureSoft, FailureHard = 1, 2
)

// urlTypes are the URL types of a tracking log, by kind. 10 and 11 count as clicks too.
var urlTypes = map[string]uint8{Click: 1, Open: 2, OptOut: 3, Mirror: 6}

var kindOfURL = map[uint8]string{1: Click, 2: Open, 3: OptOut, 6: Mirror, 10: Click, 11: Click}

// Campaign is a marketing campaign.
type Campaign struct{ ID, Name, Label string }

// Delivery is a mailing; Campaign is nil when it belongs to none.
type Delivery struct {
	ID, Name, Label string
	Campaign        *Campaign
	Proof           bool // a test mailing before the real one
	NoMirror        bool // its messages have no mirror page
}

// message is one row of the delivery log.
type message struct {
	external, email string
	sent, bounced   int64 // Unix milliseconds; bounced 0 = did not
	recipient       uint32
	delivery        uint32
	failure, reason uint8
	seed            bool
	late            bool // it was sent, and bounced later
	silent          bool // its row is not exported; only tracking knows it
}

// touch is one row of the tracking log.
type touch struct {
	at      int64
	message uint32
	url     uint32
	urlType uint8
}

// ref is one appearance of an event in the journal.
type ref struct {
	at   int64 // Unix milliseconds: when it was published
	n    uint32
	what what
}

type what uint8

const (
	ofSend   what = iota // n is the index of a message
	ofBounce             // n is the index of a message
	ofTouch              // n is the index of a touch
	ofRaw                // n is the index of a raw text that was pushed
)

// Log is the delivery and tracking logs of one instance, with the order in
// which the journal publishes them.
type Log struct {
	clock *kit.Clock

	mu         sync.RWMutex
	epoch      uint64 // identifies this log
	campaigns  []*Campaign
	deliveries []*Delivery
	messages   []message
	touches    []touch
	urls       []string
	urlIndex   map[string]uint32
	raws       [][]byte
	published  []ref
	pending    []ref // to be published when the clock reaches them; sorted
	version    int64
	saved      int64
}

// New returns an empty log.
func New(clock *kit.Clock) *Log {
	var seed [8]byte
	_, _ = rand.Read(seed[:])
	return &Log{clock: clock, epoch: binary.BigEndian.Uint64(seed[:]), urlIndex: map[string]uint32{}, saved: -1}
}

// Event is one event as it really happened.
type Event struct {
	Kind                                      string
	ID                                        string // the same in every appearance
	ExternalID, Email, RecipientID            string
	BroadLogID, TrackingLogID                 string // TrackingLogID is "" of sends and bounces
	Delivery                                  *Delivery
	Time                                      time.Time
	URL, URLLabel, URLCategory, MirrorPageURL string
	URLType                                   int
	Failure                                   string // hard or soft, of a bounce
	Reason                                    int
	ReasonText                                string // holds the address of the person, as answers of mail servers do
	Seed, Proof                               bool
}

// CampaignName is the internal id; "" of a delivery without a campaign.
func (e *Event) CampaignName() string {
	if e.Delivery.Campaign == nil {
		return ""
	}
	return e.Delivery.Campaign.Name
}

// Each calls f once with every event that has happened by now, in no order, until f
// returns false. It leaves out texts that were pushed raw.
func (l *Log) Each(f func(Event) bool) {
	l.mu.RLock()
	messages, touches := l.messages[:len(l.messages):len(l.messages)], l.touches[:len(l.touches):len(l.touches)]
	l.mu.RUnlock()
	now := l.clock.Now().UnixMilli()
	for i := range messages {
		for _, w := range messages[i].events() {
			if e := l.event(ref{n: uint32(i), what: w}); e.Time.UnixMilli() <= now && !f(e) { //nolint:gosec // positions fit
				return
			}
		}
	}
	for i := range touches {
		if touches[i].at <= now && !f(l.event(ref{n: uint32(i), what: ofTouch})) { //nolint:gosec // positions fit
			return
		}
	}
}

// events says which events a message has. One that failed at once was never sent, so
// it has no send.
func (m *message) events() []what {
	switch {
	case m.silent:
		return nil
	case m.failure == 0:
		return []what{ofSend}
	case m.late:
		return []what{ofSend, ofBounce}
	}
	return []what{ofBounce}
}

// Counts are the sizes of the log.
type Counts struct {
	Deliveries int `json:"deliveries"`
	BroadLogs  int `json:"broadlogs"`
	Tracking   int `json:"trackinglogs"`
	Published  int `json:"published"` // appearances in the journal so far, duplicates among them
	Pending    int `json:"pending"`   // that the clock has not reached
}

// Counts returns the sizes of the log.
func (l *Log) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catchUp()
	return Counts{len(l.deliveries), len(l.messages), len(l.touches), len(l.published), len(l.pending)}
}

const firstBroadLog, firstTracking, firstDelivery, firstCampaign, firstRecipient = 8001, 5001, 8569153, 70, 3_000_000

var namespace = uuid.MustParse("6d6b5cf4-2f6c-4c1c-9f0e-5a4db0c50001")

// event returns the event that a ref stands for. The caller need not hold the lock,
// because rows never change and the slices only grow.
func (l *Log) event(r ref) Event {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.describe(r)
}

func (l *Log) describe(r ref) Event {
	n := r.n
	e := Event{Kind: Send}
	if r.what == ofTouch {
		n = l.touches[r.n].message
	}
	m := &l.messages[n]
	e.ExternalID, e.Email, e.Seed = m.external, m.email, m.seed
	e.RecipientID = strconv.Itoa(firstRecipient + int(m.recipient))
	e.BroadLogID = strconv.Itoa(firstBroadLog + int(n))
	e.Delivery = l.deliveries[m.delivery]
	e.Proof = e.Delivery.Proof
	e.Time = time.UnixMilli(m.sent).UTC()
	if !e.Delivery.NoMirror {
		e.MirrorPageURL = mirrorPage(n)
	}
	switch r.what {
	case ofBounce:
		e.Kind, e.Time = Bounce, time.UnixMilli(m.bounced).UTC()
		e.Failure, e.Reason, e.ReasonText = failureName(m.failure), int(m.reason), reasonText(m.reason, m.email)
	case ofTouch:
		t := &l.touches[r.n]
		e.Kind, e.URLType, e.Time = kindOfURL[t.urlType], int(t.urlType), time.UnixMilli(t.at).UTC()
		e.TrackingLogID = strconv.Itoa(firstTracking + int(r.n))
		if e.URL = l.urls[t.url]; e.URL == "" && e.Kind == Open {
			e.URL = "https://t.acme.test/r/?id=h" + strconv.FormatUint(uint64(n), 16) + ",1" // the pixel
		}
		e.URLLabel, e.URLCategory = urlTexts(t.urlType)
	}
	e.ID = uuid.NewSHA1(namespace, []byte(e.Kind+"/"+e.BroadLogID+"/"+e.TrackingLogID)).String()
	return e
}

func failureName(f uint8) string {
	switch f {
	case FailureHard:
		return "hard"
	case FailureSoft:
		return "soft"
	}
	return ""
}

// The reasons for which a message failed (§6.3).
const (
	UserUnknown = 1
	Unreachable = 3
	MailboxFull = 5
	Refused     = 20
)

// ReasonLabel is the text that Campaign shows for a reason.
func ReasonLabel(reason int) string {
	switch reason {
	case 0:
		return ""
	case UserUnknown:
		return "User unknown"
	case Unreachable:
		return "Unreachable"
	case MailboxFull:
		return "Mailbox full"
	case Refused:
		return "Refused"
	}
	return "Not defined"
}

// reasonText is the answer of a mail server. It quotes the address.
func reasonText(reason uint8, email string) string {
	switch reason {
	case 0:
		return ""
	case UserUnknown:
		return "550 5.1.1 <" + email + ">: Recipient address rejected: User unknown"
	case MailboxFull:
		return "452 4.2.2 <" + email + ">: Mailbox full"
	case Unreachable:
		return "451 4.4.1 Host of <" + email + "> is unreachable"
	}
	return "554 5.7.1 <" + email + ">: Message refused, \"policy\""
}

func urlTexts(urlType uint8) (label, category string) {
	switch kindOfURL[urlType] {
	case Click:
		return "Product page", "product"
	case OptOut:
		return "Opt-out", "optout"
	case Mirror:
		return "Mirror page", "mirrorPage"
	}
	return "Open", "open"
}

// mirrorPage is the address of a message's mirror page, with an id that looks
// encrypted.
func mirrorPage(n uint32) string {
	x := uint64(n)*0x9e3779b97f4a7c15 ^ 0x5bd1e995
	x = (x ^ x>>29) * 0xbf58476d1ce4e5b9
	return "https://t.acme.test/nl/jsp/m.jsp?c=%40" + strconv.FormatUint(x^x>>32, 36)
}

func (l *Log) url(text string) uint32 {
	i, ok := l.urlIndex[text]
	if !ok {
		i = uint32(len(l.urls)) //nolint:gosec // memory ends first
		l.urls, l.urlIndex[text] = append(l.urls, text), i
	}
	return i
}
