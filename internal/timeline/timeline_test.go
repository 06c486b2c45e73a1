package timeline_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/internal/events"
	"causeway.dev/internal/timeline"
)

const (
	contact = "6f1d0000-0000-4000-8000-000000000001"
	owner   = "77770000-0000-4000-8000-000000000002"
)

func all() timeline.Settings {
	return timeline.Settings{Source: timeline.SourceJournal, Sends: true, Opens: true, Clicks: true, Bounces: true,
		UnknownContact: timeline.UnknownCount, Tables: timeline.DefaultTables()}
}

// solution returns the tables of the companion solution. edit changes a copy of them.
func solution(edit func(map[string]*timeline.Schema)) map[string]*timeline.Schema {
	out := map[string]*timeline.Schema{}
	for _, name := range all().Needed() {
		s := &timeline.Schema{EntitySet: name + "s", IsActivity: true, Regarding: "regardingobjectid_contact_" + name, Columns: map[string]timeline.Column{
			"subject": {Type: "String", MaxLength: 400, Creatable: true}, "actualend": {Type: "DateTime", Creatable: true},
			"adobe_campaignname": {Type: "String", MaxLength: 100, Creatable: true}, "adobe_deliveryname": {Type: "String", MaxLength: 100, Creatable: true},
			"adobe_mirrorpageurl": {Type: "String", MaxLength: 1000, Creatable: true}, "adobe_trackingurl": {Type: "String", MaxLength: 2000, Creatable: true},
		}}
		for _, date := range []string{"sent", "opened", "clicked", "bounced"} {
			s.Columns["adobe_date"+date] = timeline.Column{Type: "DateTime", Creatable: true}
		}
		out[name] = s
	}
	if edit != nil {
		edit(out)
	}
	return out
}

func plan(t testing.TB) *timeline.Plan {
	t.Helper()
	p, err := timeline.Resolve(all(), "acme", owner, solution(nil))
	require.NoError(t, err)
	return p
}

func click() *events.MarketingEvent {
	return &events.MarketingEvent{Type: events.Click, Key: "tracking/5000", ContactID: contact, CampaignName: "CMP12", DeliveryName: "DM190",
		Time: time.Date(2026, 3, 1, 10, 15, 29, 987e6, time.UTC), URL: "https://shop.example.test/a?b=<c>&d=1", MirrorPageURL: "https://t.acme.test/nl/jsp/m.jsp?c=%401x"}
}

// R18.5–R18.10: the activity that a salesperson sees.
func TestARowSaysWhatHappened(t *testing.T) {
	t.Parallel()
	row, err := plan(t).Row(click(), contact)
	require.NoError(t, err)
	require.Equal(t, "adobe_emailurlclicks", row.EntitySet)
	var got map[string]string
	require.NoError(t, json.Unmarshal(row.Body, &got))
	require.Equal(t, map[string]string{
		"subject":   "Campaign Name: CMP12; Delivery Name: DM190",
		"actualend": "2026-03-01T10:15:29Z", "adobe_dateclicked": "2026-03-01T10:15:29Z",
		"adobe_campaignname": "CMP12", "adobe_deliveryname": "DM190",
		"adobe_mirrorpageurl": "https://t.acme.test/nl/jsp/m.jsp?c=%401x", "adobe_trackingurl": "https://shop.example.test/a?b=<c>&d=1",
		"regardingobjectid_contact_adobe_emailurlclick@odata.bind": "/contacts(" + contact + ")",
		"ownerid@odata.bind": "/systemusers(" + owner + ")",
	}, got)
}

// R21.7: texts that the event lacks are left out. Only a click has a tracking URL.
func TestMissingTextsAreNoError(t *testing.T) {
	t.Parallel()
	e := click()
	e.Type, e.Key, e.MirrorPageURL, e.CampaignName, e.URL = events.Send, "broadlog/1/send", "", "", ""
	row, err := plan(t).Row(e, contact)
	require.NoError(t, err)
	require.NotContains(t, string(row.Body), "adobe_mirrorpageurl")
	require.NotContains(t, string(row.Body), "adobe_campaignname")
	require.NotContains(t, string(row.Body), "tracking")
	require.Contains(t, string(row.Body), `"subject":"Campaign Name: ; Delivery Name: DM190"`)
}

// R18.10: a URL is passed on unchanged or not at all.
func TestATextThatDoesNotFitIsRefusedByItsColumn(t *testing.T) {
	t.Parallel()
	e := click()
	e.MirrorPageURL = strings.Repeat("x", 1001)
	_, err := plan(t).Row(e, contact)
	var tooLong *timeline.TooLong
	require.ErrorAs(t, err, &tooLong)
	require.Equal(t, timeline.TooLong{Column: "adobe_mirrorpageurl", Limit: 1000}, *tooLong)
	require.NotContains(t, err.Error(), "xx")
	e = click()
	e.CampaignName = strings.Repeat("😀", 50) // 100 units
	_, err = plan(t).Row(e, contact)
	require.NoError(t, err)
	e.CampaignName += "a"
	_, err = plan(t).Row(e, contact)
	require.ErrorAs(t, err, &tooLong)
}

// R18.14: the id depends on the event and the instance, and on nothing else.
func TestTheSameEventHasTheSameID(t *testing.T) {
	t.Parallel()
	p := plan(t)
	require.Equal(t, p.ID("tracking/5000"), plan(t).ID("tracking/5000"))
	other, err := timeline.Resolve(all(), "acme-stage", owner, solution(nil))
	require.NoError(t, err)
	require.NotEqual(t, p.ID("tracking/5000"), other.ID("tracking/5000"))
	rapid.Check(t, func(rt *rapid.T) {
		a, b := rapid.String().Draw(rt, "a"), rapid.String().Draw(rt, "b")
		require.Equal(rt, a == b, p.ID(a) == p.ID(b))
	})
}

