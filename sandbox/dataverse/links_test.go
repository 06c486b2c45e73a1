package dataverse_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/kit"
)

// Rows are written, undone, merged and deleted in any order. The view then holds the
// rows of all activity tables in key order, a contact's timeline holds what regards it,
// and no activity regards a deleted contact.
func TestTimelinesStayWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := dataverse.New(dataverse.Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}, Tokens: everybody{}})
		do := func(method, path, body string, headers ...string) int {
			r := httptest.NewRequest(method, "https://org.example"+api+"/"+path, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer good")
			for _, h := range headers {
				name, value, _ := strings.Cut(h, ": ")
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w.Code
		}
		sets := []string{opened, clicks, "tasks"}
		contact := rapid.SampledFrom([]string{alice, bob, carol})
		id := rapid.Custom(func(t *rapid.T) string {
			return uuid.NewSHA1(uuid.NameSpaceOID, []byte{byte(rapid.IntRange(0, 9).Draw(t, "n"))}).String()
		})
		body := func() string {
			return `{"regardingobjectid_contact@odata.bind":"/contacts(` + contact.Draw(t, "contact") + `)"}`
		}
		t.Repeat(map[string]func(*rapid.T){
			"contact": func(t *rapid.T) { do("PATCH", "contacts("+contact.Draw(t, "contact")+")", `{}`) },
			"activity": func(t *rapid.T) {
				do("PATCH", sets[rapid.IntRange(0, 2).Draw(t, "set")]+"("+id.Draw(t, "id")+")", body())
			},
			"remove": func(t *rapid.T) { do("DELETE", sets[rapid.IntRange(0, 2).Draw(t, "set")]+"("+id.Draw(t, "id")+")", "") },
			"forget": func(t *rapid.T) { do("DELETE", "contacts("+contact.Draw(t, "contact")+")", "") },
			"merge":  func(t *rapid.T) { _ = s.Merge(contact.Draw(t, "winner"), contact.Draw(t, "loser")) },
			"fail": func(t *rapid.T) {
				before := snapshot(s)
				set := changeSet(
					operation("1", "PATCH", api+"/"+clicks+"("+id.Draw(t, "id")+")", body()),
					operation("2", "DELETE", api+"/contacts("+contact.Draw(t, "contact")+")", ""),
					operation("3", "POST", api+"/contacts", `{"gendercode":9}`))
				require.NotEqual(t, 200, do("POST", "$batch", multi("b1", []string{set}), `Content-Type: multipart/mixed; boundary="b1"`))
				require.Equal(t, before, snapshot(s))
			},
			"": func(t *rapid.T) {
				var union []string
				for _, set := range append([]string{"adobe_emailsends", "adobe_emailbounces"}, sets...) {
					union = append(union, s.Keys(set)...)
				}
				slices.Sort(union)
				require.Equal(t, union, append([]string(nil), s.Keys("activitypointers")...))
				want := map[string][]string{}
				s.Each("activitypointers", func(key string, row map[string]any) bool {
					if to, ok := row["_regardingobjectid_value"].(string); ok {
						require.NotNil(t, s.Row("contacts", to), "an activity regards a contact that is gone")
						want[to] = append(want[to], key)
					}
					return true
				})
				for _, c := range []string{alice, bob, carol} {
					require.ElementsMatch(t, want[c], keysOf(s.Regarding(c)))
				}
			},
		})
	})
}

func keysOf(rows []map[string]any) []string {
	var out []string
	for _, r := range rows {
		out = append(out, r["activityid"].(string))
	}
	return out
}

// snapshot holds all rows of the tables that the test touches.
func snapshot(s *dataverse.Server) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, set := range []string{"contacts", "activitypointers"} {
		s.Each(set, func(key string, row map[string]any) bool { out[set+key] = row; return true })
	}
	for _, c := range []string{alice, bob, carol} {
		keys := keysOf(s.Regarding(c))
		slices.Sort(keys)
		out["of "+c] = map[string]any{"keys": keys}
	}
	return out
}
