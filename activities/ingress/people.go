package ingress

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"causeway.dev/activities"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/optout"
)

// This file keeps opt-outs when profiles come and go: who opted out stays so when a
// contact is merged, filtered out and in again, or erased in Campaign.

// maxMerges is how many merges are followed, from winner to winner.
const maxMerges = 5

// knownOptOuts is what the ledger knows of the opt-outs of a contact.
type knownOptOuts struct {
	contact *optout.Contact // of the opt-out flow; nil: nothing
	owed    []string        // attributes that a merged contact leaves to it
}

// optOutsOf looks up what the ledger knows of the opt-outs of contacts.
func (a *Activities) optOutsOf(ctx context.Context, m *tableMapper, contacts []string) (map[string]knownOptOuts, error) {
	if !m.mapper.HasOptOuts() || len(contacts) == 0 {
		return nil, nil
	}
	owed, err := a.o.Ledger.OwedOptOuts(ctx, contacts)
	if err != nil {
		return nil, err
	}
	found, err := a.o.Ledger.OptOuts(ctx, contacts)
	if err != nil {
		return nil, err
	}
	out := make(map[string]knownOptOuts, len(contacts))
	for _, id := range contacts {
		known := knownOptOuts{owed: owed[id]}
		if o := found[id]; o != nil {
			known.contact = &optout.Contact{}
			if err := json.Unmarshal(o.Doc, known.contact); err != nil {
				return nil, fmt.Errorf("what is known of the opt-outs of contact %s cannot be read: %w", id, err)
			}
		}
		out[id] = known
	}
	return out, nil
}

