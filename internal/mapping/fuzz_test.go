package mapping

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// FuzzMap maps any text as a row. A payload is valid JSON and is the same when it is
// read back. A row that cannot be mapped gives a *FieldError.
func FuzzMap(f *testing.F) {
	f.Add([]byte(everythingRow))
	f.Add([]byte(`{"contactid":null}`))
	f.Add(row("firstname", `"\ud83d\u0000\"\\"`))
	m := mapperFor(f, everything())
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := m.Map(raw)
		if err != nil {
			if fieldErrorOf(err) == nil {
				t.Fatalf("want a *FieldError, got %T", err)
			}
			return
		}
		if !json.Valid(p.Canonical()) || !json.Valid(p.Body()) {
			t.Fatalf("not JSON: %s", p.Canonical())
		}
		again, err := ParsePayload(p.Canonical())
		if err != nil || string(again.Canonical()) != string(p.Canonical()) {
			t.Fatalf("read back %v: %s", err, p.Canonical())
		}
		if _, err := m.FromTarget(raw); err != nil {
			t.Fatalf("a row that can be mapped can be read as a record: %v", err)
		}
	})
}

// FuzzParsePayload: a payload that is accepted has one canonical form.
func FuzzParsePayload(f *testing.F) {
	f.Add([]byte(`{"a":1,"b.c":"x","b.d":true,"e":-1.5e-3}`))
	f.Add([]byte(`{"a":1,"a.b":2}`))
	f.Add([]byte(`{"a":"\ud800","a\u0000":1e40}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePayload(data)
		if err != nil {
			return
		}
		if !json.Valid(p.Canonical()) || !json.Valid(p.Body()) {
			t.Fatalf("not JSON: %s", p.Canonical())
		}
		again, err := ParsePayload(p.Canonical())
		if err != nil || string(again.Canonical()) != string(p.Canonical()) {
			t.Fatalf("second reading: %v\n%s", err, p.Canonical())
		}
		if body, _ := p.Diff(again); body != nil {
			t.Fatalf("differs from itself: %s", body)
		}
	})
}

// FuzzScanObject: the scanner accepts exactly the objects that the standard library
// accepts. Neither checks the UTF-8 of strings.
func FuzzScanObject(f *testing.F) {
	f.Add(` { "a" : [1,{"b":"]}"}] , "c\u0041":-1.5e3,"d":"\\\"" } `)
	f.Add(`{"a":01}`)
	f.Add(`{"a":tru}`)
	f.Add(`{"a":1,}`)
	f.Fuzz(func(t *testing.T, s string) {
		var want map[string]json.RawMessage
		object := json.Unmarshal([]byte(s), &want) == nil && want != nil
		got := map[string]string{}
		if ok := scanObject(s, func(key string, v token) { got[key] = v.raw }); ok != object {
			t.Fatalf("accepted: %v, want %v", ok, object)
		}
		if object && utf8.ValidString(s) && len(got) != len(want) {
			t.Fatalf("%d members, want %d", len(got), len(want))
		}
	})
}

// FuzzMerged: the quick look at a row never misses one that was merged.
func FuzzMerged(f *testing.F) {
	for _, row := range []string{
		`{"merged":false}`, `{"merged":true}`, `{"merged" : true}`, `{"a":"merged","merged":1}`, `{"merged":"true"}`,
		`{"a":{"merged":false},"merged":true}`, `{"merged":null,"b":"\"merged\":true"}`, `{"m\u0065rged":true}`, `{}`,
	} {
		f.Add([]byte(row))
	}
	m := &Mapper{merges: true}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if json.Valid(raw) && m.Merged(raw) != gjson.GetBytes(raw, mergedColumn).Bool() {
			t.Fatalf("%s", raw)
		}
	})
}
