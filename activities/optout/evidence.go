package optout

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/events"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

// OptOutEvidence lists what was decided about opt-outs, and why.
func (a *Activities) OptOutEvidence(ctx context.Context, in activities.EvidenceInput) (*activities.EvidenceResult, error) {
	if in.Contact != "" && events.ContactID(in.Contact) == "" {
		return nil, run.Blocked("BadInput", "the contact's id is not a GUID")
	}
	f := ledger.DecisionFilter{Contact: events.ContactID(in.Contact), Since: in.Since, Until: in.Until, Limit: min(max(in.Limit, 0), 1000)}
	if f.Limit == 0 {
		f.Limit = 1000
	}
	if p := in.After; p != nil {
		f.After = &ledger.OptOutDecision{At: p.At, Contact: p.Contact, Run: p.Run, Pair: p.Pair}
	}
	found, err := a.o.Ledger.OptOutDecisions(ctx, f)
	if err != nil {
		return nil, err
	}
	rows := make([]activities.Evidence, 0, len(found))
	for _, d := range found {
		pair := optout.ParsePair(d.Pair)
		rows = append(rows, activities.Evidence{
			Contact: d.Contact, At: d.At, Run: d.Run, Attribute: pair.Campaign, Column: pair.Dynamics, Rule: d.Rule, OptedOut: d.Out, Effect: d.Effect,
			Dynamics: activities.Choice{Known: d.Dynamics.Known, OptedOut: d.Dynamics.Out, At: d.Dynamics.At},
			Campaign: activities.Choice{Known: d.Campaign.Known, OptedOut: d.Campaign.Out, At: d.Campaign.At},
		})
	}
	out := &activities.EvidenceResult{Rows: len(rows)}
	if len(found) == f.Limit {
		last := found[len(found)-1]
		out.Next = &activities.EvidencePlace{At: last.At, Contact: last.Contact, Run: last.Run, Pair: last.Pair}
	}
	if out.Sealed, err = run.Seal(rows, in.RevealTo); err != nil {
		return nil, err
	}
	// All pages of a question have the same key. One that is used for other questions, too, is entered every hour.
	question := fmt.Sprintf("%x %s", in.RevealTo, time.Now().UTC().Format("2006-01-02T15"))
	return out, run.LogReveal(ctx, a.o.Ledger, question, ledger.Operation{By: in.By, Flow: activities.FlowOptOut, Detail: evidenceInWords(in)})
}

// evidenceInWords says whose choices are shown.
func evidenceInWords(in activities.EvidenceInput) string {
	words := "choices of everybody"
	if in.Contact != "" {
		words = "choices of " + events.ContactID(in.Contact)
	}
	if !in.Since.IsZero() {
		words += ", decided since " + in.Since.UTC().Format(time.RFC3339)
	}
	if !in.Until.IsZero() {
		words += ", decided before " + in.Until.UTC().Format(time.RFC3339)
	}
	return words
}

const checkedPages = 5 // of profiles, in one part

// CheckOptOuts compares what both systems hold now. It writes nothing, and does not use
// what the ledger knows.
func (a *Activities) CheckOptOuts(ctx context.Context, in activities.CheckOptOutsInput) (*activities.CheckOptOutsResult, error) {
	defer run.KeepBeating(ctx, nil)()
	plan, err := a.resolvePairs(ctx, in.Settings)
	if err != nil {
		return nil, err
	}
	out := &activities.CheckOptOutsResult{Different: []activities.OptOutDifference{}, Link: in.Link}
	if out.Waiting, err = a.o.Ledger.OptOutsWaiting(ctx, ledger.WaitsForProfile); err != nil {
		return nil, err
	}
	for range checkedPages {
		page, err := run.Retry(ctx, nil, func() (*campaign.Page, error) {
			if out.Link != "" {
				return a.o.Campaign.Follow(ctx, plan.resource(), out.Link)
			}
			return a.o.Campaign.List(ctx, plan.resource(), campaign.ListOptions{Lines: profilesPerPage})
		})
		if err != nil {
			return nil, run.ToTemporal(ctx, fmt.Errorf("listing profiles: %w", err))
		}
		if err := a.compare(ctx, plan, page.Records, out); err != nil {
			return nil, run.ToTemporal(ctx, err)
		}
		if out.Link = page.Next; out.Link == "" {
			break
		}
	}
	return out, nil
}

func (a *Activities) compare(ctx context.Context, plan *settingsPlan, records [][]byte, out *activities.CheckOptOutsResult) error {
	profiles := map[string]*optout.CampaignRow{}
	var ids []string
	var merged []mergedContact
	for _, raw := range records {
		e, ours, err := plan.campaignEntry(raw, time.Time{})
		if err != nil {
			return err
		}
		if !ours {
			continue
		}
		profile := plan.campaignRow(raw, time.Time{})
		if id := events.ContactID(e.Key); id != e.Key {
			merged = append(merged, mergedContact{id: e.Key, winner: id, since: optedOutSince(plan, nil, profile)})
			continue
		}
		profiles[e.Key] = profile
		ids = append(ids, e.Key)
	}
	if len(ids) == 0 {
		return a.compareMerged(ctx, plan, merged, out)
	}
	page, err := run.Retry(ctx, nil, func() (*dataverse.Page, error) { return a.o.Dynamics.ByIDs(ctx, plan.query(), ids) })
	if err != nil {
		return fmt.Errorf("reading contacts: %w", err)
	}
	out.Profiles += int64(len(ids))
	out.Missing += int64(len(ids) - len(page.Changes))
	for _, c := range page.Changes {
		row, err := plan.dynamicsRow(c)
		if err != nil {
			return &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonSchema, Service: "dataverse", Op: "compare contacts", Message: err.Error()}
		}
		if row.Winner != "" {
			merged = append(merged, mergedContact{id: c.Key, winner: row.Winner, since: optedOutSince(plan, row, profiles[c.Key])})
		}
		for _, pair := range plan.Settings.Pairs {
			there, told := profiles[c.Key].Values[pair.Name()]
			here := row.Values[pair.Name()]
			// No value is no opt-out.
			if told && there.Out != (here != nil && *here) {
				out.Different = append(out.Different, activities.OptOutDifference{Contact: c.Key, Attribute: pair.Campaign, Column: pair.Dynamics})
			}
		}
	}
	if err := a.compareMerged(ctx, plan, merged, out); err != nil {
		return err
	}
	slices.SortFunc(out.Different, func(a, b activities.OptOutDifference) int {
		return strings.Compare(a.Contact+a.Attribute+a.Loser, b.Contact+b.Attribute+b.Loser)
	})
	return nil
}
