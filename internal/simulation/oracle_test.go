package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// A simulation that takes longer to come to rest never does. Passes that find something
// each time do not wait for each other, and no time goes by: so moves count as well.
const (
	restWithin      = 12 * time.Hour
	restWithinMoves = 50_000
)

// rest ends all misfortunes and lets everything be tried again, until a few passes
// find nothing. It returns what is wrong then.
func (w *world) rest() []string {
	w.note("AT REST")
	w.setSkew(0)
	if stuck := w.wakeSleepers(); stuck != "" {
		return []string{stuck}
	}
	for _, a := range w.alive() {
		if a.isFrozen() {
			a.resume()
		}
	}
	if stuck := w.drain(); stuck != "" {
		return []string{stuck}
	}
	// A worker that was taken for dead may wake for a day. Then the doubts end.
	w.setSkew(25 * time.Hour)
	if stuck := w.drain(); stuck != "" {
		return []string{stuck}
	}
	undone := w.undone()
	w.redo()
	w.mendFamily()
	for _, f := range w.tables() {
		f.requestRelease()
	}
	// A profile that was erased in Campaign comes back with the next change.
	for _, key := range w.dynamics.Keys(contacts) {
		if w.erased[key] && w.campaign.Profile(key) == nil {
			w.made++
			w.change(key, "address1_city", fmt.Sprintf("City%d", w.made))
		}
	}
	if stuck := w.drain(); stuck != "" {
		return []string{stuck}
	}
	if wrong := w.straysGo(); wrong != nil {
		return wrong
	}
	writes := w.writes.Load()
	if stuck := w.drain(); stuck != "" {
		return []string{stuck}
	}
	out := slices.Concat(undone, w.lostOptOuts(), w.differences(), w.familyDifferences(), w.unlinked(), w.timeline(), w.unbalanced())
	if n := w.writes.Load() - writes; n > 0 {
		out = append(out, fmt.Sprintf("%d writes although nothing changes any more", n))
	}
	for _, f := range w.flows() {
		out = append(out, f.failures...)
	}
	return out
}

// straysGo has an operator ask for the deletes of the strays that the last audit lists.
// Nobody may have deleted them before; after that they are gone.
func (w *world) straysGo() []string {
	if !w.restored {
		return nil
	}
	var wrong []string
	done := make(chan struct{})
	w.running.Go(func() {
		defer close(done)
		for _, f := range w.tables() {
			if err := f.deleteStrays(); err != nil {
				wrong = append(wrong, fmt.Sprintf("deleting strays: %v", err))
			}
		}
	})
	for {
		synctest.Wait()
		if closed(done) {
			break
		}
		if ops := w.ready(); len(ops) > 0 {
			w.give(ops[0], goOn)
		} else {
			w.elapse()
		}
	}
	if stuck := w.drain(); stuck != "" {
		wrong = append(wrong, stuck)
	}
	return wrong
}

// wakeSleepers lets hours go by in the ledger while some stand still. Then they wake.
func (w *world) wakeSleepers() string {
	if !slices.ContainsFunc(w.alive(), func(a *attempt) bool { return a.isAsleep() }) {
		return ""
	}
	for _, a := range w.alive() {
		if a.isFrozen() && !a.isAsleep() {
			a.resume()
		}
	}
	for _, hours := range []time.Duration{0, 5, 20} {
		w.setSkew(hours * time.Hour)
		if stuck := w.drain(); stuck != "" {
			return stuck
		}
	}
	// Every other one has sent what it was about to, and dies before it can report.
	dies := false
	for _, a := range w.alive() {
		if a.isAsleep() {
			if dies = !dies; dies {
				a.kill()
			}
		}
	}
	w.dropDead(true)
	return ""
}

func (w *world) setSkew(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.skew = d
}

// drain lets everybody go on until the flow is idle; it says who is not.
func (w *world) drain() string {
	for _, f := range w.flows() {
		f.sawWork()
	}
	moves := 0
	for until := time.Now().Add(restWithin); moves < restWithinMoves && time.Now().Before(until); {
		synctest.Wait()
		ops := w.ready()
		switch {
		case len(ops) > 0:
			moves++
			w.give(ops[0], goOn)
		case !slices.ContainsFunc(w.flows(), func(f *flow) bool { return f.idlePasses() < 3 }):
			return ""
		default:
			w.elapse()
		}
	}
	return fmt.Sprintf("not at rest after %s and %d moves: %v", restWithin, moves, w.flow.failures)
}

