package egress

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/events"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/timeline"
)

// ExplainEvent says what became of an event and why.
func (a *Activities) ExplainEvent(ctx context.Context, in activities.ExplainEventInput) (*activities.ExplainEventResult, error) {
	id := strings.TrimSpace(in.ID)
	if id == "" || len(id) > 300 {
		return nil, run.Blocked("BadInput", "got no event's id, want a key such as tracking/5000, or the id of a log entry")
	}
	keys := []string{id}
	if !strings.Contains(id, "/") {
		keys = append(keys, "broadlog/"+id+"/send", "broadlog/"+id+"/bounce", "tracking/"+id, "event/"+id)
	}
	known, err := a.o.Ledger.Events(ctx, keys)
	if err != nil {
		return nil, err
	}
	out := &activities.ExplainEventResult{Events: []activities.ExplainedEvent{}}
	for _, key := range keys {
		if e := known[key]; e != nil {
			one, err := a.explainEvent(ctx, e)
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

// explainEvent says what the ledger has of an event.
func (a *Activities) explainEvent(ctx context.Context, e *ledger.Event) (*activities.ExplainedEvent, error) {
	out := &activities.ExplainedEvent{
		Key: e.Key, Type: e.Type, Contact: e.Contact, Outcome: outcomeNames[e.Outcome], Time: e.Time, Run: e.Run, At: e.At,
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
		items, err := a.o.Ledger.Quarantined(ctx, ledger.QuarantineFilter{Flow: activities.FlowEgress, Key: e.Key, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(items) > 0 {
			q := items[0]
			out.Quarantine = &activities.QuarantinedRecord{Table: q.Table, ID: q.Key, Run: q.Run, Class: q.Class, Code: q.Code, Field: q.Field, Message: q.Message,
				FirstSeen: q.FirstSeen, LastSeen: q.LastSeen, Attempts: q.Attempts}
		}
	}
	if e.Written() {
		out.Activity = uuid.NewSHA1(timeline.Namespace(a.o.Instance), []byte(e.Key)).String()
	}
	return out, nil
}

// explainLive asks Dynamics whether it still has the rows.
func (a *Activities) explainLive(ctx context.Context, s activities.EgressSettings, known []activities.ExplainedEvent) error {
	for i := range known {
		e := &known[i]
		table := s.TableOf(events.Type(e.Type))
		if e.Activity == "" || table == "" {
			continue
		}
		entity, err := a.o.Dynamics.Entity(ctx, table)
		if err != nil {
			return run.ToTemporal(ctx, fmt.Errorf("reading the definition of %s: %w", table, err))
		}
		page, err := a.o.Dynamics.ByIDs(ctx, dataverse.Query{EntitySet: entity.EntitySetName, KeyColumn: "activityid", Select: []string{"activityid"}}, []string{e.Activity})
		if err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound {
			return run.ToTemporal(ctx, fmt.Errorf("looking for the activity in Dynamics: %w", err))
		}
		there := err == nil && slices.ContainsFunc(page.Changes, func(c dataverse.Change) bool { return c.Key == e.Activity })
		e.InDynamics = &there
		if !there {
			e.Meaning += "; it is not there any more: somebody deleted it, or its contact"
		}
	}
	return nil
}
