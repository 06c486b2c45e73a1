package campaign_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"causeway.dev/sandbox/campaign"
)

// §3.1: each opt-out attribute has the time of its last change. Only Campaign sets it,
// at every change.
func TestOptOutStamps(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	stamp := func(name string) string { return i.send("GET", profiles+"/a", "").get(name + "LastModified").Str }
	i.post(`{"externalId":"a","blackListEmail":false}`)
	require.Empty(t, stamp("blackListEmail"), "false is what it was")

	require.Equal(t, 200, i.send("PATCH", profiles+"/a", `{"blackListEmail":true}`).status)
	first := stamp("blackListEmail")
	require.Regexp(t, `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z$`, first)
	require.Equal(t, first, stamp("blackListAll"))
	require.Empty(t, stamp("blackListFax"))

	i.clock.Advance(time.Minute)
	i.send("PATCH", profiles+"/a", `{"blackListEmail":true,"firstName":"Ann"}`)
	require.Equal(t, first, stamp("blackListEmail"), "the same value is no change")
	r := i.send("GET", profiles+"/a", "")
	require.Greater(t, r.get("lastModified").Str, first, "the record's own stamp moves with any change")

	require.NoError(t, i.Update("profile", "a", []byte(`{"blackListEmail":false}`)), "somebody in Campaign's screens")
	second := stamp("blackListEmail")
	require.Greater(t, second, first)
	require.Equal(t, second, stamp("blackListAll"))
	refused := i.send("PATCH", profiles+"/a", `{"blackListEmailLastModified":"2026-03-01 09:00:00.000Z"}`)
	require.Contains(t, refused.body, "Cannot update the 'blackListEmailLastModified' property that is read-only")
	require.Equal(t, 200, i.send("PATCH", profiles+"/a", `{"ccpaOptOut":true}`).status)
	require.False(t, i.send("GET", profiles+"/a", "").get("ccpaOptOutLastModified").Exists(), "no stamp of it is known")
}

// An instance that does not publish these times keeps them all the same.
func TestHiddenOptOutStamps(t *testing.T) {
	t.Parallel()
	i := newInstance(t, func(o *campaign.Options) { o.NoOptOutStamps = true })
	made := i.post(`{"externalId":"a","blackListEmail":true}`)
	for _, body := range []string{made.body, i.send("GET", profiles+"/a", "").body, i.send("GET", "profileAndServices/profile/a", "").body} {
		require.True(t, gjson.Get(body, "blackListEmail").Bool())
		require.NotContains(t, body, "blackListEmailLastModified")
		require.NotContains(t, body, "blackListAllLastModified")
		require.NotEmpty(t, gjson.Get(body, "lastModified").Str)
	}
	meta := i.send("GET", "profileAndServicesExt/resourceType/profile", "")
	require.True(t, meta.get("content.blackListEmail").Exists())
	require.False(t, meta.get("content.blackListEmailLastModified").Exists())
	for _, r := range []reply{
		i.send("PATCH", profiles+"/a", `{"blackListEmailLastModified":""}`),
		i.send("GET", profiles+"?_order=blackListEmailLastModified", ""),
	} {
		require.Contains(t, r.body, "'blackListEmailLastModified' property is not valid for the 'profile' resource.")
	}
	require.Equal(t, 404, i.send("GET", profiles+"/blackListEmailLastModified", "").status, "that is a key nobody has")
	require.NotEmpty(t, i.Profile("a")["blackListEmailLastModified"])
}

// §4.5: the filter finds what changed since a moment, by whatever change. The moment is
// included.
func TestModifiedSince(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	i.post(`{"externalId":"a"}`)
	i.clock.Advance(time.Hour)
	i.post(`{"externalId":"b"}`)
	keys := func(since string) (out []string) {
		for _, v := range i.send("GET", profiles+"/byModifiedSince?since_parameter="+since, "").get("content.#.externalId").Array() {
			out = append(out, v.Str)
		}
		return out
	}
	at := i.send("GET", profiles+"/b", "").get("lastModified").Str
	require.Equal(t, []string{"b"}, keys(at[:10]+"T"+at[11:]))
	require.Equal(t, []string{"b"}, keys(at[:10]+"%20"+at[11:]))
	require.NoError(t, i.Update("profile", "a", []byte(`{"blackList":true}`)))
	require.Equal(t, []string{"a", "b"}, keys(at[:10]+"T"+at[11:]))
}

// Extract returns what changed between two moments, both included.
func TestExtract(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	var seen []string
	extract := func(since, until time.Time, fields ...string) error {
		seen = nil
		return i.Extract("profile", fields, since, until, func(v []string, modified time.Time) error {
			require.False(t, modified.IsZero())
			seen = append(seen, v[0]+"="+v[1])
			return nil
		})
	}
	i.post(`{"externalId":"a","blackListEmail":true}`)
	middle := i.clock.Now()
	i.clock.Advance(time.Hour)
	i.post(`{"externalId":"b"}`)
	i.post(`{"email":"nobody@example.test"}`)
	require.NoError(t, extract(time.Time{}, middle, "externalId", "blackListEmail"))
	require.Equal(t, []string{"a=true"}, seen)
	require.NoError(t, extract(middle.Add(time.Minute), i.clock.Now(), "externalId", "blackListEmail"))
	require.Equal(t, []string{"b=", "="}, seen)
	require.ErrorContains(t, extract(middle, middle, "externalId", "nothing"), `there is no field "nothing"`)
	require.Error(t, i.Extract("nothing", nil, middle, middle, nil))
}
