package simulation

import (
	"fmt"
	"math/rand/v2"
)

// merge is a user of Dynamics who merges two contacts. The first one stays.
func (w *world) merge(rng *rand.Rand) {
	keys := w.dynamics.Keys(contacts)
	if len(keys) < 2 {
		return
	}
	if under := w.underWay(keys); len(under) > 0 && rng.IntN(2) == 0 {
		keys = append([]string{under[rng.IntN(len(under))]}, keys...)
	}
	winner, loser := keys[rng.IntN(len(keys))], keys[rng.IntN(len(keys))]
	if rng.IntN(2) == 0 {
		loser = keys[0]
	}
	if w.isMerged(winner) || w.isMerged(loser) || winner == loser {
		return
	}
	w.note("  Dynamics: %s merged into %s", loser, winner)
	must(w.dynamics.Merge(winner, loser))
	w.winner[loser] = winner
	w.forgets(loser)
	if w.optedOut(loser) {
		w.inherits[winner] = true
	}
	if w.inherits[loser] { // through a chain of merges
		w.inherits[winner] = true
	}
}

// person is the contact that one has become by merges.
func (w *world) person(key string) string {
	for w.winner[key] != "" {
		key = w.winner[key]
	}
	return key
}

// eraseOne is a Campaign user who deletes a profile at the worst moment.
func (w *world) eraseOne(rng *rand.Rand) {
	keys := w.dynamics.Keys(contacts)
	if under := w.underWay(keys); len(under) > 0 && rng.IntN(3) > 0 {
		keys = under
	}
	if len(keys) > 0 {
		w.erase(keys[rng.IntN(len(keys))])
	}
}

func (w *world) isMerged(key string) bool { return w.dynamics.Row(contacts, key)["merged"] == true }

// optedOut says that a person has opted out in a system.
func (w *world) optedOut(key string) bool {
	p := w.campaign.Profile(key)
	return w.dynamics.Row(contacts, key)["donotbulkemail"] == true || p != nil && p["blackListEmail"] == true
}

// mayDiffer says that a profile may be opted out although its contact is not: it was
// merged with somebody who was.
func (w *world) mayDiffer(key, field string, got any) bool {
	return field == "blackListEmail" && w.inherits[key] && fmt.Sprint(got) == "true"
}
