package events_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/events"
)

const (
	ada   = "6f1d2c3b-0000-4000-8000-00000000ada1"
	click = `{"specversion":"1.0","id":"5a0c","eventid":"5a0c","source":"urn:acs:acme","time":"2026-03-01T10:15:30.120Z",` +
		`"type":"com.adobe.campaign.standard.email.click","datacontenttype":"application/json","recipientclientid":"key1",` +
		`"data":{"externalID":"6F1D2C3B-0000-4000-8000-00000000ADA1","recipientID":"8569152","broadlogID":"8003","trackinglogID":"5000",` +
		`"deliveryID":"8569153","deliveryName":"DM190","deliveryLabel":"Spring mail","campaignID":"77","campaignName":"CMP12",` +
		`"campaignLabel":"Loyalty","channel":"email","eventDate":"2026-03-01T10:15:29.000Z","status":"sent","failureType":"",` +
		`"reason":"","reasonMessage":"","quarantine":false,"seedMember":false,"proofMember":false,` +
		`"url":"https://shop.example.test/a?x=1&y=ü","urlCategory":"product","mirrorPageURL":"https://t.acme.test/nl/jsp/m.jsp?c=%401x"}}`
)

var sentAt = time.Date(2026, 3, 1, 10, 15, 29, 0, time.UTC)

// with replaces parts of the click; each must be there.
func with(t testing.TB, pairs ...string) []byte {
	t.Helper()
	s := click
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(t, s, pairs[i])
		s = strings.Replace(s, pairs[i], pairs[i+1], 1)
	}
	return []byte(s)
}

func TestAJournalEvent(t *testing.T) {
	t.Parallel()
	full := events.MarketingEvent{Type: events.Click, Key: "tracking/5000", ContactID: ada, RecipientID: "8569152", BroadLogID: "8003",
		TrackingLogID: "5000", CampaignName: "CMP12", DeliveryName: "DM190", Time: sentAt, URL: "https://shop.example.test/a?x=1&y=ü",
		MirrorPageURL: "https://t.acme.test/nl/jsp/m.jsp?c=%401x", Source: "cow:1"}
	for name, tt := range map[string]struct {
		change []string
		want   func(e *events.MarketingEvent)
	}{ // R18.5, R18.8, R18.9, R18.10
		"a click is all there": {nil, func(*events.MarketingEvent) {}},
		"an open has no address": {[]string{".click", ".open"}, func(e *events.MarketingEvent) {
			e.Type, e.URL = events.Open, ""
		}},
		"a send is known by its broadlog": {[]string{".click", ".send"}, func(e *events.MarketingEvent) {
			e.Type, e.URL, e.Key = events.Send, "", "broadlog/8003/send"
		}},
		"a hard bounce": {[]string{".click", ".bounce", `"failureType":""`, `"failureType":"hard"`}, func(e *events.MarketingEvent) {
			e.Type, e.URL, e.Key = events.Bounce, "", "broadlog/8003/bounce"
		}},
		"a soft bounce": {[]string{".click", ".bounce", `"failureType":""`, `"failureType":"soft"`}, func(e *events.MarketingEvent) {
			e.Type, e.URL, e.Key, e.Soft = events.Bounce, "", "broadlog/8003/bounce", true
		}},
		"an external id that is no GUID is no contact": {[]string{"6F1D2C3B-0000-4000-8000-00000000ADA1", "crm-77"}, func(e *events.MarketingEvent) {
			e.ContactID = ""
		}},
		"an empty external id is no contact": {[]string{"6F1D2C3B-0000-4000-8000-00000000ADA1", ""}, func(e *events.MarketingEvent) {
			e.ContactID = ""
		}},
		"braces around the GUID": {[]string{"6F1D2C3B-0000-4000-8000-00000000ADA1", "{6F1D2C3B-0000-4000-8000-00000000ADA1}"}, func(*events.MarketingEvent) {}},
		"numbers as ids":         {[]string{`"8003"`, `8003`, `"5000"`, `5000`, `"8569152"`, `8569152`}, func(*events.MarketingEvent) {}},
		"seeds and proofs": {[]string{`"seedMember":false`, `"seedMember":true`, `"proofMember":false`, `"proofMember":"1"`}, func(e *events.MarketingEvent) {
			e.Seed, e.Proof = true, true
		}},
		"no campaign and no mirror page": {[]string{`"campaignName":"CMP12"`, `"campaignName":""`, `"mirrorPageURL":"https://t.acme.test/nl/jsp/m.jsp?c=%401x"`, `"x":null`}, func(e *events.MarketingEvent) {
			e.CampaignName, e.MirrorPageURL = "", ""
		}},
		"another zone and finer than milliseconds": {[]string{"2026-03-01T10:15:29.000Z", "2026-03-01T11:15:29.0009+01:00"}, func(*events.MarketingEvent) {}},
		"without the log's id, its own: eventid":   {[]string{`"trackinglogID":"5000"`, `"trackinglogID":""`, `"id":"5a0c"`, `"id":"other"`}, func(e *events.MarketingEvent) { e.TrackingLogID, e.Key = "", "event/5a0c" }},
		"without the log's id, its own: event_id":  {[]string{`"trackinglogID":"5000"`, `"trackinglogID":null`, `"eventid"`, `"event_id"`, `"id":"5a0c"`, `"id":"other"`}, func(e *events.MarketingEvent) { e.TrackingLogID, e.Key = "", "event/5a0c" }},
		"without the log's id, its own: id":        {[]string{`"trackinglogID":"5000",`, ``, `"eventid":"5a0c",`, ``}, func(e *events.MarketingEvent) { e.TrackingLogID, e.Key = "", "event/5a0c" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := full
			tt.want(&want)
			got, ours, err := events.FromJournal("cow:1", with(t, tt.change...))
			require.NoError(t, err)
			require.True(t, ours)
			require.Equal(t, want, got)
			again, err := events.Decode(got.Encode())
			require.NoError(t, err)
			require.Equal(t, &want, again)
		})
	}
}