// mayBeCreated lists the records of a lane that Campaign does not hold, as far as the
// ledger knows.
func mayBeCreated(lane *ledger.Lane, known map[string]*ledger.Record) []string {
	var out []string
	for i := range lane.Entries {
		e := &lane.Entries[i]
		if rec := known[e.Key]; lane.Outcomes[i] == ledger.Pending && !e.Deleted && (rec == nil || rec.Payload == nil) {
			out = append(out, e.Key)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// created is a record to be created.
type created struct {
	doc        []byte
	handedOver []string // attributes that were owed to it, and that no flow takes over
}

// createBody is the body that creates a record. A profile begins with the opt-outs that
// are known of its contact, so that nobody who opted out gets mail in between. row is
// the contact as Dynamics has it; nil when it was not read.
func (r *recordWriter) createBody(ctx context.Context, key string, row, body []byte) (created, error) {
	out := created{doc: body}
	if !r.m.mapper.HasOptOuts() {
		return out, nil
	}
	known, looked := r.optOuts[key]
	if !looked {
		found, err := r.activities.optOutsOf(ctx, r.m, []string{key})
		if err != nil {
			return out, err
		}
		known = found[key]
	}
	read, opted := r.m.mapper.OptedOut(row)
	if known.contact != nil {
		opted = append(opted, known.contact.OptedOut(read)...)
	}
	var fields []string
	for _, attribute := range opted {
		// A mapped one is as Dynamics says.
		if to, mapped := r.m.mapper.OptOutField(attribute); to != "" && !mapped {
			fields = append(fields, to)
		}
	}
	for _, attribute := range known.owed {
		if to, _ := r.m.mapper.OptOutField(attribute); to != "" {
			fields = append(fields, to)
		}
		if !r.m.mapper.Paired(attribute) {
			out.handedOver = append(out.handedOver, attribute)
		}
	}
	var err error
	out.doc, err = withOptOuts(body, fields)
	return out, err
}

// unreadOptOut is a field with an opt-out that only Campaign knows of; "" when there is
// none. Deleting the profile would lose it: the next load would make it mailable.
func (r *recordWriter) unreadOptOut(ctx context.Context, key string, last *mapping.Payload, stored []byte) (string, error) {
	unread, err := r.unreadOptOuts(ctx, key, last, stored, func() ([]byte, error) {
		row, err := r.activities.readOne(ctx, r.m.query, key)
		return row.Raw, err
	})
	if err != nil || len(unread) == 0 {
		return "", err
	}
	to, _ := r.m.mapper.OptOutField(unread[0])
	return to, nil
}

// unreadOptOuts are the attributes with an opt-out that only Campaign knows of: neither
// what was written last, nor the ledger, nor Dynamics has it. row gives the contact as
// Dynamics has it, if that matters.
func (r *recordWriter) unreadOptOuts(ctx context.Context, key string, last *mapping.Payload, stored []byte, row func() ([]byte, error)) ([]string, error) {
	if !r.m.mapper.HasOptOuts() {
		return nil, nil
	}
	unread := slices.DeleteFunc(r.m.mapper.HeldOptOuts(stored), func(attribute string) bool {
		to, _ := r.m.mapper.OptOutField(attribute)
		return string(last.Value(to)) == "true"
	})
	without := func(known []string) bool {
		unread = slices.DeleteFunc(unread, func(attribute string) bool { return slices.Contains(known, attribute) })
		return len(unread) > 0
	}
	if !without(nil) {
		return nil, nil
	}
	found, err := r.activities.optOutsOf(ctx, r.m, []string{key})
	if err != nil {
		return nil, err
	}
	known := found[key].owed
	if found[key].contact != nil {
		known = append(known, found[key].contact.OptedOut(nil)...)
	}
	if !without(known) {
		return nil, nil
	}
	raw, err := row()
	if err != nil {
		return nil, err
	}
	_, out := r.m.mapper.OptedOut(raw)
	without(out)
	return unread, nil
}

// keepOptOuts sees to it that no opt-out goes with a profile that is deleted while its
// person is still in Dynamics: merged into another contact, or left out by the filter.
// That costs a look at the profile, because the person may have opted out in Campaign a
// moment ago. Who is deleted in Dynamics has no row there that could come back.
func (d *decision) keepOptOuts(ctx context.Context) error {
	switch {
	case d.e.Deleted || !d.m.mapper.HasOptOuts():
		return nil
	case d.entry.Winner != "":
		return d.passOptOuts(ctx)
	}
	stored, err := d.target.Get(ctx, d.m.resource, d.m.mapper.MapKey(d.e.Key))
	if err != nil {
		return err
	}
	last := &mapping.Payload{}
	if d.rec != nil && d.rec.Payload != nil {
		if last, err = mapping.ParsePayload(d.rec.Payload); err != nil {
			return fmt.Errorf("reading what was written of record %s of %s: %w", d.e.Key, d.table, err)
		}
	}
	unread, err := d.unreadOptOuts(ctx, d.e.Key, last, stored.Raw, func() ([]byte, error) { return d.e.Raw, nil })
	if err != nil || len(unread) == 0 {
		return err
	}
	owed := make([]ledger.OwedOptOut, len(unread))
	for i, attribute := range unread {
		owed[i] = ledger.OwedOptOut{Contact: d.e.Key, Attribute: attribute, Loser: d.e.Key}
	}
	return d.ledger.OweOptOuts(ctx, owed)
}

// withOptOuts sets opt-outs in a body.
func withOptOuts(body []byte, fields []string) ([]byte, error) {
	if len(fields) == 0 {
		return body, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil {
		return nil, fmt.Errorf("adding opt-outs to a record: %w", err)
	}
	for _, field := range fields {
		object[field] = json.RawMessage("true")
	}
	return json.Marshal(object)
}

// passOptOuts gives the opt-outs of a profile to the winner of the merge, before the
// profile is deleted. The ledger keeps them until the winner's profile has them, which
// it may get when it is created.
func (d *decision) passOptOuts(ctx context.Context) error {
	if !d.m.mapper.HasOptOuts() {
		return nil
	}
	stored, err := d.target.Get(ctx, d.m.resource, d.m.mapper.MapKey(d.e.Key))
	if err != nil {
		return err
	}
	held := d.m.mapper.HeldOptOuts(stored.Raw)
	if len(held) == 0 {
		return nil
	}
	winner, err := d.activities.winnerOf(ctx, d.m, d.entry.Winner)
	if err != nil {
		return err
	}
	owed := make([]ledger.OwedOptOut, len(held))
	body := map[string]bool{}
	var unpaired []string // that no flow takes over
	for i, attribute := range held {
		owed[i] = ledger.OwedOptOut{Contact: winner, Attribute: attribute, Loser: d.e.Key}
		to, _ := d.m.mapper.OptOutField(attribute)
		body[to] = true
		if !d.m.mapper.Paired(attribute) {
			unpaired = append(unpaired, attribute)
		}
	}
	if err := d.ledger.OweOptOuts(ctx, owed); err != nil {
		return err
	}
	doc, err := json.Marshal(body)
	if err != nil {
		return err
	}
	err = d.target.Patch(ctx, d.m.resource, d.m.mapper.MapKey(winner), doc)
	if apierr.ReasonOf(err) == apierr.ReasonNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("giving the opt-outs of %s to %s, into which it was merged: %w", d.e.Key, winner, err)
	}
	return d.ledger.ForgetOwedOptOuts(context.WithoutCancel(ctx), winner, unpaired)
}

// winnerOf follows merges to the contact that was not merged itself, or that Dynamics
// does not have any more.
func (a *Activities) winnerOf(ctx context.Context, m *tableMapper, id string) (string, error) {
	for range maxMerges {
		row, err := a.readOne(ctx, m.query, id)
		if err != nil {
			return "", fmt.Errorf("reading contact %s, the winner of a merge: %w", id, err)
		}
		next := ""
		if !row.Deleted {
			next = m.mapper.MergedInto(row.Raw)
		}
		if next == "" {
			return id, nil
		}
		id = next
	}
	return id, nil
}

// erased tells of the records of a table that somebody deleted in Campaign, and that the
// mapping leaves so. The mapping is asked for only when there are any.
func (a *Activities) erased(ctx context.Context, table string, mappingOf func() (*tableMapper, error)) (*activities.Erased, error) {
	n, err := a.o.Ledger.LostCount(ctx, table)
	if err != nil {
		return nil, err
	}
	a.metrics.of(table).erased.Update(float64(n))
	if n == 0 {
		return nil, nil
	}
	m, err := mappingOf()
	if err != nil || !m.plan.Table.LeavesErased(false) {
		return nil, err
	}
	return &activities.Erased{Count: n, ForGood: m.plan.Table.LeavesErased(true)}, nil
}

// returned tells of the records of a table that came back after somebody had deleted
// them in Campaign.
func (a *Activities) returned(ctx context.Context, table string) (*activities.Returned, error) {
	found, err := a.o.Ledger.Returned(ctx, table)
	if err != nil {
		return nil, err
	}
	a.metrics.of(table).returned.Update(float64(found.Count))
	if found.Count == 0 {
		return nil, nil
	}
	return &activities.Returned{Count: found.Count, Last: found.Last}, nil
}
