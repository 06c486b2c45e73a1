package simulation

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"causeway.dev/sandbox/eventlog"
)

// edit is somebody at work in one of the systems. It prefers records that are on
// their way.
func (w *world) edit(rng *rand.Rand) {
	keys := w.dynamics.Keys(contacts)
	if len(keys) == 0 {
		w.add("")
		return
	}
	key := keys[rng.IntN(len(keys))]
	if under := w.underWay(keys); len(under) > 0 && rng.IntN(2) == 0 {
		key = under[rng.IntN(len(under))]
	}
	w.editOne(rng, key)
}

func (w *world) editOne(rng *rand.Rand, key string) {
	w.made++
	switch n := rng.IntN(20); {
	case n < 6:
		w.change(key, "address1_city", fmt.Sprintf("City%d", w.made))
	case n < 8:
		w.change(key, "firstname", fmt.Sprintf("Name%d", w.made))
	case n < 10:
		w.change(key, "donotbulkemail", w.dynamics.Row(contacts, key)["donotbulkemail"] != true)
	case n < 12:
		job := "left"
		if w.dynamics.Row(contacts, key)["jobtitle"] == "left" {
			job = "Purser"
		}
		w.change(key, "jobtitle", job)
	case n < 15:
		w.note("  Dynamics: %s deleted", key)
		w.dynamics.Delete(contacts, key)
		w.deleted = append(w.deleted, key)
		w.goneOnce[key] = true
		w.forgets(key)
	case n < 17:
		again := ""
		if len(w.deleted) > 0 && rng.IntN(4) > 0 {
			again = w.deleted[rng.IntN(len(w.deleted))]
		}
		w.add(again)
	case n < 19:
		w.write(key)
	default:
		w.erase(key)
	}
}

// editUnderWay changes a record that is named at a seam.
func (w *world) editUnderWay(rng *rand.Rand) {
	under := w.underWay(w.dynamics.Keys(contacts))
	linked := w.linkedUnderWay()
	if n := len(under) + len(linked); n > 0 {
		if at := rng.IntN(n); at < len(under) {
			w.editOne(rng, under[at])
		} else {
			w.editLinked(rng, linked[at-len(under)])
		}
	}
}

// underWay lists the records that are named at a seam.
func (w *world) underWay(keys []string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
		return !slices.ContainsFunc(w.waiting, func(o *op) bool { return strings.Contains(o.label, key) })
	})
}

func (w *world) change(key, column string, value any) {
	w.note("  Dynamics: %s %s = %v", key, column, value)
	must(w.dynamics.Update(contacts, key, map[string]any{column: value}))
}

// add creates a contact, with the id of a deleted one if there is none with it.
func (w *world) add(key string) {
	w.made++
	w.deleted = slices.DeleteFunc(w.deleted, func(k string) bool { return k == key })
	if key == "" {
		key = fmt.Sprintf("c0ffee00-0000-4000-8000-%012d", w.made)
	}
	if w.dynamics.Row(contacts, key) != nil {
		return
	}
	w.note("  Dynamics: %s created", key)
	if w.winner[key] != "" { // whose its events are depends on when each was written
		w.goneOnce[w.person(key)] = true
		delete(w.winner, key)
	}
	_, err := w.dynamics.Insert(contacts, map[string]any{
		"contactid": key, "firstname": fmt.Sprintf("Name%d", w.made), "lastname": "Doe", "emailaddress1": fmt.Sprintf("new%d@example.test", w.made),
		"address1_city": fmt.Sprintf("City%d", w.made), "jobtitle": "Purser", "donotbulkemail": false,
	})
	must(err)
}

// write is a Campaign user who edits a field that is not mapped.
func (w *world) write(key string) {
	if w.campaign.Profile(key) == nil {
		return
	}
	text := fmt.Sprintf("note %d", w.made)
	body, err := json.Marshal(map[string]string{"mobilePhone": text})
	must(err)
	must(w.campaign.Update("profile", key, body))
	w.notes[key] = note{text, w.campaign.WriteCounts("profile", key).Inserts}
	w.note("  Campaign: %s annotated", key)
}

// erase is a Campaign user who deletes a profile. It comes back with the next change.
func (w *world) erase(key string) {
	if w.campaign.Profile(key) == nil {
		return
	}
	must(w.campaign.Delete("profile", key))
	w.erased[key] = true
	w.forgets(key)
	w.note("  Campaign: %s erased", key)
}

var eventKinds = []string{eventlog.Send, eventlog.Open, eventlog.Click, eventlog.Bounce}

// recipient is somebody who does something with an e-mail. The first one brings the
// flow of events about.
func (w *world) recipient(rng *rand.Rand) {
	if w.events == nil {
		w.events = &flow{w: w, steps: w.eventSteps()}
		w.running.Go(w.events.run)
	}
	keys := w.dynamics.Keys(contacts)
	for range 1 + rng.IntN(4) {
		if len(keys) == 0 {
			return
		}
		key, kind := keys[rng.IntN(len(keys))], eventKinds[rng.IntN(len(eventKinds))]
		w.made++
		_, err := w.log.Push(eventlog.Pushed{Kind: kind, ExternalID: key, Email: "a@example.test", URL: fmt.Sprintf("https://shop.example/%d", w.made), Times: 1 + rng.IntN(2)})
		must(err)
		w.pushed[key]++
		w.note("  Campaign: %s of %s", kind, key)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
