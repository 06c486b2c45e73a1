package exports

import (
	"errors"
	"fmt"
	"io"

	"causeway.dev/internal/events"
)

// Columns of the delivery log. seed is required, because without it mails to seed
// addresses could not be recognised.
const (
	logID = iota
	logExternalID
	logDelivery
	logCampaign
	logDate
	logStatus // of the tracking log: its URL type
	logMirror
	logSeed
	logProof
	logFailure // of the tracking log: its URL
	logModified
	logBroadLog
)

var broadLogColumns = []column{
	logID:         {name: "broadLogId"},
	logExternalID: {name: "externalId"},
	logDelivery:   {name: "deliveryName"},
	logCampaign:   {name: "campaignName"},
	logDate:       {name: "eventDate"},
	logStatus:     {name: "status"},
	logMirror:     {name: "mirrorPageUrl"},
	logSeed:       {name: "seed", aliases: []string{"seedMember"}},
	logProof:      {name: "proof", aliases: []string{"proofMember"}, optional: true},
	logFailure:    {name: "failureType"},
	logModified:   {name: "lastModified"},
}

var trackingLogColumns = []column{
	logID:         {name: "trackingLogId"},
	logExternalID: {name: "externalId"},
	logDelivery:   {name: "deliveryName"},
	logCampaign:   {name: "campaignName"},
	logDate:       {name: "logDate"},
	logStatus:     {name: "urlType", aliases: []string{"trackingUrlType"}},
	logMirror:     {name: "mirrorPageUrl"},
	logSeed:       {name: "seed", aliases: []string{"seedMember"}, optional: true},
	logProof:      {name: "proof", aliases: []string{"proofMember"}, optional: true},
	logFailure:    {name: "url"},
	logModified:   {name: "lastModified", optional: true},
	logBroadLog:   {name: "broadLogId"},
}

// Events reads a delivery or tracking log.
type Events struct {
	r    *reader
	kind Kind
}

// OpenEvents reads the header of a BroadLog or TrackingLog, compressed or not.
// file is its name for errors and sources. It fails with *FileError, or with the
// error of src.
func OpenEvents(kind Kind, file string, src io.Reader) (*Events, error) {
	columns := broadLogColumns
	switch kind {
	case BroadLog:
	case TrackingLog:
		columns = trackingLogColumns
	default:
		return nil, fmt.Errorf("reading %s: got a file of kind %q, want %s or %s", file, kind, BroadLog, TrackingLog)
	}
	r, err := newReader(file, src, columns)
	if err != nil {
		return nil, err
	}
	return &Events{r: r, kind: kind}, nil
}

// Next returns the events of the next row that has any: one, or two for a message
// that was sent and bounced later. Rows without events are counted as ignored. The
// Source of an event is file:line.
//
// The error is io.EOF after the last line. A *RowError concerns one row, and Next may
// be called again. After a *FileError, or an error of src, there are no more rows.
func (e *Events) Next() ([]events.MarketingEvent, error) {
	for {
		if err := e.r.next(); err != nil {
			return nil, err
		}
		list, err := e.events()
		if problem, ok := errors.AsType[*events.Problem](err); ok {
			return nil, e.r.problem(problem)
		}
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			return list, nil
		}
		e.r.counts.Ignored++
	}
}

// Counts of the rows read so far.
func (e *Events) Counts() Counts { return e.r.counts }

// Line is the line on which the last row begins.
func (e *Events) Line() int { return e.r.line }

func (e *Events) events() ([]events.MarketingEvent, error) {
	v := e.r.value
	source := fmt.Sprintf("%s:%d", e.r.file, e.r.line)
	if e.kind == BroadLog {
		return events.FromBroadLog(events.BroadLog{
			ID: v(logID), ExternalID: v(logExternalID), DeliveryName: v(logDelivery), CampaignName: v(logCampaign), EventDate: v(logDate),
			Status: v(logStatus), FailureType: v(logFailure), Seed: v(logSeed), Proof: v(logProof), MirrorPageURL: v(logMirror),
			LastModified: v(logModified), Source: source,
		})
	}
	one, ours, err := events.FromTracking(events.Tracking{
		ID: v(logID), BroadLogID: v(logBroadLog), ExternalID: v(logExternalID), DeliveryName: v(logDelivery), CampaignName: v(logCampaign),
		LogDate: v(logDate), URLType: v(logStatus), URL: v(logFailure), MirrorPageURL: v(logMirror), Seed: v(logSeed), Proof: v(logProof), Source: source,
	})
	if err != nil || !ours {
		return nil, err
	}
	return []events.MarketingEvent{one}, nil
}

// problem turns a problem into an error with its place in the file. A label makes the
// whole file unusable, because its other values were exported the same way.
func (r *reader) problem(p *events.Problem) error {
	switch p.Fault {
	case events.Label:
		r.end = r.fileError(Labels, p.Member, "got a label, want "+p.Want+"; export the enumeration's values")
		return r.end
	case events.Missing:
		return r.refuse(p.Member, "empty, want "+p.Want)
	}
	return r.refuse(p.Member, "not valid, want "+p.Want)
}
