package campaign_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/campaign"
)

const ps = "profileAndServices/"

// Rows ACS-R1 to ACS-R5 of docs/protocol/campaign-rows.md: addresses.
func TestAddresses(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	require.Equal(t, 201, i.send("POST", ps+"profile/", `{"externalId":"a-1"}`).status, "a slash at the end is nothing")
	require.Equal(t, "a-1", i.send("GET", ps+"profile.json", "").get("content.0.externalId").Str)
	head := i.send("HEAD", ps+"profile/a-1", "")
	require.Equal(t, 200, head.status)
	require.Empty(t, head.body)
	require.Equal(t, 404, i.send("HEAD", ps+"profile/a-2", "").status)
	for _, path := range []string{"mcacme/EVT1", "mcacme/EVT1/@x"} {
		r := i.send("POST", path, `{}`)
		require.Equal(t, 501, r.status)
		require.Contains(t, r.body, "does not imitate transactional messages")
	}
	for _, path := range []string{ps + "profile/hasOpenedDelivery?delivery=DM1", ps + "profile?$apply=x", ps + "profile/birthday?day=1&month=2&precision=week"} {
		require.Equal(t, 501, i.send("GET", path, "").status, path)
	}
}

// Row ACS-B1: the body is parsed before the resource, or the record, is looked for.
func TestBodyComesFirst(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	for _, path := range []string{"profileAndServicesExt/nobodyMadeThis/1", "profileAndServicesExt/nobodyMadeThis", profiles + "/nobody"} {
		method := map[bool]string{true: "PATCH", false: "POST"}[strings.Count(path, "/") > 1]
		r := i.send(method, path, `@gibberish`)
		require.Equal(t, 500, r.status, path)
		require.Contains(t, r.body, "'@gibberish' is not a valid constant", path)
		require.Equal(t, 404, i.send(method, path, `{}`).status, path)
	}
	require.Contains(t, i.send("POST", profiles, `"@gibberish"`).body, "'@gibberish' is not a valid constant")
}

// Row ACS-E1: the form of an error is a setting.
func TestErrorBodies(t *testing.T) {
	t.Parallel()
	for form, path := range map[string]string{"text": "", "json_string": "@this", "json_code": "message", "json_error_code": "message"} {
		i := newInstance(t, func(o *campaign.Options) { o.ErrorBody = form })
		r := i.send("GET", profiles+"/nobody", "")
		require.Equal(t, 404, r.status)
		text := r.body
		if path != "" {
			text = r.get(path).Str
			require.Contains(t, r.header.Get("Content-Type"), "json")
		}
		require.Contains(t, text, "Unable to find document", form)
	}
}

// Rows ACS-V1 to ACS-V4: numbers and links.
func TestStricterValues(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	i.post(`{"externalId":"a-1"}`)
	gone := i.post(`{"externalId":"a-2"}`).get("PKey").Str
	require.Equal(t, 200, i.send("DELETE", profiles+"/a-2", "").status)
	for body, want := range map[string]string{
		`{"orderId":"1","amount":"+5"}`:                   "BAS-010040",
		`{"orderId":"1","amount":"0x1p4"}`:                "BAS-010040",
		`{"orderId":"1","amount":".5"}`:                   "BAS-010040",
		`{"orderId":"1","amount":true}`:                   "BAS-010040",
		`{"orderId":"1","owner":"a-1"}`:                   "BAS-010040",
		`{"orderId":"1","owner":7}`:                       "BAS-010040",
		`{"orderId":"1","owner":{"PKey":"nobody"}}`:       "Unable to find document",
		`{"orderId":"1","owner":{"PKey":"` + gone + `"}}`: "Unable to find document",
	} {
		r := i.send("POST", "profileAndServicesExt/cusOrder", body)
		require.GreaterOrEqual(t, r.status, 400, body)
		require.Contains(t, r.body, want, body)
	}
	for _, lines := range []string{"0", "-1", "+5", "ten", "1.5", "1e2"} {
		r := i.send("GET", profiles+"?_lineCount="+lines, "")
		require.Equal(t, 500, r.status, lines)
		require.Contains(t, r.body, "to integer (32 bit) type", lines)
	}
}

