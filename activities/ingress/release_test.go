package ingress_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

func ids(l activities.QuarantineListResult) (out []string) {
	for _, r := range l.Records {
		out = append(out, r.ID)
	}
	return out
}

// with a mapping that refuses for three reasons of its own.
func refusing(t activities.Table) activities.Table {
	t.Fields = append([]mapping.Field{{From: "salutation", To: "salutation"}, {From: "familystatuscode", To: "emailFormat", Replace: map[string]string{"Married": "html"}}}, t.Fields...)
	t.Fields[2].OnTooLong = ""
	return t
}

// mended is the same mapping with the three put right.
func mended(t activities.Table) activities.Table {
	t.Fields = append([]mapping.Field{}, t.Fields...)
	t.Fields[0].OnTooLong, t.Fields[2].OnTooLong = "truncate", "truncate"
	t.Fields[1].Replace = map[string]string{"Married": "html", "Single": "text"}
	return t
}

const longName = "Maximiliana-Theodora-Wilhelmine-Auguste"

// 5,000 quarantined records with four causes: fix the mapping, restart; all whose
// cause is gone land without being named one by one.
func TestFiveThousandRefusedRecordsLandAfterTheMappingIsMended(t *testing.T) {
	t.Parallel()
	cause := 1_250 // so many records have each of the four
	if testing.Short() {
		cause = 250 // the race detector makes each take many times as long
	}
	refused, limit := 4*cause, 2*cause/5
	s := activitytest.NewWorld(t, refused+200)
	s.Table = refusing(s.Table)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for i, key := range keys[:refused] {
		s.Edit(key, []map[string]any{{"firstname": longName}, {"salutation": longName}, {"familystatuscode": 1}, {"emailaddress1": "not-an-address"}}[i%4])
	}
	first := s.Load()
	require.Equal(t, int64(refused), first.Quarantined)
	require.Equal(t, int64(200), first.Counts.Created)
	list := s.ListQuarantine(activities.QuarantineListInput{Limit: 1})
	require.Equal(t, int64(refused), list.Total)
	require.Len(t, list.Groups, 4)
	for _, g := range list.Groups {
		require.Equal(t, int64(cause), g.Records, g.Message)
	}
	require.Contains(t, fmt.Sprint(list.Groups), "text too long, want at most 30 characters")
	seen := map[string]bool{}
	page := activities.QuarantineListInput{Table: "contacts", Selection: activities.Selection{Code: "TooLong", Field: "salutation"}, Limit: limit}
	for n := 1; ; n++ {
		got := s.ListQuarantine(page)
		require.Equal(t, int64(cause), got.Total, "of all pages")
		require.Equal(t, n == 1, len(got.Groups) > 0, "on the first page")
		for _, r := range got.Records {
			require.False(t, seen[r.ID], "a record is on one page")
			seen[r.ID] = true
		}
		if len(got.Records) < page.Limit {
			require.Equal(t, 3, n)
			break
		}
		last := got.Records[len(got.Records)-1]
		page.After = &activities.QuarantinePlace{Table: last.Table, ID: last.ID}
	}
	require.Len(t, seen, cause)

	s.Table = mended(s.Table)
	checked := s.Preflight()
	require.False(t, checked.NeedsBaseline, "the delta link still serves")
	require.Equal(t, int64(refused), checked.RefusedBefore)
	calls := s.EngineCalls()
	done := s.ReleaseQuarantined(activities.Release{RefusedBefore: true})
	require.Equal(t, activities.Counts{Read: int64(refused), Created: int64(3 * cause), Quarantined: int64(cause)}, done)
	require.Equal(t, calls+int64(refused), s.EngineCalls(), "one call each")
	require.Zero(t, s.Preflight().RefusedBefore, "once for each mapping")

	left := s.ListQuarantine(activities.QuarantineListInput{})
	require.Equal(t, int64(cause), left.Total)
	require.Len(t, left.Groups, 1)
	require.Equal(t, int64(3*cause), s.ListQuarantine(activities.QuarantineListInput{State: "released"}).Total)
	require.Zero(t, s.ReleaseQuarantined(activities.Release{RefusedBefore: true}))

	// The fourth cause is in the records: put right there, each lands by itself.
	for i := 3; i < refused; i += 4 {
		s.Edit(keys[i], map[string]any{"emailaddress1": "ann@example.test"})
	}
	require.Equal(t, int64(cause), s.Delta().Created)
	require.Zero(t, s.ListQuarantine(activities.QuarantineListInput{}).Total)
	require.Empty(t, s.Differences())
}

