package eventlog

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// Recipient is a profile that mailings go to.
type Recipient struct {
	ExternalID, Email string
	OptedOut          bool // gets no mailing
}

// Funnel says how mailings are sent and what happens to them. Shares are between 0
// and 1.
type Funnel struct {
	Profiles   int    `json:"profiles"`   // how many get mailings; 0 = all
	Deliveries int    `json:"deliveries"` // to each of them
	Events     int    `json:"events"`     // exactly so many events, with as many deliveries as that takes; 0 = as many as there come
	Seed       uint64 `json:"seed"`

	Ago  Duration `json:"ago"`  // when the first mailing went out; default 48h
	Span Duration `json:"span"` // from then to the last event, at least 2h; default: until a minute ago
	Late Duration `json:"late"` // how long after the end of the span late bounces come; 0 = within it

	Opens      float64 `json:"opens"`       // of the messages delivered: opened, once or more often
	Clicks     float64 `json:"clicks"`      // of the messages opened: clicked
	Hard       float64 `json:"hard"`        // refused at once
	LateHard   float64 `json:"late_hard"`   // sent, and bounced later
	Soft       float64 `json:"soft"`        // failed for now
	NoContact  float64 `json:"no_contact"`  // of the messages: to profiles without external id
	Unknown    float64 `json:"unknown"`     // of the messages: to profiles with an id no contact has
	SeedShare  float64 `json:"seed_share"`  // of the messages: to seed addresses
	ProofShare float64 `json:"proof_share"` // of the messages: proofs

	Unruly
}

// Duration is written as 48h in JSON.
type Duration time.Duration

// UnmarshalText reads 48h, 90m and the like.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// DefaultFunnel is a usual mailing, with a journal that is in order.
func DefaultFunnel() Funnel {
	return Funnel{Deliveries: 2, Seed: 1, Ago: Duration(48 * time.Hour), Opens: 0.4, Clicks: 0.3, Hard: 0.01, LateHard: 0.01, Soft: 0.02,
		NoContact: 0.02, Unknown: 0.01, SeedShare: 0.01, ProofShare: 0.01}
}

func (f *Funnel) check() error {
	if f.Span == 0 {
		f.Span = f.Ago - Duration(time.Minute)
	}
	for name, share := range map[string]float64{"opens": f.Opens, "clicks": f.Clicks, "hard": f.Hard, "late_hard": f.LateHard, "soft": f.Soft,
		"no_contact": f.NoContact, "unknown": f.Unknown, "seed_share": f.SeedShare, "proof_share": f.ProofShare, "duplicates": f.Duplicates, "disorder": f.Disorder} {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("%s: got %g, want 0 to 1", name, share)
		}
	}
	switch {
	case f.Hard+f.LateHard+f.Soft > 1:
		return fmt.Errorf("hard, late_hard and soft: got %g together, want at most 1", f.Hard+f.LateHard+f.Soft)
	case f.Profiles < 0 || f.Events < 0 || f.Deliveries < 1:
		return fmt.Errorf("profiles, events and deliveries: got %d, %d and %d, want no negative number and a delivery", f.Profiles, f.Events, f.Deliveries)
	case time.Duration(f.Span) < 2*time.Hour:
		return fmt.Errorf("span: got %s, want 2h or more", time.Duration(f.Span))
	case f.Late < 0:
		return fmt.Errorf("late: got %s, want 0 or more", time.Duration(f.Late))
	}
	return nil
}