// differences compares Campaign with what the contacts call for.
func (w *world) differences() []string {
	var out []string
	wanted := map[string]bool{}
	w.dynamics.Each(contacts, func(key string, row map[string]any) bool {
		if row["jobtitle"] == "left" || row["merged"] == true {
			return true
		}
		wanted[key] = true
		p := w.campaign.Profile(key)
		if p == nil {
			out = append(out, key+" is missing")
			return true
		}
		place, _ := p["location"].(map[string]any)
		for _, f := range []struct {
			name      string
			got, want any
		}{
			{"firstName", p["firstName"], row["firstname"]}, {"email", p["email"], row["emailaddress1"]},
			{"location.city", place["city"], row["address1_city"]}, {"blackListEmail", p["blackListEmail"], row["donotbulkemail"]},
		} {
			if got, want := fmt.Sprint(f.got), fmt.Sprint(f.want); !strings.EqualFold(got, want) && !w.mayDiffer(key, f.name, got) {
				out = append(out, fmt.Sprintf("%s: %s is %s, want %s", key, f.name, got, want))
			}
		}
		if n, ok := w.notes[key]; ok && w.campaign.WriteCounts("profile", key).Inserts == n.inserts && p["mobilePhone"] != n.text {
			out = append(out, fmt.Sprintf("%s: mobilePhone is %v, want %s", key, p["mobilePhone"], n.text))
		}
		return true
	})
	seen := map[string]bool{}
	w.campaign.Each("profile", func(key string, _ map[string]any) bool {
		switch {
		case seen[strings.ToLower(key)]:
			out = append(out, key+" is there twice")
		case !wanted[key]:
			out = append(out, key+" is too many")
		}
		seen[strings.ToLower(key)] = true
		return true
	})
	return out
}

// timeline compares the activities of contacts with what their recipients did. Those
// of a contact that was deleted went with it.
func (w *world) timeline() []string {
	rows, pushed, gone := map[string]int{}, map[string]int{}, map[string]bool{}
	for _, set := range []string{"adobe_emailsends", "adobe_emailopens", "adobe_emailurlclicks", "adobe_emailbounces"} {
		w.dynamics.Each(set, func(_ string, row map[string]any) bool {
			key, _ := row["_regardingobjectid_value"].(string)
			rows[w.person(key)]++
			return true
		})
	}
	for key, n := range w.pushed {
		pushed[w.person(key)] += n
	}
	for key := range w.goneOnce {
		gone[w.person(key)] = true
	}
	var out []string
	for _, key := range w.dynamics.Keys(contacts) {
		if key == w.person(key) && !gone[key] && rows[key] != pushed[key] {
			out = append(out, fmt.Sprintf("%s: timeline has %d events, want %d", key, rows[key], pushed[key]))
		}
	}
	return out
}

// unbalanced are runs that do not account for each record, and what is set aside
// although no record was refused.
func (w *world) unbalanced() []string {
	var out []string
	ctx := context.Background()
	runs, err := w.books.Runs(ctx, ledger.RunFilter{})
	must(err)
	for _, r := range runs {
		c := r.Counts
		settled := c.Created + c.Updated + c.Unchanged + c.Filtered + c.Deleted + c.Parked + c.Quarantined + c.Disabled + c.SoftBounce + c.SeedOrProof + c.NoContact + c.Ignored
		switch {
		case r.State == ledger.RunCompleted && c.Read == settled, r.State == ledger.RunFailed, r.State == ledger.RunCancelled, r.State == ledger.RunStopped && (r.Kind == "delta" || r.Kind == "release"):
		default:
			out = append(out, fmt.Sprintf("%s is %s: read %d, settled %d", r.ID, r.State, c.Read, settled))
		}
	}
	aside, err := w.books.CountQuarantined(ctx, ledger.QuarantineFilter{State: ledger.QuarantineOpen})
	must(err)
	left, err := w.books.CountQuarantined(ctx, ledger.QuarantineFilter{State: ledger.QuarantineOpen, Flow: activities.FlowRollback})
	must(err)
	// A rollback leaves alone what has changed since, and what Campaign hides for good is for an operator.
	if aside -= left + w.allLeftBehind(); aside > 0 {
		items, err := w.books.Quarantined(ctx, ledger.QuarantineFilter{State: ledger.QuarantineOpen})
		must(err)
		out = append(out, fmt.Sprintf("%d records are in quarantine", aside))
		for _, q := range items {
			w.note("in quarantine: %s %s of %s: %s %s", q.Flow, q.Key, q.Run, q.Code, q.Message)
		}
	}
	return out
}