// A release tries what it was asked for, and nothing else.
func TestAReleaseTriesWhatIsSelected(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 12)
	s.Table = refusing(s.Table)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for i, key := range keys[:6] {
		s.Edit(key, []map[string]any{{"salutation": longName}, {"firstname": longName}}[i%2])
	}
	s.Load()
	for _, c := range []struct {
		rule string
		what activities.Selection
		want []string
	}{
		{"by code and the run that refused it last", activities.Selection{Code: "TooLong", Run: "contacts-1"}, keys[:6]},
		{"refused again since", activities.Selection{Run: "contacts-1"}, nil},
		{"by id", activities.Selection{IDs: []string{keys[2], keys[3], keys[9]}}, []string{keys[2], keys[3]}},
		{"by field", activities.Selection{Field: "salutation"}, []string{keys[0], keys[2], keys[4]}},
		{"by age", activities.Selection{Before: time.Now().Add(time.Hour)}, keys[:6]},
		{"nothing as old", activities.Selection{Before: time.Now().Add(-time.Hour)}, nil},
	} {
		require.Equal(t, c.want, ids(s.ListQuarantine(activities.QuarantineListInput{Table: "contacts", Selection: c.what})), c.rule)
		require.Equal(t, activities.Counts{Read: int64(len(c.want)), Quarantined: int64(len(c.want))}, s.ReleaseQuarantined(activities.Release{Selection: c.what}), c.rule)
	}
}

// After a data model has changed, everything is tried but what stays.
func TestAReleaseOfEverythingForAChangedModel(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 6)
	s.Table = refusing(s.Table)
	for _, key := range s.Sandboxes.Dynamics.Keys("contacts")[:2] {
		s.Edit(key, map[string]any{"firstname": longName})
	}
	s.Load()
	require.Equal(t, activities.Counts{Read: 2, Quarantined: 2}, s.ReleaseQuarantined(activities.Release{Remodelled: true}))
}

// A release reads Dynamics first: what was put right there lands, what is gone
// there is closed.
func TestAReleaseReadsDynamicsFirst(t *testing.T) {
	t.Parallel()
	for _, applies := range []bool{true, false} {
		t.Run(fmt.Sprintf("apply_deletes %t", applies), func(t *testing.T) {
			t.Parallel()
			s := activitytest.NewWorld(t, 12)
			s.Table.ApplyDeletes = applies
			keys := s.Sandboxes.Dynamics.Keys("contacts")
			for _, key := range keys[:3] {
				s.Edit(key, map[string]any{"emailaddress1": "not-an-address"})
			}
			s.Load()
			s.Edit(keys[3], map[string]any{"emailaddress1": "not-an-address", "address1_city": "Nebelheim"})
			require.Equal(t, activities.Counts{Read: 1, Quarantined: 1}, s.Delta())
			before := s.Profiles()[keys[3]]
			require.NotContains(t, before, "Nebelheim", "Campaign keeps what was written before, until release")

			s.Edit(keys[0], map[string]any{"emailaddress1": "ann@example.test"})
			require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[1])) // never written
			require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[3])) // written before it was refused
			got := s.ReleaseQuarantined(activities.Release{})
			if applies {
				require.Equal(t, activities.Counts{Read: 4, Created: 1, Unchanged: 1, Deleted: 1, Quarantined: 1}, got)
				require.Nil(t, s.Sandboxes.Campaign.Profile(keys[3]))
			} else {
				require.Equal(t, activities.Counts{Read: 4, Created: 1, Filtered: 2, Quarantined: 1}, got)
				require.Equal(t, before, s.Profiles()[keys[3]])
			}
			require.Equal(t, "ann@example.test", s.Sandboxes.Campaign.Profile(keys[0])["email"])
			require.Equal(t, []string{keys[2]}, ids(s.ListQuarantine(activities.QuarantineListInput{})))
			require.NotEqual(t, "quarantined", s.Explain(keys[1]).State)
			s.Delta() // the changes that the release has dealt with
			require.Equal(t, []string{keys[2]}, ids(s.ListQuarantine(activities.QuarantineListInput{})))
		})
	}
}