func TestAnEventThatCannotBeUsedNamesTheMember(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change []string
		member string
		fault  events.Fault
	}{
		"no external id":                  {[]string{`"externalID":"6F1D2C3B-0000-4000-8000-00000000ADA1",`, ``}, "data.externalID", events.Missing},
		"no date":                         {[]string{`"eventDate":"2026-03-01T10:15:29.000Z",`, ``}, "data.eventDate", events.Missing},
		"the date is a number":            {[]string{`"eventDate":"2026-03-01T10:15:29.000Z"`, `"eventDate":17`}, "data.eventDate", events.Invalid},
		"a date without a zone":           {[]string{"2026-03-01T10:15:29.000Z", "2026-03-01T10:15:29"}, "data.eventDate", events.Invalid},
		"the 30th of February":            {[]string{"2026-03-01T10:15:29.000Z", "2026-02-30T10:15:29Z"}, "data.eventDate", events.Invalid},
		"no delivery":                     {[]string{`"deliveryName":"DM190"`, `"deliveryName":null`}, "data.deliveryName", events.Missing},
		"a click without address":         {[]string{`"url":"https://shop.example.test/a?x=1&y=ü",`, ``}, "data.url", events.Missing},
		"a bounce of no type":             {[]string{".click", ".bounce"}, "data.failureType", events.Missing},
		"a bounce of another type":        {[]string{".click", ".bounce", `"failureType":""`, `"failureType":"hidden"`}, "data.failureType", events.Invalid},
		"an id that would spoil keys":     {[]string{`"5000"`, `"5000/hidden"`}, "data.trackinglogID", events.Invalid},
		"an id that is an object":         {[]string{`"5000"`, `{}`}, "data.trackinglogID", events.Invalid},
		"no id at all":                    {[]string{`"trackinglogID":"5000",`, ``, `"id":"5a0c","eventid":"5a0c",`, ``}, "data.trackinglogID", events.Missing},
		"no id of a send":                 {[]string{".click", ".send", `"broadlogID":"8003",`, ``, `"id":"5a0c","eventid":"5a0c",`, ``}, "data.broadlogID", events.Missing},
		"its own id is not printable":     {[]string{`"trackinglogID":"5000",`, ``, `"eventid":"5a0c"`, `"eventid":"hid den"`}, "eventid", events.Invalid},
		"a seed that is neither":          {[]string{`"seedMember":false`, `"seedMember":"hidden"`}, "data.seedMember", events.Invalid},
		"the mirror page is an object":    {[]string{`"https://t.acme.test/nl/jsp/m.jsp?c=%401x"`, `{"a":"hidden"}`}, "data.mirrorPageURL", events.Invalid},
		"no data":                         {[]string{`"data":`, `"date":`}, "data", events.Missing},
		"no type":                         {[]string{`"type":"com.adobe.campaign.standard.email.click",`, ``}, "type", events.Missing},
		"broken off":                      {[]string{`%401x"}}`, `hidden`}, "event", events.Invalid},
		"not UTF-8":                       {[]string{"Spring", "Spr\xffng"}, "event", events.Invalid},
		"the first of two faults is told": {[]string{`"deliveryName":"DM190"`, `"deliveryName":7`, `"seedMember":false`, `"seedMember":9`}, "data.deliveryName", events.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _, err := events.FromJournal("cow:1", with(t, tt.change...))
			var p *events.Problem
			require.ErrorAs(t, err, &p)
			require.Equal(t, tt.member, p.Member)
			require.Equal(t, tt.fault, p.Fault)
			require.NotContains(t, err.Error(), "hidden")
			require.Zero(t, got)
		})
	}
}

func TestOtherTypesAreNotOurs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"com.adobe.campaign.standard.sms.click", "com.adobe.campaign.standard.email.unsubscribe", "notemail.click", "email.", "click", "email.click.v2"} {
		got, ours, err := events.FromJournal("cow:1", with(t, "com.adobe.campaign.standard.email.click", name))
		require.NoError(t, err, name)
		require.False(t, ours, name)
		require.Zero(t, got, name)
	}
	_, ours, err := events.FromJournal("cow:1", with(t, "com.adobe.campaign.standard.email.click", "email.click"))
	require.NoError(t, err)
	require.True(t, ours)
}

func TestTheStagedFormIsStable(t *testing.T) {
	t.Parallel()
	e, _, err := events.FromJournal("cow:1", []byte(click))
	require.NoError(t, err)
	require.Equal(t, `{"t":"click","k":"tracking/5000","c":"`+ada+`","r":"8569152","b":"8003","l":"5000","cn":"CMP12","dn":"DM190",`+
		`"at":"2026-03-01T10:15:29Z","u":"https://shop.example.test/a?x=1&y=ü","m":"https://t.acme.test/nl/jsp/m.jsp?c=%401x","s":"cow:1"}`, string(e.Encode()))
	_, err = events.Decode([]byte(`{"t":"hidden`))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hidden")
}
