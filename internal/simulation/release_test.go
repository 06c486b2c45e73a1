package simulation

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"causeway.dev/activities"
)

// releaseEvery is that of package workflows.
const releaseEvery = time.Minute

// refuseOne has Campaign find something wrong with a healthy record.
func (w *world) refuseOne(rng *rand.Rand) {
	if o := w.oneAt(rng, seamArrive, func(o *op) bool {
		return o.service == "campaign" && (o.method == http.MethodPost || o.method == http.MethodPatch)
	}); o != nil {
		w.give(o, refused)
	}
}

// requestRelease is an operator who has everything in quarantine tried again.
func (f *flow) requestRelease() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = 0
	f.releases = 1
}

func (f *flow) releaseAsked() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.releases > 0
}

// release tries quarantined records again. One that was stopped reads them anew.
func (f *flow) release(what *activities.Release) error {
	f.mu.Lock()
	f.trying = what
	if what.Due {
		f.nextDue = time.Now().Add(releaseEvery)
	} else {
		f.releases = 0
	}
	f.mu.Unlock()
	err := f.pass(f.ref(f.newRun(), activities.KindRelease))
	if wish, _ := f.wanted(); errors.Is(err, errInterrupted) && wish != "cancel" && !what.Due {
		f.requestRelease()
	}
	return err
}

// releaseOf is what a run tries again; nil for others than releases.
func (f *flow) releaseOf(ref activities.RunRef) *activities.Release {
	if ref.Kind != activities.KindRelease {
		return nil
	}
	return f.trying
}

// dueFrom is when the next release that nobody asked for may run. Events and opt-outs have
// none.
func (f *flow) dueFrom() time.Time {
	if f.table == nil {
		return time.Time{}
	}
	if now := time.Now(); f.nextDue.Before(now) {
		return now
	}
	return f.nextDue
}