// A quarantined record that was written before keeps its old payload in Campaign
// until release.
func TestWhatWasWrittenBeforeStaysUntilRelease(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	s.Table = refusing(s.Table)
	s.Load()
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	before := s.Profiles()[key]
	s.Edit(key, map[string]any{"salutation": longName, "lastname": "Quibblethorn"})
	require.Equal(t, activities.Counts{Read: 1, Quarantined: 1}, s.Delta())
	require.Equal(t, before, s.Profiles()[key])
	s.Table = mended(s.Table)
	s.Preflight()
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.ReleaseQuarantined(activities.Release{RefusedBefore: true}))
	require.Contains(t, s.Profiles()[key], "Quibblethorn")

	// A release can be rolled back, as any run that writes what Dynamics says.
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.Rollback(s.LastRun()).Counts)
	require.Equal(t, before, s.Profiles()[key])
}

// A release that meets a record changed meanwhile by another pass does not write
// an older version, and does not bring back what an operator discarded meanwhile.
func TestAReleaseWritesNothingOlder(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 4)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys {
		s.Edit(key, map[string]any{"emailaddress1": "not-an-address"})
	}
	s.Load()
	for _, key := range keys {
		s.Edit(key, map[string]any{"emailaddress1": "old@example.test"})
	}
	ref := activities.RunRef{Run: "release", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindRelease}
	all := &activities.Release{}
	activitytest.Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref, Release: all})
	page := activitytest.Call[activities.FetchResult](s, s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseQuarantined, Lanes: 1, Release: all})
	require.Equal(t, 4, page.Read)

	s.Edit(keys[0], map[string]any{"emailaddress1": "new@example.test"})
	s.Edit(keys[1], map[string]any{"emailaddress1": "not-an-address-either"})
	_, err := s.Ledger.Discard(t.Context(), ledger.QuarantineFilter{Flow: "ingress", Table: "contacts", Keys: []string{keys[2]}}, ledger.Discard{By: "ada", Reason: "test", At: time.Now()})
	require.NoError(t, err)
	s.Window.IDs = keys[:2]
	require.Equal(t, activities.Counts{Read: 2, Created: 1, Quarantined: 1}, s.Pass(activities.KindBackfill, activities.PhaseIDs).Counts)

	activitytest.Call[activities.LaneResult](s, s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1, Lane: 0})
	done := activitytest.Call[activities.SaveWatermarkResult](s, s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
	require.Equal(t, activities.Counts{Read: 4, Created: 1, Unchanged: 3}, done.Counts)
	require.Equal(t, "new@example.test", s.Sandboxes.Campaign.Profile(keys[0])["email"])
	require.Nil(t, s.Sandboxes.Campaign.Profile(keys[1]))
	require.Nil(t, s.Sandboxes.Campaign.Profile(keys[2]))
	require.Equal(t, "old@example.test", s.Sandboxes.Campaign.Profile(keys[3])["email"])
	require.Equal(t, []string{keys[1]}, ids(s.ListQuarantine(activities.QuarantineListInput{})))
}

// On its schedule a record is tried again, a page at a time, and rests longer.
func TestDueRecordsEndTheWaitForChanges(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 130)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys[:120] {
		s.Edit(key, map[string]any{"emailaddress1": "not-an-address"})
	}
	s.ClockBehind.Store(int64(5 * time.Hour)) // the catch-up refuses them a second time, before their time
	s.Load()
	s.ClockBehind.Store(0)
	wait := func(from time.Time) activities.FetchResult {
		s.Runs++
		return activitytest.Call[activities.FetchResult](s, s.Ingress.FetchPage, activities.FetchInput{RunRef: activities.RunRef{Run: s.LastRun(), Table: "contacts",
			Revision: s.Table.Revision(), Kind: activities.KindDelta}, Page: 1, Phase: activities.PhaseDelta, Lanes: 4, DueFrom: from})
	}
	now := time.Now()
	require.True(t, wait(now).Due)
	require.False(t, wait(time.Time{}).Due, "an earlier build's workflow does not ask")
	require.False(t, wait(now.Add(time.Hour)).Due, "not before")
	s.Edit(keys[0], map[string]any{"jobtitle": "x"})
	require.True(t, wait(now).Due, "changes that never end do not keep it from its turn")

	require.Equal(t, activities.Counts{Read: 100, Quarantined: 100}, s.ReleaseQuarantined(activities.Release{Due: true}))
	require.True(t, wait(now).Due)
	require.Equal(t, activities.Counts{Read: 20, Quarantined: 20}, s.ReleaseQuarantined(activities.Release{Due: true}))
	require.False(t, wait(now).Due)
	for _, r := range s.ListQuarantine(activities.QuarantineListInput{Limit: 1000}).Records {
		require.InDelta(t, 4*time.Hour, r.NextTry.Sub(now), float64(30*time.Minute), "the second try by the schedule")
	}
}

