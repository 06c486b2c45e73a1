package pages

import (
	"net/http"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// testView is what the doctor found.
type testView struct {
	Base   string
	May    bool
	Kept   bool // by the last look at everything
	Now    time.Time
	At     time.Time
	State  word
	Checks []checkLine
	Note   *notice
	Cost   string
	Whole  bool
}

// checkLine is one check in words.
type checkLine struct {
	Class, Icon           string
	Text                  string
	Found, Wanted, Remedy string
}

// testSettings has the doctor look at what a tab is about; on that of the worker, at
// everything. It looks with the settings that the worker runs with.
func (p *Pages) testSettings(w http.ResponseWriter, r *http.Request) {
	part, ok := partNamed(r.PathValue("part"))
	if !ok || len(part.Areas) == 0 && part.ID != "worker" {
		p.noSuchPage(w, r)
		return
	}
	view := &testView{Base: settingsURL(r.PathValue("instance"), part.ID), May: true, Now: p.here(r), Whole: part.ID == "worker"}
	i, err := p.operator(r)
	var report *operator.DoctorReport
	if err == nil {
		report, err = i.Doctor(r.Context(), part.Areas...)
	}
	if err != nil {
		n := explain(err)
		view.Note = &n
	} else {
		view.found(&report.DoctorResult)
	}
	if inPart(r) {
		p.part(w, r, http.StatusOK, "settings", "test", "Settings", view)
		return
	}
	page := p.settingsOf(r, part)
	page.Test = view
	p.render(w, r, http.StatusOK, "settings", "Settings", page)
}

// found shows all checks, those that are not well first.
func (v *testView) found(d *activities.DoctorResult) {
	v.At = d.At
	for _, states := range [][]activities.CheckState{{activities.CheckFail}, {activities.CheckWarn}, {activities.CheckOK, activities.CheckSkipped}} {
		for _, c := range d.Checks {
			for _, state := range states {
				if c.State == state {
					v.Checks = append(v.Checks, checkOf(c))
				}
			}
		}
	}
	fails, warns := d.Count(activities.CheckFail), d.Count(activities.CheckWarn)
	switch {
	case fails > 0:
		v.State = word{"bad", "bad", phrase.Count(int64(fails), "check") + " failed"}
	case warns > 0:
		v.State = word{"warn", "warn", phrase.Count(int64(warns), "check") + " to look at"}
	default:
		v.State = word{"ok", "ok", "In order"}
	}
	requests := 0
	for _, n := range d.Requests {
		requests += n
	}
	v.Cost = phrase.Count(int64(requests), "request") + ", " + phrase.Count(int64(d.EngineCalls), "engine call")
}
