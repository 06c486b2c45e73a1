package doctor

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway.dev/activities"
)

// witness notes by the way what answers show: the clocks of services, and when their
// certificates end.
type witness struct {
	mu       sync.Mutex
	requests map[string]int
	metered  int
	ahead    map[string]time.Duration // by which the clock of a service is ahead of ours
	ends     map[string]time.Time     // of certificates
}

func newWitness() *witness {
	return &witness{requests: map[string]int{}, ahead: map[string]time.Duration{}, ends: map[string]time.Time{}}
}

// Left counts a request. Campaign meters calls for records, and none for definitions.
func (w *witness) Left(req *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests[req.URL.Host]++
	if strings.Contains(req.URL.Path, "/campaign/profileAndServices") && !strings.Contains(req.URL.Path, "/resourceType/") {
		w.metered++
	}
}

// Came notes what an answer shows.
func (w *witness) Came(host string, date, left, came, ends time.Time) {
	if !date.IsZero() {
		w.answered(host, date, left, came)
	}
	if ends.IsZero() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends[host] = ends
}

// answered compares clocks. A service that named a time while a question was under way is
// not off; dates have whole seconds.
func (w *witness) answered(whose string, theirs, left, came time.Time) {
	if theirs.IsZero() {
		return
	}
	var ahead time.Duration
	switch {
	case theirs.After(came):
		ahead = theirs.Sub(came)
	case theirs.Before(left.Add(-time.Second)):
		ahead = theirs.Sub(left)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if known, there := w.ahead[whose]; !there || ahead.Abs() < known.Abs() {
		w.ahead[whose] = ahead
	}
}

func (w *witness) counts() (map[string]int, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.requests), w.metered
}

// after are the checks of what the others came to know by the way.
func (v *visit) after(areas []string) (out []activities.Check) {
	w, o := v.seen, v.a.o
	w.mu.Lock()
	defer w.mu.Unlock()
	add := func(area, what string, f finding) {
		if isIn(areas, area) {
			out = append(out, activities.Check{Area: area, What: what, State: f.state, Found: f.found, Wanted: f.wanted, Remedy: f.remedy})
		}
	}
	for _, host := range slices.Sorted(maps.Keys(w.ends)) {
		add(activities.AreaCertificates, host, ending("the certificate", w.ends[host], o.Now(), o.Expiry, "whoever runs "+host+" has to renew its certificate"))
	}
	for _, whose := range slices.Sorted(maps.Keys(w.ahead)) {
		add(activities.AreaClocks, whose, clock(w.ahead[whose], o.ClockSkew, whose))
	}
	return out
}

// clock judges how far a clock is from ours.
func clock(ahead, may time.Duration, whose string) finding {
	switch off := ahead.Round(time.Second); {
	case ahead.Abs() <= may:
		return ok("within %s of ours", max(time.Second, ahead.Abs().Round(time.Second)))
	case ahead > 0:
		return fail(fmt.Sprintf("%s ahead of ours", off), "at most "+may.String(), clockRemedy(whose))
	default:
		return fail(fmt.Sprintf("%s behind ours", -off), "at most "+may.String(), clockRemedy(whose))
	}
}

func clockRemedy(whose string) string {
	return "set the clock of this worker's machine by NTP (timedatectl); when it is right, that of " + whose + " is wrong"
}

// ending judges when something ends.
func ending(what string, ends, now time.Time, near time.Duration, remedy string) finding {
	day := ends.UTC().Format("2006-01-02")
	switch left := ends.Sub(now); {
	case left <= 0:
		return fail(what+" ended on "+day, "one that is valid", remedy)
	case left <= near:
		return warn(fmt.Sprintf("%s ends on %s, in %d days", what, day, int(left.Hours()/24)), "more than "+fmt.Sprint(int(near.Hours()/24))+" days", remedy)
	}
	return ok("%s ends on %s", what, day)
}
