package events

import (
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// typeRoot stands before send, open, click or bounce in the type of a CloudEvent. The
// part before it names the provider and is ignored.
const typeRoot = "email."

// FromJournal reads a CloudEvent of the contract campaign-email-event/1
// (docs/protocol/campaign.md §6.1). ours is false for an event of another type. The
// error is a *Problem for a member that is missing or cannot be read.
//
// Required are type, data, eventDate, deliveryName, failureType of a bounce, and url
// of a click. externalID must be there too; it is empty for a profile that is no
// contact. The event needs an id: broadlogID or trackinglogID, else its own.
func FromJournal(position string, raw []byte) (e MarketingEvent, ours bool, err error) {
	if !utf8.Valid(raw) || !gjson.ValidBytes(raw) {
		return e, false, &Problem{"event", Invalid, "a JSON object in UTF-8"}
	}
	doc := gjson.ParseBytes(raw)
	if !doc.IsObject() {
		return e, false, &Problem{"event", Invalid, "a JSON object"}
	}
	name := doc.Get("type")
	if name.Type != gjson.String || name.Str == "" {
		return e, false, &Problem{"type", Missing, "the event's type"}
	}
	if e.Type, ours = typeOf(name.Str); !ours {
		return MarketingEvent{}, false, nil
	}
	data := doc.Get("data")
	if !data.IsObject() {
		return MarketingEvent{}, true, &Problem{"data", Missing, "a JSON object"}
	}
	e.Source = position
	r := members{doc: doc, data: data}
	r.fill(&e)
	if r.problem != nil {
		return MarketingEvent{}, true, r.problem
	}
	return e, true, nil
}

func typeOf(name string) (Type, bool) {
	at := strings.LastIndex(name, typeRoot)
	if at < 0 || at > 0 && name[at-1] != '.' {
		return "", false
	}
	switch t := Type(name[at+len(typeRoot):]); t {
	case Send, Open, Click, Bounce:
		return t, true
	}
	return "", false
}

// members reads the members of one event and keeps the first problem.
type members struct {
	doc, data gjson.Result
	problem   *Problem
}

func (r *members) fill(e *MarketingEvent) {
	external := r.data.Get("externalID")
	if !external.Exists() {
		r.fail("data.externalID", Missing, "the profile's external id, or an empty text")
	}
	e.ContactID = ContactID(external.String())
	e.RecipientID = r.id("recipientID")
	e.BroadLogID = r.id("broadlogID")
	e.TrackingLogID = r.id("trackinglogID")
	e.Key = r.key(e)
	e.CampaignName = r.text("campaignName")
	e.DeliveryName = r.required("deliveryName", "the delivery's id")
	var ok bool
	if e.Time, ok = ParseTime(r.required("eventDate", wantMoment)); !ok {
		r.fail("data.eventDate", Invalid, wantMoment)
	}
	e.MirrorPageURL = r.text("mirrorPageURL")
	e.Seed, e.Proof = r.flag("seedMember"), r.flag("proofMember")
	switch e.Type {
	case Click:
		e.URL = r.required("url", "the address that was clicked")
	case Bounce:
		switch r.required("failureType", "hard or soft") {
		case "hard":
		case "soft":
			e.Soft = true
		default:
			r.fail("data.failureType", Invalid, "hard or soft")
		}
	}
}

// key makes the key of the log's id. The event's own id is the second choice, because
// files do not have it.
func (r *members) key(e *MarketingEvent) string {
	member := "data.broadlogID"
	switch e.Type {
	case Send, Bounce:
		if e.BroadLogID != "" {
			return broadLogKey(e.BroadLogID, e.Type)
		}
	default:
		if e.TrackingLogID != "" {
			return trackingKey(e.TrackingLogID)
		}
		member = "data.trackinglogID"
	}
	for _, name := range []string{"eventid", "event_id", "id"} {
		id := r.doc.Get(name)
		if id.Type != gjson.String || id.Str == "" {
			continue
		}
		if len(id.Str) > 200 || strings.ContainsFunc(id.Str, func(c rune) bool { return c <= ' ' || c > '~' }) {
			r.fail(name, Invalid, "an id of at most 200 printable characters")
		}
		return "event/" + id.Str
	}
	r.fail(member, Missing, "an id to tell the event by")
	return ""
}

func (r *members) fail(member string, f Fault, want string) {
	if r.problem == nil {
		r.problem = &Problem{member, f, want}
	}
}

// text reads a member that may be missing; null is "".
func (r *members) text(name string) string {
	v := r.data.Get(name)
	if v.Exists() && v.Type != gjson.String && v.Type != gjson.Null {
		r.fail("data."+name, Invalid, "a text")
	}
	return v.Str
}

func (r *members) required(name, want string) string {
	s := r.text(name)
	if s == "" {
		r.fail("data."+name, Missing, want)
	}
	return s
}

// id reads a member that may be missing, and may be a number.
func (r *members) id(name string) string {
	v := r.data.Get(name)
	s := v.Str
	if v.Type == gjson.Number {
		s = v.Raw
	}
	if s != "" && !logID(s) || v.Type == gjson.JSON || v.IsBool() {
		r.fail("data."+name, Invalid, wantID)
	}
	return s
}

func (r *members) flag(name string) bool {
	v := r.data.Get(name)
	if !v.Exists() || v.Type == gjson.Null {
		return false
	}
	value, ok := ParseFlag(v.String())
	if !ok {
		r.fail("data."+name, Invalid, wantFlag)
	}
	return value
}
