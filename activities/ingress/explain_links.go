package ingress

import (
	"bytes"
	"context"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// explainParents corrects a decision for parents that Campaign does not hold: the
// writer parks what it may not send, and what Campaign hides or refuses (links.go).
func (a *Activities) explainParents(ctx context.Context, m *tableMapper, rec *ledger.Record, w wanted, out *activities.ExplainLive) error {
	held := rec != nil && rec.Payload != nil
	same := held && bytes.Equal(rec.Fingerprint, w.change.Fingerprint())
	writer := recordWriter{ledger: a.o.Ledger}
	for _, link := range m.mapper.Links(w.whole) {
		parent := link.Table + "/" + link.Key
		there, err := a.o.Ledger.Holds(ctx, link.Table, []string{link.Key})
		if err != nil {
			return err
		}
		_, missing, err := writer.missing(ctx, []mapping.Link{link})
		if err != nil {
			return err
		}
		switch {
		case same && out.InCampaign:
			// What was written stays, whatever became of the parent.
		case same && missing:
			out.Decision, out.Why = "nothing", "what Dynamics says has been written; Campaign hides it until its parent is there: "+parent
			return nil
		case same:
			// Somebody deleted it in Campaign.
		case link.Required && !there[link.Key], missing && (held && !out.InCampaign || rec != nil && rec.State == ledger.Parked):
			out.Decision, out.Why = "wait", "Campaign does not hold its parent yet; it goes on by itself when that is there: "+parent
			return nil
		case missing && !out.InCampaign:
			out.Why += "; until its parent is there Campaign may hide it: " + parent
			return nil
		}
	}
	if same || out.InCampaign {
		return nil
	}
	link, hidden, err := a.hiddenBy(ctx, m, rec)
	if hidden {
		out.Decision, out.Why = "wait", "Campaign hides it until the parent that it has there comes; it goes on by itself then: "+link.Table+"/"+link.Key
	}
	return err
}

// hiddenBy is the parent for want of which Campaign hides a record that we wrote.
func (a *Activities) hiddenBy(ctx context.Context, m *tableMapper, rec *ledger.Record) (mapping.Link, bool, error) {
	if rec == nil || rec.Payload == nil || !m.mapper.Linked() {
		return mapping.Link{}, false, nil
	}
	writer := recordWriter{ledger: a.o.Ledger, m: m, table: m.plan.Table.Name}
	return writer.awaited(ctx, rec.Payload)
}
