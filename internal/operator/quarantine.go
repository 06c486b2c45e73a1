package operator

import (
	"context"
	"crypto/rand"

	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// ListQuarantine counts the records in quarantine by reason, and lists the first.
func (i *Instance) ListQuarantine(ctx context.Context, in activities.QuarantineListInput) (r activities.QuarantineListResult, err error) {
	err = i.ask(ctx, i.Timeout, activities.ListQuarantine, in, &r)
	if len(r.Records) == 0 {
		r.Groups, r.Records = []activities.QuarantineGroup{}, []activities.QuarantinedRecord{}
	}
	return r, err
}

// CountQuarantine counts the open quarantined records of a flow that a selection means.
func (i *Instance) CountQuarantine(ctx context.Context, name string, s activities.Selection) (int64, error) {
	if err := i.Known(name); err != nil {
		return 0, err
	}
	list, err := i.ListQuarantine(ctx, activities.QuarantineListInput{Table: name, Selection: s, Limit: 1})
	return list.Total, err
}

// ShownRecord is a refused record, with its values if they were asked for.
type ShownRecord struct {
	activities.ShowQuarantinedResult
	Sealed []byte                     `json:"sealed,omitempty"` // hides the other: it is opened here
	Values []activities.RevealedField `json:"values,omitempty"`
}

// ShowQuarantined says why a record was refused, and what would be sent of it now.
// With reveal the worker seals its values to a key made for this one answer, so that
// Temporal holds nothing readable.
func (i *Instance) ShowQuarantined(ctx context.Context, name, id string, reveal bool) (*ShownRecord, error) {
	switch f := i.flow(name); {
	case f.id.IsEvents():
		return nil, badInput("%s is an event; what became of it says: causeway explain event <key>", id)
	case f.id.IsOptOut():
		return nil, badInput("%s is of the flow of opt-outs; what was decided about it says: causeway optout history %s", id, id)
	}
	if err := i.Known(name); err != nil {
		return nil, err
	}
	in, err := activities.ShowQuarantinedInput{Table: name, By: i.By}, error(nil)
	if in.ID, err = recordID("id", "record", id); err != nil {
		return nil, err
	}
	shown := &ShownRecord{}
	if !reveal {
		return shown, i.ask(ctx, i.Timeout, activities.ShowQuarantined, in, &shown.ShowQuarantinedResult)
	}
	err = sealed(func(public, private *[32]byte) error {
		in.RevealTo = public[:]
		if err := i.ask(ctx, i.Timeout, activities.ShowQuarantined, in, &shown.ShowQuarantinedResult); err != nil {
			return err
		}
		shown.Values, err = activities.Reveal(shown.ShowQuarantinedResult.Sealed, public, private)
		return unsealed(err)
	})
	return shown, err
}

// sealed asks a question whose answer only this process can read.
func sealed(ask func(public, private *[32]byte) error) error {
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return failed("making a key for the answer: %v", err)
	}
	return ask(public, private)
}

func unsealed(err error) error {
	if err != nil {
		return failed("%v", err)
	}
	return nil
}

// Releasable fails with the reason why a flow's quarantine cannot be released.
func (i *Instance) Releasable(name string) error {
	switch f := i.flow(name); {
	case f.id.IsEvents():
		return badInput("events are not released one by one; when the cause is mended, read them again: causeway events backfill")
	case f.id.IsOptOut():
		return badInput("refused contacts of optout are tried again by themselves, within two hours or when they change; what is in a file is read again when the file is mended")
	}
	return nil
}

// Release has quarantined records tried again, as Dynamics has them now: the selected ones,
// or all.
func (i *Instance) Release(ctx context.Context, name string, s activities.Selection, all bool) (answer workflows.ReleaseAnswer, err error) {
	if err := i.Releasable(name); err != nil {
		return answer, err
	}
	request := workflows.ReleaseRequest{Selection: s, All: all, By: i.By}
	err = i.flow(name).update(ctx, workflows.UpdateRelease, request, &answer)
	return answer, err
}

// Discard closes quarantined records for a reason, so that they are not tried again.
func (i *Instance) Discard(ctx context.Context, name string, s activities.Selection, reason string) (r activities.DiscardResult, err error) {
	in := activities.DiscardInput{Table: name, Selection: s, Discard: activities.Discard{By: i.By, Reason: reason, At: i.Now().UTC()}}
	if err := i.ask(ctx, i.Timeout, activities.DiscardQuarantined, in, &r); err != nil {
		return r, err
	}
	if i.flow(name).id.IsTable() { // a flow that waits counts anew; one that does not will
		_, _ = i.SyncNow(ctx, name)
	}
	return r, nil
}
