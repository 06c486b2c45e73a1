package campaign_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/kit"
)

type tokens map[string]bool

func (t tokens) Valid(token string) bool { return t[token] }

// instance is a server and a plain client of it.
type instance struct {
	*testing.T
	*campaign.Server
	faults *kit.Faults
	clock  *kit.Clock
	url    string
	client *http.Client
}

func newInstance(t *testing.T, change ...func(*campaign.Options)) *instance {
	t.Helper()
	i := &instance{T: t, faults: &kit.Faults{}, clock: &kit.Clock{}}
	o := campaign.Options{Clock: i.clock, Faults: i.faults, Tokens: tokens{"good": true}, APIKey: "key", Tenant: "acme", Resources: []campaign.Resource{order()}}
	for _, c := range change {
		c(&o)
	}
	i.Server = campaign.New(o)
	s := httptest.NewTLSServer(i.Server)
	t.Cleanup(s.Close)
	i.url, i.client = s.URL, s.Client()
	return i
}

// order is a linked custom resource: its parent is a profile, by primary key.
func order() campaign.Resource {
	return campaign.Resource{Name: "cusOrder", Label: "Order", Schema: "cus:order", Key: "orderId", Fields: []campaign.Field{
		{Name: "orderId", Type: campaign.String, ResType: "string", Length: 50},
		{Name: "amount", Type: campaign.Number, ResType: "double"},
		{Name: "owner", Type: campaign.Link, ResType: "link", Target: "profile"},
	}}
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) get(path string) gjson.Result { return gjson.Get(r.body, path) }

func (i *instance) send(method, path, body string, headers ...string) reply {
	i.Helper()
	if !strings.HasPrefix(path, "https://") {
		path = i.url + "/acme/campaign/" + path
	}
	req, err := http.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	require.NoError(i, err)
	req.Header = http.Header{"Authorization": {"Bearer good"}, "X-Api-Key": {"key"}, "Content-Type": {"application/json;charset=utf-8"}}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	res, err := i.client.Do(req)
	require.NoError(i, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(i, err)
	return reply{res.StatusCode, res.Header, string(data)}
}

const profiles = "profileAndServicesExt/profile"

func (i *instance) post(body string) reply {
	i.Helper()
	r := i.send("POST", profiles, body)
	require.Equal(i, 201, r.status, r.body)
	return r
}

// §1.4: the gateway answers before Campaign does.
func TestGateway(t *testing.T) {
	i := newInstance(t)
	for name, c := range map[string]struct {
		headers string
		path    string
		status  int
		code    string
	}{
		"no key":          {"X-Api-Key: ", profiles, 403, "403000"},
		"wrong key":       {"X-Api-Key: x", profiles, 403, "403003"},
		"no token":        {"Authorization: ", profiles, 403, "403010"},
		"wrong token":     {"Authorization: Bearer x", profiles, 401, "401013"},
		"another tenant":  {"", "https://HOST/other/campaign/" + profiles, 403, "403023"},
		"nothing of ours": {"", "nothing/at/all", 500, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := []string{}
			if c.headers != "" {
				h = append(h, c.headers)
			}
			r := i.send("GET", strings.Replace(c.path, "https://HOST", i.url, 1), "", h...)
			require.Equal(t, c.status, r.status, r.body)
			require.Equal(t, c.code, r.get("error_code").String(), r.body)
		})
	}
	require.Zero(t, i.Calls().Engine(), "what the gateway refuses is no engine call")
}

// §4.2, §4.3: the verbs, by PKey and by business key.
func TestVerbs(t *testing.T) {
	i := newInstance(t)
	made := i.post(`{"externalId":"a-1","email":"a@example.test","location":{"city":"Farsund"}}`)
	pkey := made.get("PKey").Str
	require.True(t, strings.HasPrefix(pkey, "@"))
	require.Equal(t, "unknown", made.get("gender").Str, "defaults come back")
	require.Equal(t, "example.test", made.get("domain").Str)

	for _, key := range []string{"a-1", pkey} {
		r := i.send("GET", profiles+"/"+key, "")
		require.Equal(t, 200, r.status)
		require.Equal(t, "a-1", r.get("externalId").Str)
		require.NotEqual(t, pkey, r.get("PKey").Str, "a PKey is another text at each reading")
		patched := i.send("PATCH", profiles+"/"+key, `{"location":{"city":"Oslo `+key[:1]+`"}}`)
		require.Equal(t, 200, patched.status, patched.body)
		require.ElementsMatch(t, []string{"PKey", "href"}, keysOf(patched.body))
	}
	require.Equal(t, "Oslo @", i.send("GET", profiles+"/a-1", "").get("location.city").Str)
	require.Equal(t, 200, i.send("DELETE", profiles+"/a-1", "").status)
	gone := i.send("GET", profiles+"/a-1", "")
	require.Equal(t, 404, gone.status)
	require.Contains(t, gone.body, "Unable to find document with path 'Profile' from key 'a-1:0'")
	require.Equal(t, 404, i.send("DELETE", profiles+"/a-1", "").status)
	require.Equal(t, 404, i.send("PATCH", profiles+"/a-1", `{}`).status)
	require.Equal(t, int64(1), i.Calls().Insert)
	require.Equal(t, int64(2), i.Calls().Update)
	require.Equal(t, int64(1), i.Calls().Delete)
	require.Equal(t, int64(2), i.Calls().Refused)
}