// Rows ACS-S1 to ACS-S6: services and subscriptions, from both sides.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	made := i.send("POST", ps+"service/", `{"label":"Sport Newsletter","messageType":"email","start":"2019-10-06"}`)
	require.Equal(t, 201, made.status, made.body)
	require.Equal(t, "SVC1", made.get("name").Str)
	require.Equal(t, "Sport Newsletter (SVC1)", made.get("title").Str)
	require.Equal(t, "newsletter", made.get("mode").Str)
	twice := i.send("POST", ps+"service", `{"name":"SVC1"}`)
	require.Equal(t, 500, twice.status)
	require.Contains(t, twice.body, `A 'Service' with the same key 'SVC1' already exists. PGS-220000 PostgreSQL error: ERROR:  duplicate key value violates unique constraint "nmsservice_name"`)
	require.Len(t, i.send("GET", ps+"service/byChannel/byText?channel=email&text=Sport", "").get("content").Array(), 1)
	require.Empty(t, i.send("GET", ps+"service/byChannel?channel=sms", "").get("content").Array())

	person := i.post(`{"externalId":"a-1","firstName":"John"}`)
	of := person.get("subscriptions.href").Str
	r := i.send("POST", of, `{"service":{"PKey":"`+made.get("PKey").Str+`"}}`)
	require.Equal(t, 201, r.status, r.body)
	require.Equal(t, "Sport Newsletter (SVC1)", r.get("service.title").Str)
	require.False(t, r.get("pair").Exists())
	require.Contains(t, i.send("POST", of, `{"service":{"PKey":"SVC1"}}`).body, "already exists")
	require.Contains(t, i.send("POST", of, `{}`).body, "not-null")
	require.Contains(t, i.send("POST", of, `{"service":{"PKey":"SVC9"}}`).body, "Unable to find document")

	list := i.send("GET", ps+"service/SVC1/subscriptions", "")
	require.Equal(t, "John", list.get("content.0.subscriber.firstName").Str, list.body)
	require.Equal(t, "SVC1", list.get("content.0.serviceName").Str)
	require.EqualValues(t, 1, list.get("count.value").Int())
	require.EqualValues(t, 1, i.send("GET", list.get("count.href").Str, "").get("count").Int())
	require.Len(t, i.send("GET", ps+"profile/subscribers?service=SVC1", "").get("content").Array(), 1)
	href := list.get("content.0.href").Str
	require.Equal(t, 200, i.send("GET", href, "").status)
	require.Equal(t, 404, i.send("GET", ps+"subscription", "").status, "there is no way but through a profile or a service")
	require.Equal(t, 204, i.send("DELETE", href, "").status)
	require.Equal(t, 404, i.send("DELETE", href, "").status)

	require.Equal(t, 201, i.send("POST", of, `{"service":{"PKey":"SVC1"}}`).status)
	require.Equal(t, 200, i.send("DELETE", profiles+"/a-1", "").status)
	require.Empty(t, i.send("GET", ps+"service/SVC1/subscriptions", "").get("content").Array(), "it goes with the profile")
}

// Rows ACS-O1 to ACS-O3: organizational units.
func TestUnits(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	unit := i.send("GET", "profileAndServicesExt/orgUnitBase/", "").get("content.0")
	require.Equal(t, "All (all)", unit.Get("title").Str)
	i.post(`{"externalId":"a-1"}`)
	require.Equal(t, 200, i.send("PATCH", profiles+"/a-1", `{"orgUnit":{"PKey":"`+unit.Get("PKey").Str+`"}}`).status)
	shown := i.send("GET", profiles+"/a-1", "").get("orgUnit")
	require.Equal(t, "All (all)", shown.Get("title").Str)
	require.Equal(t, "all", i.send("GET", shown.Get("href").Str, "").get("name").Str)
	require.Equal(t, 200, i.send("PATCH", unit.Get("href").Str, `{"label":"Brand 1","name":"brand1"}`).status, "the name changes, although it is the key")
	require.Equal(t, "Brand 1 (brand1)", i.send("GET", "profileAndServicesExt/orgUnitBase/brand1", "").get("title").Str)
	require.Equal(t, 404, i.send("GET", "profileAndServicesExt/orgUnitBase/all", "").status)
	require.Equal(t, 501, i.send("POST", "profileAndServicesExt/orgUnitBase", `{}`).status)
	require.Equal(t, 404, i.send("GET", "profileAndServices/orgUnitBase", "").status)
}

// Rows ACS-P1 to ACS-P4: privacy requests.
func TestPrivacyRequests(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	i.post(`{"externalId":"a-1","email":"a@example.test","lastName":"Doe"}`)
	const path = "privacy/privacyTool"
	body := `{"name":"PT1","namespaceName":"AMCDS2","reconciliationValue":"a@example.test","regulation":"gdpr","label":"Customers","type":"access"}`
	made := i.send("POST", path, body)
	require.Equal(t, 201, made.status, made.body)
	require.Equal(t, "new", made.get("status").Str)
	require.Equal(t, "Customers (PT1)", made.get("title").Str)
	require.Contains(t, i.send("POST", path, body).body, "already exists")
	require.Contains(t, i.send("POST", path, `{"name":"PT2"}`).body, "not-null")
	require.Contains(t, i.send("POST", path, strings.Replace(body, "access", "forget", 1)).body, "is not valid for the")
	data := i.send("GET", path, "").get("content.0.privacyRequestData.href").Str
	require.Equal(t, 500, i.send("POST", data, `{"name":"PT1"}`).status, "it takes a while")
	i.clock.Advance(time.Minute)
	require.Equal(t, "complete", i.send("GET", path+"/PT1", "").get("status").Str)
	require.Contains(t, i.send("POST", data, `{"name":"PT1"}`).get("@this").Str, "lastName='Doe'")
	require.Equal(t, 404, i.send("POST", data, `{"name":"PT9"}`).status)
	require.Equal(t, 501, i.send("DELETE", path+"/PT1", "").status)
}

