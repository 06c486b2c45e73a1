package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/events"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

// EvidenceInput selects decisions about opt-outs, the oldest first.
type EvidenceInput struct {
	Contact string         `json:"contact,omitempty"` // id in Dynamics; "" = everybody
	Since   time.Time      `json:"since,omitzero"`    // of the decision
	Until   time.Time      `json:"until,omitzero"`    // not included
	After   *EvidencePlace `json:"after,omitempty"`   // goes on behind it
	Limit   int            `json:"limit,omitempty"`   // 1 to 1,000; default 1,000
	// RevealTo is the X25519 public key of whoever asks, made for this question: what
	// people chose is in no history but sealed to it.
	RevealTo []byte `json:"reveal_to"`
}

// EvidencePlace is where a listing stands.
type EvidencePlace struct {
	At      time.Time `json:"at"`
	Contact string    `json:"contact"`
	Run     string    `json:"run"`
	Pair    string    `json:"pair"`
}

// EvidenceResult is a page of decisions.
type EvidenceResult struct {
	Rows   int            `json:"rows"`
	Next   *EvidencePlace `json:"next,omitempty"` // nil: there are no more
	Sealed []byte         `json:"sealed"`         // []Evidence, see RevealEvidence
}

// Evidence is one decision and what it rests on.
type Evidence struct {
	Contact   string    `json:"contact"`
	At        time.Time `json:"at"`
	Run       string    `json:"run"`
	Attribute string    `json:"attribute"` // of Campaign, by its canonical name
	Column    string    `json:"column"`    // of Dynamics
	Dynamics  Choice    `json:"dynamics"`
	Campaign  Choice    `json:"campaign"`
	Rule      string    `json:"rule"`
	OptedOut  bool      `json:"opted_out"` // the value that both sides are to hold
	Effect    string    `json:"effect"`    // what was written: dynamics, campaign, both, waits, refused; "" = nothing
}

// Choice is what one side said.
type Choice struct {
	Known    bool      `json:"known"`
	OptedOut bool      `json:"opted_out"`
	At       time.Time `json:"at,omitzero"` // when it was chosen there; zero: unknown
}

// OptOutEvidence lists what was decided about opt-outs, and why.
func (a *OptOut) OptOutEvidence(ctx context.Context, in EvidenceInput) (*EvidenceResult, error) {
	if in.Contact != "" && events.ContactID(in.Contact) == "" {
		return nil, blocked("BadInput", "the contact's id is not a GUID")
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
	rows := make([]Evidence, 0, len(found))
	for _, d := range found {
		pair := optout.ParsePair(d.Pair)
		rows = append(rows, Evidence{
			Contact: d.Contact, At: d.At, Run: d.Run, Attribute: pair.Campaign, Column: pair.Dynamics, Rule: d.Rule, OptedOut: d.Out, Effect: d.Effect,
			Dynamics: Choice{Known: d.Dynamics.Known, OptedOut: d.Dynamics.Out, At: d.Dynamics.At},
			Campaign: Choice{Known: d.Campaign.Known, OptedOut: d.Campaign.Out, At: d.Campaign.At},
		})
	}
	out := &EvidenceResult{Rows: len(rows)}
	if len(found) == f.Limit {
		last := found[len(found)-1]
		out.Next = &EvidencePlace{At: last.At, Contact: last.Contact, Run: last.Run, Pair: last.Pair}
	}
	out.Sealed, err = seal(rows, in.RevealTo)
	return out, err
}

// RevealEvidence opens what OptOutEvidence sealed to a pair of keys.
func RevealEvidence(sealed []byte, public, private *[32]byte) ([]Evidence, error) {
	return reveal[[]Evidence](sealed, public, private)
}

// CheckOptOutsInput asks for a comparison of both systems as they are now, a part
// at a time.
type CheckOptOutsInput struct {
	Settings OptOutSettings `json:"settings"`
	Link     string         `json:"link,omitempty"` // where the last part ended; "" = from the beginning
}

// CheckOptOutsResult is a part of a comparison. What people chose is not in it.
type CheckOptOutsResult struct {
	Profiles  int64              `json:"profiles"`  // of contacts, looked at
	Missing   int64              `json:"missing"`   // of them without their contact in Dynamics
	Different []OptOutDifference `json:"different"` // pairs that do not agree
	Waiting   int64              `json:"waiting"`   // contacts whose opt-out waits for a profile
	Link      string             `json:"link,omitempty"`
}

// OptOutDifference is a choice on which the systems do not agree.
type OptOutDifference struct {
	Contact   string `json:"contact"`
	Attribute string `json:"attribute"`
	Column    string `json:"column"`
}

const checkedPages = 5 // of profiles, in one part

// CheckOptOuts compares what both systems hold now. It writes nothing and rests on
// nothing that is known from before.
func (a *OptOut) CheckOptOuts(ctx context.Context, in CheckOptOutsInput) (*CheckOptOutsResult, error) {
	defer keepBeating(ctx, nil)()
	plan, err := a.resolvePairs(ctx, in.Settings)
	if err != nil {
		return nil, err
	}
	out := &CheckOptOutsResult{Different: []OptOutDifference{}, Link: in.Link}
	if out.Waiting, err = a.o.Ledger.OptOutsWaiting(ctx, ledger.WaitsForProfile); err != nil {
		return nil, err
	}
	for range checkedPages {
		page, err := tried(ctx, func() (*campaign.Page, error) {
			if out.Link != "" {
				return a.o.Campaign.Follow(ctx, plan.resource(), out.Link)
			}
			return a.o.Campaign.List(ctx, plan.resource(), campaign.ListOptions{Lines: profilesPerPage})
		})
		if err != nil {
			return nil, toTemporal(ctx, fmt.Errorf("listing profiles: %w", err))
		}
		if err := a.compare(ctx, plan, page.Records, out); err != nil {
			return nil, toTemporal(ctx, err)
		}
		if out.Link = page.Next; out.Link == "" {
			break
		}
	}
	return out, nil
}

func (a *OptOut) compare(ctx context.Context, plan *optOutPlan, records [][]byte, out *CheckOptOutsResult) error {
	profiles := map[string]*optout.CampaignRow{}
	var ids []string
	for _, raw := range records {
		e, ours, err := plan.campaignEntry(raw, time.Time{})
		if err != nil {
			return err
		}
		if ours {
			profiles[e.Key] = plan.campaignRow(raw, time.Time{})
			ids = append(ids, e.Key)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	page, err := tried(ctx, func() (*dataverse.Page, error) { return a.o.Dynamics.ByIDs(ctx, plan.query(), ids) })
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
		for _, pair := range plan.Settings.Pairs {
			there, told := profiles[c.Key].Values[pair.Name()]
			here := row.Values[pair.Name()]
			// No value is no opt-out.
			if told && there.Out != (here != nil && *here) {
				out.Different = append(out.Different, OptOutDifference{Contact: c.Key, Attribute: pair.Campaign, Column: pair.Dynamics})
			}
		}
	}
	slices.SortFunc(out.Different, func(a, b OptOutDifference) int { return strings.Compare(a.Contact+a.Attribute, b.Contact+b.Attribute) })
	return nil
}
