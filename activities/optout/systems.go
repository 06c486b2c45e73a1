package optout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/optout"
)

// contactSides reads and writes the two records of one contact.
type contactSides struct {
	*contactWriter
	plan *settingsPlan // what the settings mean by the data models as they are now
	id   string
	held []byte // the profile, when it was read last
}

// Now is the time, less what the clocks may differ by.
func (b *contactSides) Now() time.Time { return b.o.Now().UTC().Add(-b.plan.Settings.Skew) }

// ReadCampaign reads the profile.
func (b *contactSides) ReadCampaign(ctx context.Context) (optout.CampaignRow, error) {
	at := b.Now()
	stored, err := b.o.Campaign.Get(ctx, b.plan.resource(), b.id)
	if apierr.ReasonOf(err) == apierr.ReasonNotFound {
		return optout.CampaignRow{Gone: true, Live: true, AsOf: at}, nil
	}
	if err != nil {
		return optout.CampaignRow{}, fmt.Errorf("reading the profile of %s: %w", b.id, err)
	}
	b.held = stored.Raw
	row := b.plan.campaignRow(stored.Raw, at)
	row.Live = true
	b.warnAhead(b.id, row.Believe(b.o.Now()))
	return *row, nil
}

// WriteCampaign sets opt-outs in the profile; false when there is none.
func (b *contactSides) WriteCampaign(ctx context.Context, decisions []optout.Decision) (bool, error) {
	body := map[string]bool{}
	for _, d := range decisions {
		if d.ToCampaign {
			body[b.plan.Wire[optout.ParsePair(d.Pair).Campaign]] = d.Out
		}
	}
	doc, err := json.Marshal(body)
	if err != nil {
		return false, err
	}
	err = b.o.Campaign.Patch(run.About(ctx, b.held), b.plan.resource(), b.id, doc)
	if apierr.ReasonOf(err) == apierr.ReasonNotFound {
		return false, nil
	}
	if err != nil {
		return false, markRefused(fmt.Errorf("writing the profile of %s: %w", b.id, err))
	}
	b.metrics.campaign.Inc(1)
	return true, nil
}

// ReadDynamics reads the contact.
func (b *contactSides) ReadDynamics(ctx context.Context) (optout.DynamicsRow, error) {
	change, err := b.o.Dynamics.Get(ctx, b.plan.query(), b.id)
	if apierr.ReasonOf(err) == apierr.ReasonNotFound {
		return optout.DynamicsRow{Gone: true}, nil
	}
	if err != nil {
		return optout.DynamicsRow{}, fmt.Errorf("reading contact %s: %w", b.id, err)
	}
	return b.rowOf(*change)
}

func (b *contactSides) rowOf(c dataverse.Change) (optout.DynamicsRow, error) {
	row, err := b.plan.dynamicsRow(c)
	if err != nil {
		return optout.DynamicsRow{}, &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonInvalidValue, Service: "dataverse", Op: "read contact", Message: err.Error()}
	}
	b.warnAhead(b.id, row.Believe(b.o.Now()))
	return *row, nil
}

// markRefused marks a refusal, so that reconcile goes on with the other choices. A refusal
// for a field that does not exist any more is not marked, and stops the flow.
func markRefused(err error) error {
	if apierr.ClassOf(err) != apierr.Rejected || apierr.ReasonOf(err) == apierr.ReasonSchema {
		return err
	}
	return fmt.Errorf("%w: %w", errRefused, err)
}

// WriteDynamics names the version that it replaces. So it does not overwrite an edit that
// was not read, and does not create a deleted contact again.
func (b *contactSides) WriteDynamics(ctx context.Context, version string, decisions []optout.Decision) (optout.DynamicsRow, error) {
	if version == "" { // without one, whatever is there would be overwritten
		return optout.DynamicsRow{}, errChanged
	}
	body := map[string]bool{}
	for _, d := range decisions {
		if d.ToDynamics {
			pair := optout.ParsePair(d.Pair)
			body[pair.Dynamics] = d.Out != pair.Inverted
		}
	}
	doc, err := json.Marshal(body)
	if err != nil {
		return optout.DynamicsRow{}, err
	}
	written, err := b.o.Dynamics.Update(ctx, dataverse.Write{
		Row: dataverse.Row{EntitySet: b.plan.EntitySet, ID: b.id}, Body: doc, IfMatch: version, Return: b.plan.query().Select, KeyColumn: b.plan.Key,
	})
	switch reason := apierr.ReasonOf(err); {
	case reason == apierr.ReasonConflict:
		return optout.DynamicsRow{}, errChanged
	case reason == apierr.ReasonNotFound:
		return optout.DynamicsRow{Gone: true}, nil
	case err != nil:
		return optout.DynamicsRow{}, markRefused(fmt.Errorf("writing contact %s: %w", b.id, b.withoutValues(ctx, err)))
	}
	b.metrics.dynamics.Inc(1)
	if optout.ClearsDynamics(decisions) {
		b.metrics.cleared.Inc(1)
	}
	return b.rowOf(dataverse.Change{Key: written.ID, Version: written.Version, Raw: written.Raw})
}

// withoutValues leaves out of a refusal what the contact holds. Only its choices are read
// to write them, and a plug-in may tell of anything else: so the whole row is read, which a
// refusal is rare enough for.
func (b *contactSides) withoutValues(ctx context.Context, err error) error {
	fail, ok := errors.AsType[*apierr.Error](err)
	if !ok || fail.Class != apierr.Rejected && fail.Reason != apierr.ReasonConfig {
		return err // its text is ours
	}
	whole := b.plan.query()
	whole.Select = nil
	masked := *fail
	if row, readErr := b.o.Dynamics.Get(ctx, whole, b.id); readErr == nil {
		masked.Message = apierr.Masked(fail.Message, apierr.ValuesOf(run.About(ctx, row.Raw)))
	} else {
		masked.Message = fmt.Sprintf("refused with status %d; what Dynamics said is left out, because it may tell of the contact", fail.Status)
	}
	return &masked
}
