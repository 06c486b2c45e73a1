package stack

import (
	"fmt"
	"hash/maphash"
	"strings"
	"time"

	"causeway.dev/sandbox/eventlog"
)

// Timeline says which types of events should be on the timelines of contacts.
type Timeline struct{ Sends, Opens, Clicks, Bounces bool }

// tables of the types, with their column for the date.
var timelineTables = map[string]struct{ set, date string }{
	eventlog.Send: {"adobe_emailsends", "adobe_datesent"}, eventlog.Open: {"adobe_emailopens", "adobe_dateopened"},
	eventlog.Click: {"adobe_emailurlclicks", "adobe_dateclicked"}, eventlog.Bounce: {"adobe_emailbounces", "adobe_datebounced"},
}

// TimelineDifferences compares the timelines in Dynamics with the events in Campaign,
// by the rules of the documented integration (docs/protocol/integration.md R18). It is
// independent of how the activities were made. It lists at most limit differences.
//
// There must be exactly one activity for each event of a type that is on, with the
// right contact, owner, time and texts. Events without a contact, of seeds or proofs,
// and soft bounces have none.
func (s *Stack) TimelineDifferences(want Timeline, owner string, limit int) []string {
	on := map[string]bool{eventlog.Send: want.Sends, eventlog.Open: want.Opens, eventlog.Click: want.Clicks, eventlog.Bounce: want.Bounces}
	seed := maphash.MakeSeed()
	open := map[uint64]int32{} // by hash, so that a million events fit into memory
	tasks := map[string]int{}
	var diff []string
	report := func(format string, args ...any) {
		if len(diff) < limit {
			diff = append(diff, fmt.Sprintf(format, args...))
		}
	}
	contacts := map[string]string{} // id -> the contact whose timeline gets its events; "" = none
	s.Events.Each(func(e eventlog.Event) bool {
		if !on[e.Kind] || e.Seed || e.Proof || e.Kind == eventlog.Bounce && e.Failure != "hard" {
			return true
		}
		to, known := contacts[e.ExternalID]
		if !known {
			to = s.survivor(e.ExternalID)
			contacts[e.ExternalID] = to
		}
		if to == "" {
			return true
		}
		t := timelineTables[e.Kind]
		url := ""
		if e.Kind == eventlog.Click {
			url = e.URL
		}
		open[maphash.String(seed, line(t.set, to, owner, stamp(e.Time), stamp(e.Time), e.CampaignName(), e.Delivery.Name, e.MirrorPageURL, url))]++
		switch e.Kind {
		case eventlog.Click:
			tasks["Follow up on URL click "+to]++
		case eventlog.Bounce:
			tasks["Fix e-mail address "+to]++
		}
		return true
	})
	for _, t := range timelineTables {
		s.Dynamics.Each(t.set, func(id string, row map[string]any) bool {
			text := func(name string) string { v, _ := row[name].(string); return v }
			campaign, delivery := text("adobe_campaignname"), text("adobe_deliveryname")
			if got, want := text("subject"), "Campaign Name: "+campaign+"; Delivery Name: "+delivery; got != want {
				report("%s %s: subject %q, want %q", t.set, id, got, want)
			}
			key := maphash.String(seed, line(t.set, text("_regardingobjectid_value"), text("_ownerid_value"), text("actualend"), text(t.date), campaign, delivery,
				text("adobe_mirrorpageurl"), text("adobe_trackingurl")))
			if open[key]--; open[key] < 0 {
				report("%s %s: too many, or not as the event: regarding %s, %s", t.set, id, text("_regardingobjectid_value"), text("actualend"))
			}
			return true
		})
	}
	missing := int32(0)
	for _, n := range open {
		missing += max(n, 0)
	}
	if missing > 0 {
		report("%d events are on no timeline", missing)
	}
	s.Dynamics.Each("tasks", func(id string, row map[string]any) bool {
		subject, _ := row["subject"].(string)
		to, _ := row["_regardingobjectid_value"].(string)
		if tasks[subject+" "+to]--; tasks[subject+" "+to] < 0 {
			report("task %s: one too many: %s", id, subject)
		}
		return true
	})
	for task, n := range tasks {
		if n > 0 {
			report("%d tasks are missing: %s", n, task)
		}
	}
	return diff
}

// survivor is the contact that stands for an id: itself, or the one that it was merged
// into.
func (s *Stack) survivor(id string) string {
	for range 10 {
		if id == "" {
			return ""
		}
		row := s.Dynamics.Row("contacts", strings.ToLower(id))
		if row == nil {
			return ""
		}
		if merged, _ := row["merged"].(bool); !merged {
			return strings.ToLower(id)
		}
		id, _ = row["_masterid_value"].(string)
	}
	return ""
}

func stamp(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

func line(parts ...string) string { return strings.Join(parts, "\x1f") }
