package events

import "time"

// BroadLog is a row of the delivery log: the present state of one message to one
// profile. Values are raw, as exported (docs/protocol/campaign.md §6.3).
type BroadLog struct {
	ID, ExternalID             string
	DeliveryName, CampaignName string
	EventDate                  string // when the message was handed over, or failed to be
	Status                     string // 1 sent, 2 failed; others are not events
	FailureType                string // of a failed one: 2 hard, others not
	Seed, Proof                string // booleans; "" means no
	MirrorPageURL              string
	LastModified               string // when the row took its present state; may be ""
	Source                     string
}

const (
	statusSent   = "1"
	statusFailed = "2"
	failureHard  = "2"
)

// recordedWithin is the longest time after which the failure of an attempt is in the
// log, because logs reach the tables every ten minutes (§6.3). A hard failure that is
// recorded later was reported by the receiving side, after it had taken the message.
const recordedWithin = 15 * time.Minute

// FromBroadLog returns the events of a row, none to two:
//
//   - sent: the send, at EventDate.
//   - failed: a bounce. There is no send, because a message that was refused at once
//     was never sent.
//   - failed and hard, recorded more than recordedWithin after EventDate: the message
//     was sent and bounced later. This makes a send at EventDate and a bounce at
//     LastModified. The send has the key that it had while the row said sent, so it
//     is not doubled.
//
// A failure that is not hard is a soft bounce at EventDate, never with a send. It may
// be recorded after days of retries although nothing was sent. If the message was
// sent, the row was exported as sent before.
func FromBroadLog(row BroadLog) ([]MarketingEvent, error) {
	if err := raw("status", row.Status); err != nil {
		return nil, err
	}
	if row.Status != statusSent && row.Status != statusFailed {
		return nil, nil
	}
	base := MarketingEvent{
		ContactID: ContactID(row.ExternalID), BroadLogID: row.ID,
		CampaignName: row.CampaignName, DeliveryName: row.DeliveryName, MirrorPageURL: row.MirrorPageURL, Source: row.Source,
	}
	var err error
	if base.Time, err = complete("broadLogId", row.ID, "deliveryName", row.DeliveryName, "eventDate", row.EventDate); err != nil {
		return nil, err
	}
	if base.Seed, err = flag("seed", row.Seed); err != nil {
		return nil, err
	}
	if base.Proof, err = flag("proof", row.Proof); err != nil {
		return nil, err
	}
	changed := base.Time
	if row.LastModified != "" {
		var ok bool
		if changed, ok = ParseTime(row.LastModified); !ok {
			return nil, &Problem{"lastModified", Invalid, wantMoment}
		}
	}
	if row.Status == statusSent {
		return []MarketingEvent{base.as(Send, base.Time)}, nil
	}
	if err := raw("failureType", row.FailureType); err != nil {
		return nil, err
	}
	switch {
	case row.FailureType != failureHard:
		bounce := base.as(Bounce, base.Time)
		bounce.Soft = true
		return []MarketingEvent{bounce}, nil
	case changed.Sub(base.Time) > recordedWithin:
		return []MarketingEvent{base.as(Send, base.Time), base.as(Bounce, changed)}, nil
	}
	return []MarketingEvent{base.as(Bounce, base.Time)}, nil
}

// as returns the message's event of that type.
func (e MarketingEvent) as(t Type, at time.Time) MarketingEvent {
	e.Type, e.Time, e.Key = t, at, broadLogKey(e.BroadLogID, t)
	return e
}

// Tracking is a row of the tracking log: one open or click.
type Tracking struct {
	ID, BroadLogID, ExternalID string
	DeliveryName, CampaignName string
	LogDate                    string
	URLType                    string // 1, 10 and 11 click, 2 open; others are not events
	URL                        string
	MirrorPageURL              string
	Seed, Proof                string // booleans; "" means no
	Source                     string
}

// FromTracking returns the event of a row. ours is false when the row is neither an
// open nor a click. The URL of an open is that of the tracking pixel and is left out.
func FromTracking(row Tracking) (e MarketingEvent, ours bool, err error) {
	if err := raw("urlType", row.URLType); err != nil {
		return e, false, err
	}
	switch row.URLType {
	case "1", "10", "11":
		e.Type, e.URL = Click, row.URL
	case "2":
		e.Type = Open
	default:
		return e, false, nil
	}
	e.ContactID, e.TrackingLogID, e.BroadLogID = ContactID(row.ExternalID), row.ID, row.BroadLogID
	e.Key = trackingKey(row.ID)
	e.CampaignName, e.DeliveryName, e.MirrorPageURL, e.Source = row.CampaignName, row.DeliveryName, row.MirrorPageURL, row.Source
	if e.Time, err = complete("trackingLogId", row.ID, "deliveryName", row.DeliveryName, "logDate", row.LogDate); err != nil {
		return MarketingEvent{}, true, err
	}
	if row.BroadLogID != "" && !logID(row.BroadLogID) {
		return MarketingEvent{}, true, &Problem{"broadLogId", Invalid, wantID}
	}
	if e.Type == Click && row.URL == "" {
		return MarketingEvent{}, true, &Problem{"url", Missing, "the address that was clicked"}
	}
	if e.Seed, err = flag("seed", row.Seed); err == nil {
		e.Proof, err = flag("proof", row.Proof)
	}
	if err != nil {
		return MarketingEvent{}, true, err
	}
	return e, true, nil
}

// complete checks what every event needs and returns its time.
func complete(idColumn, id, nameColumn, name, timeColumn, at string) (time.Time, error) {
	switch {
	case id == "":
		return time.Time{}, &Problem{idColumn, Missing, "an id to tell the event by"}
	case !logID(id):
		return time.Time{}, &Problem{idColumn, Invalid, wantID}
	case name == "":
		return time.Time{}, &Problem{nameColumn, Missing, "the delivery's id"}
	case at == "":
		return time.Time{}, &Problem{timeColumn, Missing, wantMoment}
	}
	t, ok := ParseTime(at)
	if !ok {
		return t, &Problem{timeColumn, Invalid, wantMoment}
	}
	return t, nil
}

// raw refuses a text in place of an enumeration's number. It means that the file was
// exported with labels, so no value of it can be trusted.
func raw(column, value string) error {
	if value == "" {
		return &Problem{column, Missing, "the enumeration's number"}
	}
	for _, r := range value {
		if r < '0' || r > '9' {
			return &Problem{column, Label, "the enumeration's number"}
		}
	}
	return nil
}

func flag(column, value string) (bool, error) {
	if value == "" {
		return false, nil
	}
	v, ok := ParseFlag(value)
	if !ok {
		return false, &Problem{column, Invalid, "0, 1, true or false"}
	}
	return v, nil
}
