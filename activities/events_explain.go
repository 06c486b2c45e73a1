package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/events"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/timeline"
)

// ExplainEventInput asks what became of an event.
type ExplainEventInput struct {
	// ID is an event's key (tracking/5000, broadlog/8003/send, event/<id>), or the
	// id of a log entry or event alone.
	ID       string         `json:"id"`
	Live     bool           `json:"live,omitempty"` // also look at Dynamics now
	Settings EgressSettings `json:"settings"`       // of the configuration file, for Live
}

// ExplainEventResult has an entry for each event that the id can mean and the
// ledger knows: ids, times and reasons, no address and no URL.
type ExplainEventResult struct {
	Events []ExplainedEvent `json:"events"`
}

// ExplainedEvent is what is known of an event.
type ExplainedEvent struct {
	Key        string             `json:"key"`
	Type       string             `json:"type,omitempty"`
	Contact    string             `json:"contact,omitempty"`
	Outcome    string             `json:"outcome"`
	Meaning    string             `json:"meaning"`
	Time       time.Time          `json:"time,omitzero"` // of the event
	Run        string             `json:"run"`
	At         time.Time          `json:"at"` // when the run settled it
	Again      int64              `json:"again,omitempty"`
	AgainRun   string             `json:"again_run,omitempty"`
	AgainAt    time.Time          `json:"again_at,omitzero"`
	Activity   string             `json:"activity,omitempty"` // id of its row in Dynamics, where it was written
	Quarantine *QuarantinedRecord `json:"quarantine,omitempty"`
	InDynamics *bool              `json:"in_dynamics,omitempty"` // with Live
}

// ExplainEvent tells what became of an event and why.
func (a *Egress) ExplainEvent(ctx context.Context, in ExplainEventInput) (*ExplainEventResult, error) {
	id := strings.TrimSpace(in.ID)
	if id == "" || len(id) > 300 {
		return nil, blocked("BadInput", "got no event's id, want a key such as tracking/5000, or the id of a log entry")
	}
	keys := []string{id}
	if !strings.Contains(id, "/") {
		keys = append(keys, "broadlog/"+id+"/send", "broadlog/"+id+"/bounce", "tracking/"+id, "event/"+id)
	}
	known, err := a.o.Ledger.Events(ctx, keys)
	if err != nil {
		return nil, err
	}
	out := &ExplainEventResult{Events: []ExplainedEvent{}}
	for _, key := range keys {
		if e := known[key]; e != nil {
			one, err := a.explained(ctx, e)
			if err != nil {
				return nil, err
			}
			out.Events = append(out.Events, *one)
		}
	}
	if in.Live {
		return out, a.explainLive(ctx, in.Settings, out.Events)
	}
	return out, nil
}

func (a *Egress) explained(ctx context.Context, e *ledger.Event) (*ExplainedEvent, error) {
	out := &ExplainedEvent{
		Key: e.Key, Type: e.Type, Contact: e.Contact, Outcome: outcomesOfEvents[e.Outcome], Time: e.Time, Run: e.Run, At: e.At,
		Again: e.Again, AgainRun: e.AgainRun, AgainAt: e.AgainAt,
	}
	switch e.Outcome {
	case ledger.Created:
		out.Meaning = "it is on the contact's timeline; this run put it there"
	case ledger.Unchanged:
		out.Meaning = "it is on the contact's timeline; it was there already when this run met it"
	case ledger.Disabled:
		out.Meaning = "its type was switched off in egress, so it was left out; causeway events backfill brings it, once the type is switched on"
	case ledger.SoftBounce:
		out.Meaning = "a soft bounce: only hard ones go to Dynamics" // R18.3
	case ledger.SeedOrProof:
		out.Meaning = "of a seed or a proof: nobody's timeline"
	case ledger.NoContact:
		out.Meaning = "the profile has no external id, so it is no contact of Dynamics"
		if e.Contact != "" {
			out.Meaning = "Dynamics had no contact with the profile's external id" // R18.11
		}
	case ledger.Refused:
		out.Meaning = "it was refused, and is set aside"
		items, err := a.o.Ledger.Quarantined(ctx, ledger.QuarantineFilter{Flow: FlowEgress, Key: e.Key, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(items) > 0 {
			q := items[0]
			out.Quarantine = &QuarantinedRecord{Table: q.Table, ID: q.Key, Run: q.Run, Class: q.Class, Code: q.Code, Field: q.Field, Message: q.Message,
				FirstSeen: q.FirstSeen, LastSeen: q.LastSeen, Attempts: q.Attempts}
		}
	}
	if e.Written() {
		out.Activity = uuid.NewSHA1(timeline.Namespace(a.o.Instance), []byte(e.Key)).String()
	}
	return out, nil
}

// explainLive looks for the rows in Dynamics: somebody may have deleted one.
func (a *Egress) explainLive(ctx context.Context, s EgressSettings, known []ExplainedEvent) error {
	for i := range known {
		e := &known[i]
		table := s.TableOf(events.Type(e.Type))
		if e.Activity == "" || table == "" {
			continue
		}
		entity, err := a.o.Dynamics.Entity(ctx, table)
		if err != nil {
			return toTemporal(ctx, fmt.Errorf("reading the definition of %s: %w", table, err))
		}
		page, err := a.o.Dynamics.ByIDs(ctx, dataverse.Query{EntitySet: entity.EntitySetName, KeyColumn: "activityid", Select: []string{"activityid"}}, []string{e.Activity})
		if err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound {
			return toTemporal(ctx, fmt.Errorf("looking for the activity in Dynamics: %w", err))
		}
		there := err == nil && slices.ContainsFunc(page.Changes, func(c dataverse.Change) bool { return c.Key == e.Activity })
		e.InDynamics = &there
		if !there {
			e.Meaning += "; it is not there any more: somebody deleted it, or its contact"
		}
	}
	return nil
}
