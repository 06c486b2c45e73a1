// Package timeline turns a marketing event into the activity row that Dynamics
// shows on the contact's timeline, by the operator's settings. It is pure: no
// I/O, no clock, no logging. The same event therefore gives the same row, under the
// same id, on every attempt. activities/egress makes the rows with it, and the
// configuration reads its settings.
package timeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Where events come from.
const (
	SourceJournal = "journal" // Adobe I/O Events
	SourceSFTP    = "sftp"    // delivery and tracking logs, exported by a Campaign workflow
	SourceBoth    = "both"    // both of them; an event that comes twice is written once
)

// What is done with an event whose contact Dynamics does not have.
const (
	UnknownCount      = "count"
	UnknownQuarantine = "quarantine"
)

// Solution is the name of the solution that installs the activity tables (R3.7).
const Solution = "Adobe Campaign for Microsoft Dynamics 365"

// Settings are what an egress flow runs with from its start to its stop (R8.14).
type Settings struct {
	Source         string         `json:"source"`
	Sends          bool           `json:"sends,omitempty"`
	Opens          bool           `json:"opens,omitempty"`
	Clicks         bool           `json:"clicks,omitempty"`
	Bounces        bool           `json:"bounces,omitempty"`
	UnknownContact string         `json:"unknown_contact"`
	Tables         ActivityTables `json:"tables"`
}

// Revision is a hash of the settings: equal settings have equal revisions.
func (s Settings) Revision() string {
	doc, err := json.Marshal(s)
	if err != nil {
		panic(err) // booleans and texts only
	}
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:6])
}

// Enabled says whether any type of event is to be written (R8.16).
func (s Settings) Enabled() bool { return s.Sends || s.Opens || s.Clicks || s.Bounces }

// Journal says whether the journal is read.
func (s Settings) Journal() bool { return s.Source == SourceJournal || s.Source == SourceBoth }

// SFTP says whether exported files are read.
func (s Settings) SFTP() bool { return s.Source == SourceSFTP || s.Source == SourceBoth }

// ActivityTables are the activity tables of the four types.
type ActivityTables struct {
	// Sends is the table of e-mails sent.
	Sends ActivityTable `json:"sends" yaml:"sends,omitempty"`
	// Opens is the table of e-mails opened.
	Opens ActivityTable `json:"opens" yaml:"opens,omitempty"`
	// Clicks is the table of links clicked.
	Clicks ActivityTable `json:"clicks" yaml:"clicks,omitempty"`
	// Bounces is the table of hard bounces.
	Bounces ActivityTable `json:"bounces" yaml:"bounces,omitempty"`
}

// ActivityTable is an activity table and the columns that an event fills. A column that
// is set to "" is left alone.
type ActivityTable struct {
	// Table is the logical name: adobe_emailsend, adobe_emailopen, adobe_emailurlclick or adobe_emailbounce in the companion solution.
	Table string `json:"table" yaml:"table,omitempty"`
	// Date is the column for the time of the event: adobe_datesent, adobe_dateopened, adobe_dateclicked or adobe_datebounced in the companion solution.
	Date string `json:"date" yaml:"date"`
	// CampaignName is the column for the id of the campaign, there adobe_campaignname.
	CampaignName string `json:"campaign_name" yaml:"campaign_name"`
	// DeliveryName is the column for the id of the delivery, there adobe_deliveryname.
	DeliveryName string `json:"delivery_name" yaml:"delivery_name"`
	// MirrorPageURL is the column for the address of the mirror page, there adobe_mirrorpageurl.
	MirrorPageURL string `json:"mirror_page_url" yaml:"mirror_page_url"`
	// TrackingURL is the column for the address that was clicked, there adobe_trackingurl; of clicks only.
	TrackingURL string `json:"tracking_url,omitempty" yaml:"tracking_url"`
}

// DefaultTables are those of the companion solution.
func DefaultTables() ActivityTables {
	table := func(name, date string) ActivityTable {
		return ActivityTable{Table: name, Date: date, CampaignName: "adobe_campaignname", DeliveryName: "adobe_deliveryname", MirrorPageURL: "adobe_mirrorpageurl"}
	}
	t := ActivityTables{
		Sends: table("adobe_emailsend", "adobe_datesent"), Opens: table("adobe_emailopen", "adobe_dateopened"),
		Clicks: table("adobe_emailurlclick", "adobe_dateclicked"), Bounces: table("adobe_emailbounce", "adobe_datebounced"),
	}
	t.Clicks.TrackingURL = "adobe_trackingurl"
	return t
}