// Whatever the texts are, the body is the JSON of them.
func TestAnyTextMakesAValidBody(t *testing.T) {
	t.Parallel()
	p := plan(t)
	rapid.Check(t, func(rt *rapid.T) {
		e := click()
		e.CampaignName, e.DeliveryName = rapid.StringN(0, 60, 99).Draw(rt, "campaign"), rapid.StringN(1, 60, 99).Draw(rt, "delivery")
		row, err := p.Row(e, contact)
		require.NoError(rt, err)
		var got map[string]string
		require.NoError(rt, json.Unmarshal(row.Body, &got))
		require.Equal(rt, e.DeliveryName, got["adobe_deliveryname"])
		require.Equal(rt, "Campaign Name: "+e.CampaignName+"; Delivery Name: "+e.DeliveryName, got["subject"])
	})
}

func TestJudge(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit func(*timeline.Settings, *events.MarketingEvent)
		want timeline.Verdict
	}{
		"an event of a contact is written":      {func(*timeline.Settings, *events.MarketingEvent) {}, timeline.Eligible},
		"R18.2 a type that is off is not":       {func(s *timeline.Settings, _ *events.MarketingEvent) { s.Clicks = false }, timeline.Disabled},
		"R18.3 a soft bounce is not":            {func(_ *timeline.Settings, e *events.MarketingEvent) { e.Type, e.Soft = events.Bounce, true }, timeline.SoftBounce},
		"R18.3 a hard bounce is":                {func(_ *timeline.Settings, e *events.MarketingEvent) { e.Type = events.Bounce }, timeline.Eligible},
		"a seed is not":                         {func(_ *timeline.Settings, e *events.MarketingEvent) { e.Seed = true }, timeline.SeedOrProof},
		"a proof is not":                        {func(_ *timeline.Settings, e *events.MarketingEvent) { e.Proof = true }, timeline.SeedOrProof},
		"R18.11 a profile of no contact is not": {func(_ *timeline.Settings, e *events.MarketingEvent) { e.ContactID = "" }, timeline.NoContact},
		"a soft bounce of a type that is off": {func(s *timeline.Settings, e *events.MarketingEvent) {
			s.Bounces, e.Type, e.Soft = false, events.Bounce, true
		}, timeline.SoftBounce},
		"no contact matters only where wanted":   {func(s *timeline.Settings, e *events.MarketingEvent) { s.Clicks, e.ContactID = false, "" }, timeline.Disabled},
		"a seed without a contact is a seed":     {func(_ *timeline.Settings, e *events.MarketingEvent) { e.Seed, e.ContactID = true, "" }, timeline.SeedOrProof},
		"softness means nothing but of a bounce": {func(_ *timeline.Settings, e *events.MarketingEvent) { e.Soft = true }, timeline.Eligible},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, e := all(), click()
			tt.edit(&s, e)
			require.Equal(t, tt.want, s.Judge(e))
		})
	}
}

// R3.7: all tables and columns that do not fit are named at once.
func TestResolveNamesEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := timeline.Resolve(all(), "acme", owner, nil)
	require.EqualError(t, err, `there is no table adobe_emailsend, adobe_emailopen, adobe_emailurlclick, adobe_emailbounce in Dynamics; `+
		`install the solution "Adobe Campaign for Microsoft Dynamics 365" there, or name other tables in egress.tables`)

	_, err = timeline.Resolve(all(), "acme", owner, solution(func(s map[string]*timeline.Schema) {
		s["adobe_emailsend"].IsActivity = false
		s["adobe_emailopen"].Regarding = ""
		delete(s["adobe_emailurlclick"].Columns, "adobe_trackingurl")
		s["adobe_emailbounce"].Columns["adobe_datebounced"] = timeline.Column{Type: "String", Creatable: true}
		s["adobe_emailbounce"].Columns["adobe_deliveryname"] = timeline.Column{Type: "String"}
	}))
	for _, want := range []string{
		"egress.tables.sends.table: got adobe_emailsend, want an activity table",
		"egress.tables.opens.table: got adobe_emailopen, which cannot be regarding a contact",
		"egress.tables.clicks.tracking_url: got adobe_trackingurl, want a column of adobe_emailurlclick",
		"egress.tables.bounces.date: got adobe_datebounced, which is String, want one of date and time",
		"egress.tables.bounces.delivery_name: got adobe_deliveryname, want a column that can be written",
	} {
		require.ErrorContains(t, err, want)
	}
	only := all()
	only.Sends, only.Opens, only.Bounces = false, false, false
	p, err := timeline.Resolve(only, "acme", owner, solution(func(s map[string]*timeline.Schema) { delete(s, "adobe_emailsend") }))
	require.NoError(t, err, "a table nobody asked for may be missing")
	require.Len(t, p.Targets, 1)
}

// R8.14: a change of any switch or name changes the revision.
func TestRevisionsTellSettingsApart(t *testing.T) {
	t.Parallel()
	require.Equal(t, all().Revision(), all().Revision())
	off, renamed := all(), all()
	off.Sends = false
	renamed.Tables.Opens.Date = "acme_date"
	require.NotEqual(t, all().Revision(), off.Revision())
	require.NotEqual(t, all().Revision(), renamed.Revision())
	require.True(t, off.Enabled())
	require.Equal(t, []string{"opens", "clicks", "bounces"}, off.Names())
	require.False(t, timeline.Settings{}.Enabled())
}
