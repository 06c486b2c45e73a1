package optout

import (
	"context"
	"slices"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

// This file carries opt-outs from a contact that was merged to its winner. The two are in
// different lanes, so what goes over is kept in the ledger with the loser's result, and
// the winner is looked at in the next page.

// attributes are the attributes of Campaign that have a pair.
func (p *settingsPlan) attributes() []string {
	out := make([]string, len(p.Settings.Pairs))
	for i, pair := range p.Settings.Pairs {
		out[i] = pair.Campaign
	}
	return out
}

// owedPairs are the pairs whose opt-out is owed to the contacts of the lane.
func (w *contactWriter) owedPairs(ctx context.Context) (map[string][]string, error) {
	var ids []string
	for _, e := range w.lane.Entries {
		ids = append(ids, e.Key)
	}
	slices.Sort(ids)
	owed, err := w.o.Ledger.OwedOptOuts(ctx, slices.Compact(ids))
	if err != nil {
		return nil, err
	}
	out := make(map[string][]string, len(owed))
	for id, attributes := range owed {
		for _, pair := range w.plan.Settings.Pairs {
			if slices.Contains(attributes, pair.Campaign) {
				out[id] = append(out[id], pair.Name())
			}
		}
	}
	return out, nil
}

// handOver is the result of a contact: its state, the opt-outs that go to the contact it
// was merged into, and those that it has taken over itself.
func (w *contactWriter) handOver(s *contactState, known *optout.Contact, state ledger.OptOut) *ledger.OptOutResult {
	out := &ledger.OptOutResult{State: state}
	for _, pair := range slices.Concat(s.handsOver, known.HandsOver(s.before, w.plan.Settings.Names())) {
		out.Owed = append(out.Owed, ledger.OwedOptOut{Contact: known.Winner, Attribute: optout.ParsePair(pair).Campaign, Loser: s.id})
	}
	for _, pair := range s.owed {
		out.TakenOver = append(out.TakenOver, optout.ParsePair(pair).Campaign)
	}
	return out
}