type deliveries map[string][]campaign.Message

func (d deliveries) SentTo(external string) []campaign.Message { return d[external] }

// Rows ACS-H1 to ACS-H3: the marketing history.
func TestHistory(t *testing.T) {
	t.Parallel()
	at := time.Date(2018, 5, 17, 8, 44, 49, 366e6, time.UTC)
	i := newInstance(t, func(o *campaign.Options) {
		o.Sent = deliveries{"a-1": {{ID: 8001, At: at, Delivery: "Send via email", Mirror: true}}}
	})
	pkey := i.post(`{"externalId":"a-1","firstName":"John"}`).get("PKey").Str
	r := i.send("GET", ps+"history/"+pkey, "")
	require.Equal(t, "John", r.get("firstName").Str, r.body)
	require.EqualValues(t, 1, r.get("countBroadLogEvents").Int())
	events := i.send("GET", r.get("events.href").Str, "")
	require.Equal(t, "2018-05-17 08:44:49.366Z", events.get("content.0.date").Str, events.body)
	require.Equal(t, "Send via email", i.send("GET", events.get("content.0.href").Str, "").get("label").Str)
	require.Equal(t, 501, i.send("GET", events.get("content.0.mirrorPage.href").Str, "").status)
	require.Equal(t, 200, i.send("GET", ps+"resourceType/history", "").status)
	require.Equal(t, 404, i.send("GET", ps+"history/nobody", "").status)
}

// Rows ACS-W1 to ACS-W5: External signal activities.
func TestSignals(t *testing.T) {
	t.Parallel()
	f := &flows{}
	i := newInstance(t, func(o *campaign.Options) { o.Workflows = f })
	trigger := i.send("GET", "workflow/execution/WKF17", "").get("activities.activity.signal1.trigger.href").Str
	require.True(t, strings.HasSuffix(trigger, "/trigger/"), trigger)
	for body, want := range map[string]string{
		`{}`:         "'source' parameter is mandatory",
		`@gibberish`: "is not a valid constant",
		`{"source":"API","parameters":{"contentURL":"x"}}`: "'contentURL' parameter isn't defined in signal activity. XTK-170006 Unable to parse expression 'HandleTrigger(@name, $(source), $({parameters}))'.",
		`{"source":"API","parameters":{"count":"many"}}`:   "BAS-010040",
		`{"source":"` + strings.Repeat("x", 65<<10) + `"}`: "64 KB",
	} {
		r := i.send("POST", trigger, body)
		require.Equal(t, 500, r.status)
		require.Contains(t, r.body, want)
	}
	require.Empty(t, f.signals)
	require.Equal(t, 200, i.send("POST", trigger, `{"source":"API","parameters":{"count":"5"}}`).status)
	require.Equal(t, []string{"WKF17 signal1 map[count:5]"}, f.signals)
	r := i.send("POST", trigger, `{"source":"API"}`)
	require.NotContains(t, r.header.Get("Content-Type"), "json", "within ten minutes")
	require.Len(t, f.signals, 1)
	i.clock.Advance(10 * time.Minute)
	require.Equal(t, 200, i.send("POST", trigger, `{"source":"API"}`).status)
	require.Len(t, f.signals, 2)
}

// Row ACS-F1: the built-in filters of a profile.
func TestBuiltInFilters(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	for n, born := range []string{"1980-10-24", "1990-10-24", "1990-10-25"} {
		i.post(fmt.Sprintf(`{"externalId":"a-%d","birthDate":"%s"}`, n, born))
	}
	require.Len(t, i.send("GET", ps+"profile/birthday?day=24&month=10", "").get("content").Array(), 2)
	require.Equal(t, 500, i.send("GET", ps+"profile/birthday?day=x&month=10", "").status)
	require.Equal(t, "a-2", i.send("GET", ps+"profile/profile?profile=a-2", "").get("content.0.externalId").Str)
	require.Equal(t, 404, i.send("GET", ps+"profile/profile?profile=a-9", "").status)
	require.Equal(t, http.StatusOK, i.send("GET", ps+"resourceType/profile", "").status)
}
