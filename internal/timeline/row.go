package timeline

import (
	"fmt"
	"time"
	"unicode/utf16"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"causeway.dev/internal/events"
)

// Verdict is the reason why an event is not written; "" when it is to be written.
type Verdict string

// The verdicts, in the order in which they are checked.
const (
	Eligible    Verdict = ""
	SeedOrProof Verdict = "seed or proof"
	SoftBounce  Verdict = "soft bounce"
	Disabled    Verdict = "disabled type"
	NoContact   Verdict = "no contact" // the profile is no contact of Dynamics
)

// Judge decides whether an event goes to the timeline (R18.1–R18.3, R18.11).
func (s Settings) Judge(e *events.MarketingEvent) Verdict {
	switch {
	case e.Seed || e.Proof:
		return SeedOrProof
	case e.Type == events.Bounce && e.Soft:
		return SoftBounce
	case !s.On(e.Type):
		return Disabled
	case e.ContactID == "":
		return NoContact
	}
	return Eligible
}

// Row is an activity ready to be created.
type Row struct {
	EntitySet string
	ID        string // fixed: an event of an instance has the same id at every attempt
	Body      []byte // JSON
}

// TooLong is a text that its column cannot hold. It is not cut, because half a URL
// leads nowhere, and R18.10 wants it unchanged.
type TooLong struct {
	Column string
	Limit  int
}

func (e *TooLong) Error() string {
	return fmt.Sprintf("%s: a text of more than %d characters, which the column cannot hold; lengthen the column", e.Column, e.Limit)
}

// ID is the id of the row for the event with this key (R18.14).
func (p *Plan) ID(key string) string { return uuid.NewSHA1(p.Namespace, []byte(key)).String() }

// timeForm is how Dataverse writes times: UTC, whole seconds.
const timeForm = "2006-01-02T15:04:05Z"

// Row makes the activity of an event on the timeline of a contact (R18.5–R18.10).
// Texts that the event lacks are left out, which is no error (R21.7). For a type that
// is switched on, it fails with *TooLong only.
func (p *Plan) Row(e *events.MarketingEvent, contact string) (*Row, error) {
	t := p.Targets[e.Type]
	if t == nil {
		return nil, fmt.Errorf("events of type %s are not switched on", e.Type)
	}
	at := e.Time.UTC().Truncate(time.Second).Format(timeForm)
	b := body{limits: t.Limits}
	b.subject("Campaign Name: " + e.CampaignName + "; Delivery Name: " + e.DeliveryName)
	b.text("actualend", at)
	b.text(t.Table.Date, at)
	b.text(t.Table.CampaignName, e.CampaignName)
	b.text(t.Table.DeliveryName, e.DeliveryName)
	b.text(t.Table.MirrorPageURL, e.MirrorPageURL)
	b.text(t.Table.TrackingURL, e.URL)
	b.text(t.Regarding+"@odata.bind", "/contacts("+contact+")")
	b.text("ownerid@odata.bind", "/systemusers("+p.Owner+")")
	if b.tooLong != nil {
		return nil, b.tooLong
	}
	return &Row{EntitySet: t.EntitySet, ID: p.ID(e.Key), Body: append(b.out, '}')}, nil
}

type body struct {
	out     []byte
	limits  map[string]int
	tooLong *TooLong
}

func (b *body) text(column, value string) {
	if column == "" || value == "" {
		return
	}
	if limit := b.limits[column]; limit > 0 && length(value) > limit && b.tooLong == nil {
		b.tooLong = &TooLong{Column: column, Limit: limit}
	}
	sep := byte(',')
	if b.out == nil {
		sep = '{'
	}
	b.out = append(b.out, sep)
	b.out = gjson.AppendJSONString(b.out, column)
	b.out = append(b.out, ':')
	b.out = gjson.AppendJSONString(b.out, value)
}

// subject writes the subject, cut to fit. Nothing is lost, since both names in it have
// columns of their own.
func (b *body) subject(value string) {
	limit := b.limits["subject"]
	for limit > 0 && length(value) > limit {
		runes := []rune(value)
		value = string(runes[:len(runes)-1])
	}
	b.text("subject", value)
}

// length counts UTF-16 units, as the service does.
func length(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}
