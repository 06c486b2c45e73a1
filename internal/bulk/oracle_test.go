package bulk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/bulk"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/imports"
	"causeway.dev/sandbox/kit"
)

// members are those of an enumeration: name, then what is stored.
func members(pairs ...string) map[string]mapping.EnumValue {
	out := map[string]mapping.EnumValue{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = mapping.EnumValue{Value: pairs[i+1], Label: pairs[i]}
	}
	return out
}

var profilePlan = &mapping.Plan{Table: mapping.Table{Name: "contacts"}, Fields: []mapping.PlanField{
	{To: "birthDate", Target: mapping.ToDate},
	{To: "blackListEmail", Target: mapping.ToBoolean},
	{To: "email", Target: mapping.ToText, Length: 128, Policy: "email"},
	{To: "externalId", Target: mapping.ToText, Key: true},
	{To: "firstName", Target: mapping.ToText, Length: 30, Policy: "smartCase"},
	{To: "gender", Target: mapping.ToNumericEnum, Values: members("unknown", "0", "male", "1", "female", "2")},
	{To: "isExternal", Target: mapping.ToBoolean},
	{To: "location.city", Target: mapping.ToText, Length: 80},
	{To: "preferredLanguage", Target: mapping.ToEnum, Values: members("none", "none", "en_gb", "en_gb")},
	{To: "timeZone", Target: mapping.ToEnum, Values: members("none", "none", "Europe_Paris", "Europe/Paris")},
}}

var orderPlan = &mapping.Plan{Table: mapping.Table{Name: "orders"}, Fields: []mapping.PlanField{
	{To: "amount", Target: mapping.ToFloat},
	{To: "count", Target: mapping.ToInt8},
	{To: "orderId", Target: mapping.ToText, Key: true},
	{To: "owner.PKey", Target: mapping.ToLink, Parent: "contacts"},
	{To: "paidAt", Target: mapping.ToDateTime},
}}

func order() campaign.Resource {
	return campaign.Resource{Name: "cusOrder", Label: "Order", Schema: "cus:order", Key: "orderId", Fields: []campaign.Field{
		{Name: "orderId", Type: campaign.String, ResType: "string", Length: 50},
		{Name: "amount", Type: campaign.Number, ResType: "double"},
		{Name: "count", Type: campaign.Number, ResType: "byte"},
		{Name: "paidAt", Type: campaign.Datetime, ResType: "datetime"},
		{Name: "owner", Type: campaign.Link, ResType: "link", Target: "profile"},
	}}
}

// resource is one mapping under test and how its records look.
type resource struct {
	name   string
	plan   *mapping.Plan
	record func(r *rand.Rand, key string) map[string]any
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

var texts = []string{"", "Ada", "o'neil-SMITH", `said "no"`, `"`, "a,b;c\td", " blank ", "two\nlines", "Zoë 漢字 🙂", "=1+1", `\.`, "#x", strings.Repeat("é", 30), strings.Repeat("é", 31), "0", "NULL", "\u00a0x"}

var resources = []resource{
	{"profile", profilePlan, func(r *rand.Rand, key string) map[string]any {
		return map[string]any{
			"birthDate": pick(r, "", "1985-08-17", "2000-02-29", "17/08/1985"), "blackListEmail": strings.HasSuffix(key, "7"), "externalId": key,
			"email": pick(r, "", "a@example.com", "A.B+c@Example.com", "no address"), "firstName": pick(r, texts...),
			"gender": pick(r, "unknown", "male", "female"), "isExternal": r.IntN(2) == 0, "location.city": pick(r, texts...),
			"preferredLanguage": pick(r, "none", "en_gb"), "timeZone": pick(r, "none", "Europe_Paris"),
		}
	}},
	{"cusOrder", orderPlan, func(r *rand.Rand, key string) map[string]any {
		return map[string]any{
			"amount": json.Number(pick(r, "0", "-1.5", "0.1", "1234567.89", "1e21")), "count": json.Number(pick(r, "0", "127", "-128", "128")),
			"orderId": key, "owner.PKey": pick(r, "", "k1", "k2", "nobody"),
			"paidAt": pick(r, "", "2026-03-01 02:00:00.000Z", "2026-03-01 02:00:00.250Z", "1969-12-31 23:59:59.000Z"),
		}
	}},
}

func payload(t testing.TB, record map[string]any) *mapping.Payload {
	t.Helper()
	raw, err := json.Marshal(record)
	require.NoError(t, err)
	p, err := mapping.ParsePayload(raw)
	require.NoError(t, err)
	return p
}

type good struct{}

func (good) Valid(string) bool { return true }

// newCampaign is an instance and its API.
func newCampaign(t *testing.T) (*campaign.Server, func(method, path string, body []byte) int) {
	t.Helper()
	s := campaign.New(campaign.Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}, Tokens: good{}, APIKey: "key", Tenant: "acme", Resources: []campaign.Resource{order()}})
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, func(method, path string, body []byte) int {
		req, err := http.NewRequestWithContext(t.Context(), method, h.URL+"/acme/campaign/profileAndServicesExt/"+path, bytes.NewReader(body))
		require.NoError(t, err)
		req.Header = http.Header{"Authorization": {"Bearer good"}, "X-Api-Key": {"key"}, "Content-Type": {"application/json"}}
		res, err := h.Client().Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		return res.StatusCode
	}
}

