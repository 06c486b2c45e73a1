package reconcile_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/reconcile"
)

// world is a Campaign with one record, which it hides while its owner is missing.
type world struct {
	rules   *reconcile.Rules
	has     *car
	parents map[string]bool // contacts and garages that are there
	picky   bool            // it refuses what is sent
	deletes int
}

func (w *world) hides() bool { return w.has != nil && w.has.Owner != "" && !w.parents[w.has.Owner] }

func (w *world) target(t *rapid.T) reconcile.Target {
	if w.has == nil || w.hides() {
		return shownNothing
	}
	return shows(t, w.rules, *w.has)
}

// send does what an action says, or refuses it as Campaign would.
func (w *world) send(t *rapid.T, a *reconcile.Action) *apierr.Error {
	reason := func(r string) *apierr.Error { return &apierr.Error{Class: apierr.Rejected, Reason: r} }
	var next car
	body := a.Body
	switch {
	case a.Kind == reconcile.Create && w.has != nil:
		return reason(apierr.ReasonExists)
	case a.Kind == reconcile.Create:
		body = a.Payload.Body()
	case w.has == nil || w.hides():
		return reason(apierr.ReasonNotFound)
	case a.Kind == reconcile.Delete:
		w.deletes++
		w.has = nil
		return nil
	default:
		next = *w.has
	}
	if w.picky {
		return reason(apierr.ReasonTooLong)
	}
	var sent struct {
		Name, Plate, Owner *string
		Garage             *struct{ PKey *string }
		BlackListEmail     *bool
	}
	require.NoError(t, json.Unmarshal(body, &sent))
	if sent.Garage != nil && sent.Garage.PKey != nil {
		if next.Garage = *sent.Garage.PKey; next.Garage != "" && !w.parents[next.Garage] {
			return reason(apierr.ReasonNotFound)
		}
	}
	set(&next.Name, sent.Name)
	set(&next.Plate, sent.Plate)
	set(&next.Owner, sent.Owner)
	set(&next.OptedOut, sent.BlackListEmail)
	w.has = &next
	return nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (w *world) missing(links []mapping.Link) reconcile.Parents {
	for _, l := range links {
		if !w.parents[l.Key] {
			return missing(l)
		}
	}
	return there
}

// Whatever the ledger, Dynamics and Campaign say, a decision comes to an end, and what
// it does is allowed.
func TestAnyRecordComesToAnAllowedEnd(t *testing.T) {
	t.Parallel()
	fixed := cars(t)
	rapid.Check(t, func(t *rapid.T) {
		rules := fixed
		flip := rapid.Bool()
		rules.ApplyDeletes, rules.DeleteUnmatched, rules.ClearOptOuts, rules.Replay = flip.Draw(t, "apply deletes"), flip.Draw(t, "delete unmatched"), flip.Draw(t, "clear"), flip.Draw(t, "replay")
		some := rapid.Custom(func(t *rapid.T) car {
			pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
			return car{Name: pick("name", "Beetle", "Golf", ""), Plate: pick("plate", "A 1", "B 2"), Owner: pick("owner", "", owner.Key, seller.Key), Garage: pick("garage", "", garage.Key), OptedOut: rapid.Bool().Draw(t, "opted out")}
		})
		w := &world{rules: &rules, picky: rapid.IntRange(0, 9).Draw(t, "picky") == 0, parents: map[string]bool{}}
		for _, key := range []string{owner.Key, seller.Key, garage.Key} {
			w.parents[key] = flip.Draw(t, "there")
		}
		if flip.Draw(t, "campaign has it") {
			c := some.Draw(t, "in campaign")
			w.has = &c
		}
		var known reconcile.Known
		if flip.Draw(t, "written") {
			known = written(t, &rules, some.Draw(t, "as written"))
		}
		known.Parked, known.Own = flip.Draw(t, "parked"), flip.Draw(t, "own")
		var says car
		if rapid.IntRange(0, 3).Draw(t, "deleted") > 0 {
			says = some.Draw(t, "in dynamics")
			says.Status = rapid.SampledFrom([]string{"", "left"}).Draw(t, "status")
			says.Name += rapid.SampledFrom([]string{"", "", "", " of more than twenty letters"}).Draw(t, "long")
		}
		e := entry(t, &rules, &known, says)
		guard := rapid.SampledFrom([]reconcile.Guard{reconcile.GuardAllows, reconcile.GuardForbids}).Draw(t, "guard")
		f := reconcile.Facts{Parents: map[mapping.Link]bool{}, Children: flip.Draw(t, "children"), Ambiguous: flip.Draw(t, "ambiguous"), Retried: flip.Draw(t, "retried")}
		if w.parents[garage.Key] {
			f.Parents[garage] = true
		}
		if known.Parked {
			f.Waits = reconcile.Waiting{For: reconcile.Wait(rapid.IntRange(0, 3).Draw(t, "waits")), Deleted: flip.Draw(t, "delete waits"), Version: "2", Ready: flip.Draw(t, "ready")}
		}
		f.Lost = known.Held() && flip.Draw(t, "lost")
		before, sentDelete := w.has, false
		var end reconcile.Action
		for step := 0; ; step++ {
			require.Less(t, step, 12, "it goes round and round")
			a := rules.Decide(&known, &e, &f)
			require.Equal(t, a, rules.Decide(&known, &e, &f), "the same twice")
			switch a.Needs {
			case reconcile.WantedParents:
				require.False(t, f.Wanted.Asked)
				f.Wanted = w.missing(rules.Mapper.Links(e.Whole))
				continue
			case reconcile.HeldParents:
				require.False(t, f.Held.Asked)
				last, err := mapping.ParsePayload(known.Payload)
				require.NoError(t, err)
				f.Held = w.missing(rules.Mapper.Links(last))
				continue
			case reconcile.GuardOpen:
				require.Equal(t, reconcile.GuardUnasked, f.Guard)
				f.Guard = guard
				continue
			case reconcile.TargetRecord:
				require.False(t, f.Target.Asked)
				f.Target = w.target(t)
				continue
			}
			end = a
			if !a.Sends() {
				require.Same(t, before, w.has, "nothing was sent, so nothing changed: %s", a.Kind)
				break
			}
			if a.Kind == reconcile.Adopt {
				require.Equal(t, string(f.Target.Payload.Canonical()), string(a.Before), "what it held is kept")
			}
			sentDelete = sentDelete || a.Kind == reconcile.Delete
			if fail := w.send(t, &a); fail != nil {
				require.True(t, f.Answered(a.Kind, fail))
				continue
			}
			break
		}
		approved := f.Waits.Ready && f.Waits.For != reconcile.ForParent
		require.False(t, sentDelete && guard == reconcile.GuardForbids && !approved, "the delete guard said no")
		require.False(t, sentDelete && !known.Held(), "what Campaign had was not ours") // R2.5
		require.NotEqual(t, reconcile.Stop, end.Kind)
		if taken := end.Kind == reconcile.Adopt && !known.Held() && before.OptedOut; taken && !rules.ClearOptOuts {
			require.True(t, w.has.OptedOut, "taking a record over ended an opt-out")
		}
		if end.Kind != reconcile.Create && end.Kind != reconcile.Update && end.Kind != reconcile.Adopt {
			return
		}
		if stored, err := rules.Mapper.FromTarget(w.has.stored()); end.Kind != reconcile.Update {
			require.NoError(t, err)
			_, drifted := rules.Mapper.Drift(end.Payload, stored)
			require.Empty(t, drifted, "Campaign holds what Dynamics said")
		}
		known = reconcile.Known{Payload: end.Payload.Canonical(), Fingerprint: end.Payload.Fingerprint()}
		e = entry(t, &rules, &known, says)
		again := rules.Decide(&known, &e, &reconcile.Facts{Parents: f.Parents})
		require.Equal(t, reconcile.SameAsWritten, again.Why, "once written, it is unchanged")
	})
}
