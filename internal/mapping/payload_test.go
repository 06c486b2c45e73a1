package mapping

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func parse(t require.TestingT, canonical string) *Payload {
	p, err := ParsePayload([]byte(canonical))
	require.NoError(t, err)
	return p
}

func TestPayloadForms(t *testing.T) {
	t.Parallel()
	p := parse(t, `{"location.zip":"1","a":1.50,"location.geo.lat":-0.0,"location.city":"x","z":true}`)
	require.Equal(t, `{"a":1.5,"location.city":"x","location.geo.lat":0,"location.zip":"1","z":true}`, string(p.Canonical()))
	require.Equal(t, `{"a":1.5,"location":{"city":"x","geo":{"lat":0},"zip":"1"},"z":true}`, string(p.Body()))
	require.Len(t, p.Fingerprint(), 16)
	require.Equal(t, `{}`, string(parse(t, `{}`).Body()))
}

// R11.4: Diff holds the fields that changed and no others, nested as in Campaign.
func TestDiff(t *testing.T) {
	t.Parallel()
	last := parse(t, `{"email":"a","gender":"male","location.city":"x","location.zip":"1","old":1}`)
	now := parse(t, `{"email":"a","gender":"female","location.city":"y","location.zip":"1","new":1}`)
	body, changed := now.Diff(last)
	require.Equal(t, `{"gender":"female","location":{"city":"y"},"new":1}`, string(body))
	require.Equal(t, []string{"gender", "location.city", "new"}, changed)
	body, changed = now.Diff(now)
	require.Nil(t, body)
	require.Nil(t, changed)
}

// docs/protocol/campaign.md §4.3: a PATCH cannot change the key, so it is never in one.
func TestDiffLeavesTheKeyOut(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, table(Field{From: "firstname", To: "firstName"}))
	p, err := m.Map(row("firstname", `"Ann"`))
	require.NoError(t, err)
	require.Contains(t, string(p.Body()), contactID)
	for _, last := range []string{`{}`, `{"externalId":"other","firstName":"Ann2"}`} {
		body, changed := p.Diff(parse(t, last))
		require.Equal(t, `{"firstName":"Ann"}`, string(body))
		require.Equal(t, []string{"firstName"}, changed)
	}
	restored, err := m.Parse([]byte(`{"externalId":"x","firstName":"Old"}`))
	require.NoError(t, err)
	body, _ := restored.Diff(p)
	require.Equal(t, `{"firstName":"Old"}`, string(body))
}

func TestParsePayloadRefuses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		``, `null`, `[]`, `1`, `{"a":null}`, `{"a":{}}`, `{"a":[1]}`, `{"a":1`, `{"":1}`, `{".a":1}`, `{"a.":1}`, `{"a..b":1}`,
		`{"a":1,"a":2}`, `{"a":1,"a.b":2}`, `{"a.b":1,"a.b.c":2,"a-":3}`, `{"a":1e999}`, `{"a":"SECRET","b":{"c":"SECRET"}}`,
	} {
		_, err := ParsePayload([]byte(bad))
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "SECRET")
	}
}

// payloads draws flat payloads over a small set of fields, so that two of them
// have some in common.
func payloads(fields []string) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		out := map[string]any{}
		for _, name := range fields {
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				out[name] = rapid.StringN(0, 6, -1).Draw(t, "text")
			case 1:
				out[name] = rapid.Int32Range(-3, 3).Draw(t, "number")
			case 2:
				out[name] = rapid.Bool().Draw(t, "flag")
			case 3:
				out[name] = json.Number(rapid.StringMatching(`-?[0-9]{1,6}(\.[0-9]{1,4})?`).Filter(func(s string) bool {
					return json.Valid([]byte(s))
				}).Draw(t, "decimal"))
			}
		}
		return out
	})
}

var someFields = []string{"email", "location.city", "location.zip", "location.geo.lat", "location-x", "z"}

func payloadOf(t require.TestingT, flat map[string]any) *Payload {
	data, err := json.Marshal(flat)
	require.NoError(t, err)
	return parse(t, string(data))
}

// flatten turns a nested object into dotted fields, with the standard library only.
func flatten(t require.TestingT, body []byte) map[string]string {
	out := map[string]string{}
	var walk func(prefix string, raw json.RawMessage)
	walk = func(prefix string, raw json.RawMessage) {
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) != nil {
			out[strings.TrimSuffix(prefix, ".")] = string(raw)
			return
		}
		for name, value := range object {
			walk(prefix+name+".", value)
		}
	}
	require.True(t, json.Valid(body), "%s", body)
	walk("", body)
	delete(out, "")
	return out
}

func TestPayloadProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := payloadOf(t, payloads(someFields).Draw(t, "a"))
		b := payloadOf(t, payloads(someFields).Draw(t, "b"))

		body, changed := a.Diff(a)
		require.Nil(t, body)
		require.Empty(t, changed)

		// Applying Diff(b, a) to a gives b.
		merged := flatten(t, a.Body())
		if body, changed = b.Diff(a); body != nil {
			sent := flatten(t, body)
			require.Equal(t, changed, slices.Sorted(maps.Keys(sent)))
			for name, value := range sent {
				require.NotEqual(t, merged[name], value, "%s was sent without need", name)
				merged[name] = value
			}
		}
		require.Equal(t, flatten(t, b.Body()), merged)

		// The canonical form survives a round trip, and equal forms have equal fingerprints.
		again := parse(t, string(a.Canonical()))
		require.Equal(t, string(a.Canonical()), string(again.Canonical()))
		require.Equal(t, string(a.Fingerprint()) == string(b.Fingerprint()), string(a.Canonical()) == string(b.Canonical()))
		require.Equal(t, string(a.Canonical()) == string(b.Canonical()), len(changed) == 0)
	})
}