// files are the parts that were written.
type files map[string]*bytes.Buffer

type file struct{ *bytes.Buffer }

func (file) Close() error { return nil }

func (f files) open(id string) (io.WriteCloser, error) {
	f[id] = &bytes.Buffer{}
	return file{f[id]}, nil
}

// TestAFileMakesTheRecordsThatRESTMakes writes the same records by REST into one instance
// and by file into another, new ones and then other values of the same. Both refuse the
// same records, and the others are equal.
func TestAFileMakesTheRecordsThatRESTMakes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // a test that can be repeated
		byREST, call := newCampaign(t)
		byFile, callFile := newCampaign(t)
		clock, dir := &kit.Clock{}, t.TempDir()
		engine := imports.New(imports.Options{Clock: clock, Dir: dir, Into: byFile.Importer})
		for _, res := range resources {
			sheet, err := bulk.NewSheet(res.plan)
			require.NoError(t, err)
			require.NoError(t, engine.Build(imports.Workflow{ID: res.name, Resource: res.name, Columns: sheet.Columns(), File: "import/x.csv", Results: res.name}))
			held := map[string]*mapping.Payload{}
			for round := range 2 {
				out := files{}
				w, err := sheet.Split(fmt.Sprintf("r%d", round), 1, bulk.Limits{Rows: 1 << 20, Bytes: 1 << 30}, out.open)
				require.NoError(t, err)
				var inFile []*mapping.Payload
				var refused []bool
				set := 0
				for n := range 150 {
					key := fmt.Sprintf("k%d", n)
					p := payload(t, res.record(r, key))
					method, path, body := http.MethodPost, res.name, p.Body()
					if last := held[key]; last != nil {
						body, _ = p.Diff(last)
						method, path = http.MethodPatch, res.name+"/"+key
					}
					_, _, err := w.Add(p)
					aside, rest := errors.AsType[*bulk.ByREST](err)
					status := 200
					if body != nil {
						status = call(method, path, body)
						if rest {
							require.Equal(t, status, callFile(method, path, body), "%s", aside)
						}
					}
					if !rest {
						require.NoError(t, err)
						inFile, refused = append(inFile, p), append(refused, status >= 300)
					} else {
						set++
					}
					if status < 300 {
						held[key] = p
					}
				}
				parts, err := w.Close()
				require.NoError(t, err)
				require.Len(t, parts, 1)
				require.Positive(t, set)
				require.Equal(t, len(inFile), parts[0].Rows)
				require.NoError(t, os.WriteFile(filepath.Join(dir, "import", "x.csv"), out[parts[0].ID].Bytes(), 0o600))
				engine.Command(res.name, "start")
				clock.Advance(time.Minute)
				engine.RunDue()
				status, err := engine.Status(res.name)
				require.NoError(t, err)
				require.Equal(t, "finished", status.State, status.Error)
				tally := bulk.NewTally(parts[0])
				readResults(t, tally, filepath.Join(dir, res.name))
				require.True(t, tally.Counts().Balanced(), "%+v", tally.Counts())
				for i, p := range inFile {
					require.Equal(t, refused[i], tally.Outcome(i+1) == bulk.WasRefused, "%s of round %d: %s", res.name, round, p.Canonical())
				}
				want, got := contents(byREST, res.name), contents(byFile, res.name)
				require.Len(t, got, len(want))
				for key := range want {
					require.Equal(t, want[key], got[key])
				}
			}
			require.Greater(t, len(held), 40)
		}
	}
}

func readResults(t *testing.T, tally *bulk.Tally, folder string) {
	t.Helper()
	found, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.NotEmpty(t, found)
	for _, f := range found {
		kind, ok := bulk.KindOf(f.Name())
		require.True(t, ok)
		data, err := os.ReadFile(filepath.Join(folder, f.Name()))
		require.NoError(t, err)
		require.NoError(t, tally.Read(kind, f.Name(), bytes.NewReader(data)))
	}
}

// contents are the records without the times of their writes. A link is the key of its
// target, which has another number in another instance.
func contents(s *campaign.Server, resource string) map[string]map[string]any {
	var profiles []string
	s.Each("profile", func(key string, _ map[string]any) bool {
		profiles = append(profiles, key)
		return true
	})
	out := map[string]map[string]any{}
	s.Each(resource, func(key string, record map[string]any) bool {
		for name := range record {
			if name == "created" || name == "cryptedId" || strings.HasSuffix(name, "astModified") {
				delete(record, name)
			}
		}
		if id, err := strconv.Atoi(fmt.Sprint(record["owner"])); err == nil {
			record["owner"] = profiles[id-1]
		}
		out[key] = record
		return true
	})
	return out
}
