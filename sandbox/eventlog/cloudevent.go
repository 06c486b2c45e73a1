package eventlog

import (
	"encoding/json"
	"time"
)

// eventTime is how the journal writes moments.
const eventTime = "2006-01-02T15:04:05.000Z"

// cloudEvent is the contract campaign-email-event/1 (§6.1). The members with
// an underscore are deprecated copies.
type cloudEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	EventID         string    `json:"eventid"`
	OldEventID      string    `json:"event_id"`
	Source          string    `json:"source"`
	Time            string    `json:"time"`
	Type            string    `json:"type"`
	DataContentType string    `json:"datacontenttype"`
	Recipient       string    `json:"recipientclientid"`
	OldRecipient    string    `json:"recipient_client_id"`
	Data            eventData `json:"data"`
}

type eventData struct {
	ExternalID    string `json:"externalID"`
	RecipientID   string `json:"recipientID"`
	BroadLogID    string `json:"broadlogID"`
	TrackingLogID string `json:"trackinglogID,omitempty"`
	DeliveryID    string `json:"deliveryID"`
	DeliveryName  string `json:"deliveryName"`
	DeliveryLabel string `json:"deliveryLabel"`
	CampaignID    string `json:"campaignID"`
	CampaignName  string `json:"campaignName"`
	CampaignLabel string `json:"campaignLabel"`
	Channel       string `json:"channel"`
	EventDate     string `json:"eventDate"`
	Status        string `json:"status"`
	FailureType   string `json:"failureType"`
	Reason        string `json:"reason"`
	ReasonMessage string `json:"reasonMessage"`
	Quarantine    bool   `json:"quarantine"`
	Seed          bool   `json:"seedMember"`
	Proof         bool   `json:"proofMember"`
	URL           string `json:"url,omitempty"`
	URLCategory   string `json:"urlCategory,omitempty"`
	MirrorPageURL string `json:"mirrorPageURL"`
}

// Appearance returns the event published as number n, as JSON.
func (l *Log) Appearance(n int, source, recipient string) ([]byte, error) {
	l.mu.RLock()
	r := l.published[n]
	if r.what == ofRaw {
		raw := l.raws[r.n]
		l.mu.RUnlock()
		return raw, nil
	}
	e := l.describe(r)
	l.mu.RUnlock()
	return json.Marshal(e.cloudEvent(source, recipient))
}

func (e *Event) cloudEvent(source, recipient string) cloudEvent {
	out := cloudEvent{
		SpecVersion: "1.0", ID: e.ID, EventID: e.ID, OldEventID: e.ID, Source: source, Time: e.Time.Add(publishedAfter).Format(eventTime),
		Type: "com.adobe.campaign.standard.email." + e.Kind, DataContentType: "application/json", Recipient: recipient, OldRecipient: recipient,
		Data: eventData{
			ExternalID: e.ExternalID, RecipientID: e.RecipientID, BroadLogID: e.BroadLogID, TrackingLogID: e.TrackingLogID,
			DeliveryID: e.Delivery.ID, DeliveryName: e.Delivery.Name, DeliveryLabel: e.Delivery.Label, Channel: "email",
			EventDate: e.Time.Format(eventTime), Status: "sent", Seed: e.Seed, Proof: e.Proof, MirrorPageURL: e.MirrorPageURL,
		},
	}
	if c := e.Delivery.Campaign; c != nil {
		out.Data.CampaignID, out.Data.CampaignName, out.Data.CampaignLabel = c.ID, c.Name, c.Label
	}
	switch e.Kind {
	case Bounce:
		out.Data.Status, out.Data.FailureType = "failed", e.Failure
		out.Data.Reason, out.Data.ReasonMessage, out.Data.Quarantine = ReasonLabel(e.Reason), e.ReasonText, e.Failure == "hard"
	case Open: // without the address of the pixel
	default:
		if e.TrackingLogID != "" {
			out.Data.URL, out.Data.URLCategory = e.URL, e.URLCategory
		}
	}
	return out
}

// PublishedAt is when the event with number n was published.
func (l *Log) PublishedAt(n int) time.Time {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return time.UnixMilli(l.published[n].at).UTC()
}