// What was refused because Campaign hides it, for want of a parent that had been
// deleted, is tried again when the parent is back.
func TestAParentThatCameBackReleasesItsChildren(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	v := f.vehicle("")
	f.vehicles.Load()
	require.True(t, f.Sandboxes.Dynamics.Delete("new_vehicles", v))
	f.vehicles.Delta()
	_, err := f.IngressOptions.Source.(*dataverse.Client).Upsert(t.Context(), dataverse.Write{Row: dataverse.Row{EntitySet: "new_vehicles", ID: v}, Body: []byte(`{"new_name":"Brougham"}`)})
	require.NoError(t, err)
	child := f.service(v)
	f.services.Load()
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_services", child, map[string]any{"new_name": "Tyres"}))
	require.Equal(t, activities.Counts{Read: 1, Quarantined: 1}, f.services.Delta())
	s := f.services
	due := func() bool {
		s.Runs++
		return activitytest.Call[activities.FetchResult](s, s.Ingress.FetchPage, activities.FetchInput{RunRef: activities.RunRef{Run: s.LastRun(), Table: "services",
			Revision: s.Table.Revision(), Kind: activities.KindDelta}, Page: 1, Phase: activities.PhaseDelta, Lanes: 4, DueFrom: time.Now()}).Due
	}
	require.False(t, due())
	f.vehicles.Delta()
	require.True(t, due())
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.ReleaseQuarantined(activities.Release{Due: true}))
}

// The same for a parent that somebody deleted in Campaign, of which the ledger knows nothing:
// when it is created anew, its children need no operator and no hour.
func TestAParentThatWasErasedReleasesItsChildren(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	v := f.vehicle("")
	f.vehicles.Load()
	require.NoError(t, f.Sandboxes.Campaign.Delete("cusVehicle", v))
	f.service(v)
	w := f.warranty()
	require.Positive(t, w.Load().Counts.Quarantined)
	due := func() bool {
		w.Runs++
		return activitytest.Call[activities.FetchResult](w, w.Ingress.FetchPage, activities.FetchInput{RunRef: activities.RunRef{Run: w.LastRun(), Table: "warranties",
			Revision: w.Table.Revision(), Kind: activities.KindDelta}, Page: 1, Phase: activities.PhaseDelta, Lanes: 4, DueFrom: time.Now()}).Due
	}
	require.False(t, due())
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_vehicles", v, map[string]any{"new_name": "Simplex"}))
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.vehicles.Delta())
	require.True(t, due())
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, w.ReleaseQuarantined(activities.Release{Due: true}))
}

// A discard is recorded, and a later change in Dynamics is tried as any other.
func TestDiscardIsRecordedAndLetsTheNextVersionThrough(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 4)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys[:2] {
		s.Edit(key, map[string]any{"emailaddress1": "not-an-address"})
	}
	s.Load()
	discard := activities.DiscardInput{Table: "contacts", Selection: activities.Selection{IDs: keys[:1]},
		Discard: activities.Discard{By: "ada", Reason: "a test record", At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	for range 2 {
		require.Equal(t, int64(1), activitytest.Call[activities.DiscardResult](s, s.Operator.DiscardQuarantined, discard).Discarded)
	}
	require.Equal(t, []string{keys[1]}, ids(s.ListQuarantine(activities.QuarantineListInput{})))
	gone := s.ListQuarantine(activities.QuarantineListInput{State: "discarded"})
	require.Equal(t, &discard.Discard, gone.Records[0].Discarded)
	require.Equal(t, activities.Counts{Read: 1, Quarantined: 1}, s.ReleaseQuarantined(activities.Release{}), "discarded is not tried")
	s.Pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, []string{keys[1]}, ids(s.ListQuarantine(activities.QuarantineListInput{})), "the same version again")
	s.Edit(keys[0], map[string]any{"emailaddress1": "ann@example.test"})
	s.Delta()
	require.NotNil(t, s.Sandboxes.Campaign.Profile(keys[0]))

	for _, bad := range []struct {
		edit func(*activities.DiscardInput)
		says string
	}{
		{func(in *activities.DiscardInput) { in.Reason = " " }, "a discard needs a reason"},
		{func(in *activities.DiscardInput) { in.Table = "" }, "needs the table"},
		{func(in *activities.DiscardInput) { in.At = time.Time{} }, "needs the time"},
	} {
		in := discard
		bad.edit(&in)
		_, err := s.Env.ExecuteActivity(s.Operator.DiscardQuarantined, in)
		require.ErrorContains(t, err, bad.says)
	}
	require.False(t, strings.Contains(fmt.Sprint(gone), "not-an-address"))
}