func keysOf(body string) []string {
	var out []string
	gjson.Parse(body).ForEach(func(k, _ gjson.Result) bool {
		out = append(out, k.Str)
		return true
	})
	return out
}

// §5.1: refusals, in Campaign's words.
func TestRefusals(t *testing.T) {
	i := newInstance(t)
	i.post(`{"externalId":"taken"}`)
	for name, c := range map[string]struct{ body, text string }{
		"duplicate key":  {`{"externalId":"taken"}`, "with the same key 'taken' already exists. PGS-220000 PostgreSQL error: ERROR:  duplicate key value violates unique constraint"},
		"unknown field":  {`{"externalId":"b","jobTitel":"x"}`, "'jobTitel' property is not valid for the 'profile' resource."},
		"read-only":      {`{"externalId":"b","age":3}`, "Cannot update the 'age' property that is read-only"},
		"no e-mail":      {`{"externalId":"b","email":"nobody"}`, "RST-360011"},
		"no such option": {`{"externalId":"b","gender":"Male"}`, "RST-360011"},
		"no date":        {`{"externalId":"b","birthDate":"1.2.1980"}`, ""},
		"no JSON":        {`{`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := i.send("POST", profiles, c.body)
			require.Equal(t, 500, r.status, r.body)
			require.Contains(t, r.body, c.text)
			require.True(t, strings.HasPrefix(r.header.Get("Content-Type"), "text/plain"))
		})
	}
	require.EqualValues(t, 1, i.Count("profile"))
	require.EqualValues(t, 1, i.WriteCounts("profile", "taken").Refused)

	quoted := newInstance(t, func(o *campaign.Options) { o.ErrorBody = "json_string" })
	r := quoted.send("POST", profiles, `{"nothing":1}`)
	require.Contains(t, gjson.Parse(r.body).Str, "'nothing' property is not valid")
}

// §3.2: data policies and read-back values.
func TestDataPolicies(t *testing.T) {
	i := newInstance(t)
	i.post(`{"externalId":"a","firstName":"ANNA maria","blackListEmail":true,"birthDate":"2000-02-29"}`)
	r := i.send("GET", profiles+"/a", "")
	require.Equal(t, "Anna Maria", r.get("firstName").Str, "smartCase")
	require.True(t, r.get("blackListEmail").Bool())
	require.NotEmpty(t, r.get("blackListEmailLastModified").Str)
	require.Empty(t, r.get("email").Str)
	require.False(t, r.get("mobilePhone").Type == gjson.Null, "empty is an empty text, not null")
	i.send("PATCH", profiles+"/a", `{"birthDate":null}`)
	require.Empty(t, i.send("GET", profiles+"/a", "").get("birthDate").Str)

	deny := newInstance(t, func(o *campaign.Options) { o.OptOutNames = "denyList" })
	deny.post(`{"externalId":"a","denyListEmail":true}`)
	require.Equal(t, 500, deny.send("POST", profiles, `{"externalId":"b","blackListEmail":true}`).status)
}

// §4.5, §4.6: pages to the end, filters, order, large tables.
func TestLists(t *testing.T) {
	i := newInstance(t, func(o *campaign.Options) { o.BigTable = 60 })
	for n := range 60 {
		i.post(fmt.Sprintf(`{"externalId":"k%02d","email":"p%02d@example.test","lastName":"Brandt"}`, n, n))
	}
	all := func(r reply) (keys []string) {
		for {
			require.Equal(t, 200, r.status, r.body)
			for _, v := range r.get("content").Array() {
				keys = append(keys, v.Get("externalId").Str)
			}
			next := r.get("next.href")
			if !next.Exists() {
				return keys
			}
			r = i.send("GET", next.Str, "")
		}
	}
	first := i.send("GET", profiles, "")
	require.Len(t, first.get("content").Array(), 25)
	require.Len(t, all(first), 60)
	require.Len(t, all(i.send("GET", profiles+"?_lineCount=7", "")), 60)
	desc := all(i.send("GET", profiles+"?_order=externalId%20desc&_lineCount=50", ""))
	require.Equal(t, "k59", desc[0])
	require.Len(t, desc, 60)
	require.Equal(t, []string{"k07"}, all(i.send("GET", profiles+"/byExternalId?externalId_parameter=k07", "")))
	require.Empty(t, all(i.send("GET", profiles+"/byExternalId?externalId_parameter=K07", "")), "case matters")
	require.Equal(t, []string{"k09"}, all(i.send("GET", profiles+"/byEmail?email=p09@example.test", "")))
	require.EqualValues(t, 60, i.send("GET", first.get("count.href").Str, "").get("count").Int())
	require.NotEqual(t, 200, i.send("GET", profiles+"?_lineStart=@made-up", "").status)

	i.post(`{"externalId":"k60"}`) // now it is a large table
	big := i.send("GET", profiles, "")
	require.False(t, big.get("next").Exists())
	require.False(t, big.get("serverSidePagination").Bool())
	forced := i.send("GET", profiles+"?_forcePagination=true", "")
	require.True(t, forced.get("next").Exists())
	require.NotContains(t, forced.get("next.href").Str, "_forcePagination", "the client must say it again")
}