// Generate sends mailings to the recipients, adds their events and returns how many
// events there are. The same funnel, recipients and clock give the same events.
func (l *Log) Generate(f Funnel, to []Recipient) (int, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	if f.Profiles > 0 && f.Profiles < len(to) {
		to = to[:f.Profiles]
	}
	if len(to) == 0 {
		return 0, fmt.Errorf("profiles: there is none to send to; synchronise or add some first")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g := generator{Log: l, Funnel: f, rng: rand.New(rand.NewPCG(f.Seed, 0xe7e27)), to: to} //nolint:gosec // made-up events
	g.start = l.clock.Now().Add(-time.Duration(f.Ago))
	for n := 0; !g.full() && (n < f.Deliveries || f.Events > 0); n++ {
		before := len(g.refs)
		g.delivery(n)
		if len(g.refs) == before && n >= f.Deliveries {
			return 0, fmt.Errorf("events: got %d, but the funnel makes none of these profiles; were all opted out?", f.Events)
		}
	}
	l.publish(g.refs, f.Unruly, g.rng)
	return len(g.refs), nil
}

type generator struct {
	*Log
	Funnel
	rng   *rand.Rand
	to    []Recipient
	start time.Time
	refs  []ref
}

func (g *generator) full() bool { return g.Events > 0 && len(g.refs) >= g.Events }

var campaignLabels = []string{"Loyalty", "Frühjahr; \"Neu\", für Sie", "Win-back", "Été"}

// delivery sends one mailing. At least every other one belongs to a campaign.
func (g *generator) delivery(n int) {
	made := len(g.deliveries)
	var c *Campaign
	if n%4 != 3 {
		at := n / 2
		c = g.campaign(fmt.Sprintf("CMP%d", 101+at), campaignLabels[at%len(campaignLabels)])
	}
	d := Delivery{Name: fmt.Sprintf("DM%d", 190+made), Label: fmt.Sprintf("Mailing %d, %s", 1+n, campaignLabels[n%len(campaignLabels)]), Campaign: c, NoMirror: n%8 == 7}
	real := g.addDelivery(d)
	d.Name, d.Proof = d.Name+"_proof", true
	proof := g.addDelivery(d)
	// Mailings go out in the first half of the span, so that opens and clicks can follow.
	window := time.Duration(g.Span) / 2
	slot := window / time.Duration(max(1, g.Deliveries))
	sentAt := g.start.Add(slot * time.Duration(n%max(1, g.Deliveries)))
	for i := range g.to {
		if g.full() {
			return
		}
		if !g.to[i].OptedOut {
			g.message(i, real, proof, sentAt.Add(time.Duration(g.rng.Int64N(int64(slot)))))
		}
	}
}

// message decides what happens to one message, and adds its events.
func (g *generator) message(i int, delivery, proof uint32, at time.Time) {
	m := message{external: g.to[i].ExternalID, email: g.to[i].Email, sent: at.UnixMilli(), recipient: uint32(i), delivery: delivery} //nolint:gosec // memory ends first
	switch x := g.rng.Float64(); {
	case x < g.NoContact:
		m.external = ""
	case x < g.NoContact+g.Unknown:
		m.external = g.uuid()
	case x < g.NoContact+g.Unknown+g.SeedShare:
		m.seed = true
	case x < g.NoContact+g.Unknown+g.SeedShare+g.ProofShare:
		m.delivery = proof
	}
	x := g.rng.Float64()
	switch {
	case x < g.Hard:
		m.failure, m.reason, m.bounced = FailureHard, UserUnknown, m.sent
		if g.rng.IntN(3) == 0 {
			m.reason = Refused
		}
	case x < g.Hard+g.Soft:
		m.failure, m.reason, m.bounced = FailureSoft, MailboxFull, m.sent
		if g.rng.IntN(3) == 0 {
			m.reason = Unreachable
		}
	case x < g.Hard+g.Soft+g.LateHard:
		m.failure, m.reason, m.late = FailureHard, UserUnknown, true
		if m.bounced = g.within(m.sent, time.Hour); g.Late > 0 {
			m.bounced = g.end() + time.Duration(g.Late).Milliseconds() + g.rng.Int64N(60_000)
		}
	}
	if m.late && g.Events == len(g.refs)+1 { // only one event is left to make
		m.failure, m.reason, m.late, m.bounced = 0, 0, false, 0
	}
	n := uint32(len(g.messages)) //nolint:gosec // memory ends first
	g.messages = append(g.messages, m)
	for _, w := range m.events() {
		at := m.sent
		if w == ofBounce {
			at = m.bounced
		}
		g.add(ref{at: at, n: n, what: w})
	}
	if m.failure == 0 && g.rng.Float64() < g.Opens {
		g.opened(n, &m)
	}
}

// opened adds what a person does who opens a message: open it again, click, and
// sometimes view the mirror page or opt out.
func (g *generator) opened(n uint32, m *message) {
	at := g.within(m.sent, 0)
	for range 1 + min(2, g.rng.IntN(6)/3) {
		g.touch(n, at, 2, "")
		at = g.within(at, 0)
	}
	if g.rng.Float64() >= g.Clicks {
		return
	}
	for range 1 + min(1, g.rng.IntN(4)/3) {
		urlType := uint8(1)
		if r := g.rng.IntN(40); r < 2 {
			urlType = uint8(10 + r) //nolint:gosec // 10 or 11
		}
		page := g.rng.IntN(6)
		g.touch(n, g.within(at, 0), urlType, fmt.Sprintf("https://shop.example.test/p/%d?utm_source=mail&utm_content=dm%d&q=Stra%%C3%%9Fe", page, m.delivery))
	}
	switch g.rng.IntN(50) {
	case 0:
		g.touch(n, g.within(at, 0), 3, "https://t.acme.test/optout")
	case 1:
		g.touch(n, g.within(at, 0), 6, "https://t.acme.test/mirror")
	}
}

func (g *generator) touch(n uint32, at int64, urlType uint8, url string) {
	if g.full() {
		return
	}
	g.add(ref{at: at, n: uint32(len(g.touches)), what: ofTouch}) //nolint:gosec // memory ends first
	g.touches = append(g.touches, touch{at: at, message: n, url: g.url(url), urlType: urlType})
}

// add adds an appearance. The journal gets it a little after the event.
func (g *generator) add(r ref) {
	r.at += publishedAfter.Milliseconds()
	g.refs = append(g.refs, r)
}

func (g *generator) end() int64 { return g.start.Add(time.Duration(g.Span)).UnixMilli() }

// within picks a moment after another and before the end. Most are soon after it.
func (g *generator) within(after int64, least time.Duration) int64 {
	from := after + least.Milliseconds() + 1
	left := g.end() - from
	if left <= 1 {
		return from
	}
	return from + int64(math.Pow(g.rng.Float64(), 4)*float64(left-1))
}

func (g *generator) uuid() string {
	var raw [16]byte
	for i := range raw {
		raw[i] = byte(g.rng.IntN(256)) //nolint:gosec // below 256
	}
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	return uuid.UUID(raw).String()
}