// §2: metadata holds types, lengths and links. A request for it is no engine call.
func TestMetadata(t *testing.T) {
	i := newInstance(t)
	r := i.send("GET", "profileAndServicesExt/resourceType/profile", "")
	require.Equal(t, 200, r.status, r.body)
	require.Equal(t, "50", r.get("content.lastName.length").Str)
	require.Equal(t, "smartCase", r.get("content.lastName.dataPolicy").Str)
	require.True(t, r.get("content.location.content.city").Exists() || r.get(`content.location`).Exists())
	order := i.send("GET", "profileAndServicesExt/resourceType/cusOrder", "")
	require.Equal(t, "link", order.get("content.owner.type").Str)
	require.Equal(t, 404, i.send("GET", "profileAndServicesExt/resourceType/cusNothing", "").status)
	require.Zero(t, i.Calls().Engine())
	require.EqualValues(t, 2, i.Calls().Metadata)
}

// §4.4: a link is written with its target's key.
func TestLinks(t *testing.T) {
	i := newInstance(t)
	pkey := i.post(`{"externalId":"a"}`).get("PKey").Str
	const orders = "profileAndServicesExt/cusOrder"
	require.Equal(t, 201, i.send("POST", orders, `{"orderId":"o1","amount":2.5,"owner":{"PKey":"`+pkey+`"}}`).status)
	unknown := i.send("POST", orders, `{"orderId":"o2","owner":{"PKey":"nobody"}}`)
	require.Equal(t, 404, unknown.status)
	require.Contains(t, unknown.body, "Unable to find document with path 'Profile' from key 'nobody'")
	got := i.send("GET", orders+"/o1", "")
	require.InDelta(t, 2.5, got.get("amount").Num, 0)
	require.Equal(t, 404, i.send("GET", "profileAndServices/cusOrder/o1", "").status, "custom resources are in the Ext tree")
	require.Equal(t, 200, i.send("PATCH", orders+"/o1", `{"owner":{"PKey":""}}`).status)
}

// §5.3: rate and engine budget.
func TestLimits(t *testing.T) {
	i := newInstance(t, func(o *campaign.Options) { o.EngineBudgetPerHour, o.EnforceEngineBudget = 3, true })
	for n := range 3 {
		i.post(fmt.Sprintf(`{"externalId":"%d"}`, n))
	}
	r := i.send("POST", profiles, `{"externalId":"4"}`)
	require.Equal(t, 429, r.status)
	require.Equal(t, "429001", r.get("error_code").String())
	require.NotEmpty(t, r.header.Get("Retry-After"))
	i.clock.Advance(time.Hour)
	i.post(`{"externalId":"4"}`)

	narrow := newInstance(t, func(o *campaign.Options) { o.RatePerSecond, o.Burst = 0.001, 1 })
	narrow.post(`{"externalId":"1"}`)
	r = narrow.send("POST", profiles, `{"externalId":"2"}`)
	require.Equal(t, 429, r.status)
	require.Equal(t, "429050", r.get("error_code").String())
}

// Records, keys and write counts come back from a snapshot; old PKeys do not.
func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	i := newInstance(t)
	pkey := i.post(`{"externalId":"a","lastName":"Brandt"}`).get("PKey").Str
	i.send("PATCH", profiles+"/a", `{"lastName":"Holm"}`)
	require.NoError(t, i.Save(dir))
	again := newInstance(t)
	loaded, err := again.Load(dir)
	require.NoError(t, err)
	require.True(t, loaded)
	require.Equal(t, "Holm", again.send("GET", profiles+"/a", "").get("lastName").Str)
	require.Equal(t, i.WriteCounts("profile", "a"), again.WriteCounts("profile", "a"))
	require.Equal(t, 500, again.send("GET", profiles+"/"+pkey, "").status)
}

// Whatever a path or body holds, the answer is one that the service gives.
func FuzzRequests(f *testing.F) {
	f.Add("POST", "profileAndServicesExt/profile", `{"externalId":"a","location":{"city":"x"}}`)
	f.Add("GET", "profileAndServicesExt/profile//byText/_count?text=a&_lineCount=-1", "")
	f.Add("PATCH", "profileAndServices/profile/@x", `{"PKey":"@y"}`)
	s := campaign.New(campaign.Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}, Tokens: tokens{"good": true}, APIKey: "key", Tenant: "acme"})
	f.Fuzz(func(t *testing.T, method, path, body string) {
		r := httptest.NewRequest("GET", "https://campaign.example/", strings.NewReader(body))
		r.Method = method
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut("/acme/campaign/"+path, "?")
		r.Header = http.Header{"Authorization": {"Bearer good"}, "X-Api-Key": {"key"}}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		switch w.Code {
		case 200, 201, 404, 500:
		default:
			t.Fatalf("status %d", w.Code)
		}
	})
}
