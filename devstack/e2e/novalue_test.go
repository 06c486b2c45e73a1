package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
	"causeway.dev/workflows"
)

// newRareWorld has all flows, and rare people in place of the sandbox's own. Each may have a
// vehicle that is named like a person.
func newRareWorld(t *testing.T, people int) (*world, *rare) {
	t.Helper()
	r := newRare(18)
	var boxes *stack.Stack
	w := newWorld(t, worldOptions{
		contacts: people,
		stack:    func(o *stack.Options) { o.SeedFile = filepath.Join("..", "..", "sandbox", "testdata", "vehicles.yaml") },
		boxes:    func(b *stack.Stack) { boxes = b },
		yaml: func(text string) string {
			host, port, err := net.SplitHostPort(boxes.SFTPAddress)
			require.NoError(t, err)
			text = strings.Replace(text, "organization_id: ABC@AdobeOrg\n", fmt.Sprintf(`organization_id: %s
  journal: {url: %q}
  sftp: {host: %s, port: %s, user: %s, key: "file:%s", known_hosts: %s, stable_for: 0s}
`, boxes.CampaignOrganization, boxes.JournalURL, host, port, boxes.SFTPUser, boxes.SFTPKeyFile, boxes.SFTPKnownHostsFile), 1)
			text = strings.Replace(text, "        - {from: donotbulkemail, to: blackListEmail}", "", 1)
			text = strings.Replace(text, "on_too_long: truncate", "on_too_long: reject", 1)
			text = strings.Replace(text, "\ntelemetry:", familyTables+"telemetry:", 1)
			return text + `egress: {sends: true, opens: true, clicks: true, bounces: true, source: both, lanes: 4, poll_every: 1s}
opt_out:
  mode: bidirectional
  source: rest
  clock_skew: 0s
  poll_every: 1s
  campaign_every: 1m
  pairs:
    - {campaign: denyListEmail, dynamics: donotbulkemail}
    - {campaign: denyListPhone, dynamics: donotphone}
quarantine: {stop_ratio: 0.9}
`
		},
	})
	for n, id := range w.ids() {
		w.edit(id, r.person())
		if n%20 == 0 {
			_, err := w.boxes.Dynamics.Insert("new_vehicles", map[string]any{"new_name": r.text(), "new_fuel": 1, "new_price": 7, "new_contactid@odata.bind": "/contacts(" + id + ")"})
			require.NoError(t, err)
		}
	}
	return w, r
}

// hostile are texts of services that echo values, each with and without quotes.
func hostile(values map[string]any) (out []string) {
	for _, form := range []string{
		"%s", "Value '%s' is refused", `Value "%s" is refused`, "value %s is refused", "duplicate key: %s already exists", "Duplicate entry '%s' for key 'email'",
		"could not convert %s to a date", "<html><body>%s</body></html>", "profile %s\nwas not saved", "no such person: %s, ask an administrator",
	} {
		for _, column := range []string{"lastname", "emailaddress1", "mobilephone", "birthdate"} {
			out = append(out, fmt.Sprintf(form, values[column]))
		}
	}
	return out
}

func (w *world) fault(rule kit.Rule) {
	w.t.Helper()
	_, err := w.boxes.Faults.Add(rule)
	require.NoError(w.t, err)
}

// eventually waits until nothing is left.
func (w *world) eventually(what string, left func() []string) {
	w.t.Helper()
	var last []string
	if !assert.Eventually(w.t, func() bool { last = left(); return len(last) == 0 }, settleWithin, 200*time.Millisecond, what) {
		st, err := w.status()
		require.FailNow(w.t, what, "%d left: %v\n%+v %v\n%s", len(last), last[:min(3, len(last))], st, err, w.tail())
	}
}

// answers is a body of a service that says a text.
func answers(t *testing.T, service, text string) string {
	t.Helper()
	body := any(map[string]any{"error_code": "500", "message": text})
	if service == "dataverse" {
		body = map[string]any{"error": map[string]any{"code": "0x80040203", "message": text}}
	}
	doc, err := json.Marshal(body)
	require.NoError(t, err)
	return string(doc)
}

// 5,000 people go through all flows: loads, edits, refusals that echo what was sent and what
// others have, opt-outs both ways, events, a rollback, an audit, files, and everything that
// an operator may look at without --reveal. None of their values stands in Temporal's
// database or histories, in a log, an answer, a metric or an exported file, nor, with a key,
// in the ledger and its log.
func TestNoValueOfAPersonLeavesItsPlace(t *testing.T) {
	t.Parallel()
	w, r := newRareWorld(t, 5_000)
	w.sealLedger(aKey(1))
	ids := w.ids()
	var seen strings.Builder // of what the command line answers
	ask := func(args ...string) string {
		t.Helper()
		code, out, stderr := w.causeway(args...)
		if args[0] == "audit" || args[0] == "plan" {
			assert.NotEmpty(t, out, stderr) // the code says that there are differences
		} else {
			assert.Less(t, code, 2, "%v: %s%s", args, out, stderr)
		}
		seen.WriteString(out + stderr)
		return out
	}

	// Some are refused by our rules, some by Campaign's.
	for _, id := range ids[:10] {
		w.edit(id, map[string]any{"firstname": r.text() + r.text() + r.text() + r.text()})
	}
	for _, id := range ids[10:20] {
		w.edit(id, map[string]any{"emailaddress1": r.text() + " at nowhere"})
	}
	stranger := r.person()
	for n, text := range hostile(stranger) {
		w.fault(kit.Rule{Service: "campaign", Method: http.MethodPost, Path: "/profile$", After: 50 * n, Times: 1, Action: kit.Respond, Status: []int{400, 500}[n%2],
			Body: answers(t, "campaign", text)})
	}
	worker := w.startWorker()
	for _, flow := range []string{"contacts", "vehicles", "services", "egress", "optout"} {
		ask("start", flow)
	}
	w.loaded()

	// Edits, which Campaign refuses in words that name what was sent.
	edited := ids[100:220]
	for n, id := range edited {
		values := r.person()
		w.edit(id, values)
		if texts := hostile(values); n < len(texts) {
			w.fault(kit.Rule{Service: "campaign", Method: http.MethodPatch, Path: "/profile/.*" + id, Times: 1, Action: kit.Respond,
				Status: []int{400, 500, 422}[n%3], Body: answers(t, "campaign", texts[n])})
		}
	}
	w.eventually("the edits", func() (left []string) {
		for _, id := range edited[60:] {
			if w.boxes.Campaign.Profile(id)["mobilePhone"] != w.boxes.Dynamics.Row("contacts", id)["mobilephone"] {
				left = append(left, id)
			}
		}
		return left
	})
	pass := w.until("the pass", func(st workflows.Status) bool { return st.LastRun != nil && st.Run == "" }).LastRun.Run

	// Opt-outs both ways, with refusals.
	for n, id := range ids[300:340] {
		if n%2 == 0 {
			require.NoError(t, w.boxes.Campaign.Update("profile", id, []byte(`{"blackListEmail":true}`)))
			if n%4 == 0 {
				texts := hostile(w.boxes.Dynamics.Row("contacts", id))
				w.fault(kit.Rule{Service: "dataverse", Path: "/contacts", Method: http.MethodPatch, Times: 1, Action: kit.Respond, Status: 400, Body: answers(t, "dataverse", texts[n])})
				w.fault(kit.Rule{Service: "dataverse", Path: `\$batch`, Times: 1, Action: kit.Respond, Status: 400, Body: answers(t, "dataverse", texts[n])})
			}
		} else {
			w.edit(id, map[string]any{"donotphone": true})
		}
	}
	ask("sync-now", "optout")

	// Events, of people, in files, and broken ones.
	for n, id := range ids[400:440] {
		row := w.boxes.Dynamics.Row("contacts", id)
		_, err := w.boxes.Events.Push(eventlog.Pushed{Kind: []string{"send", "open", "click", "bounce"}[n%4], ExternalID: id, Email: fmt.Sprint(row["emailaddress1"]),
			URL: map[bool]string{true: "https://shop.example.test/?who=" + r.text()}[n%4 == 2]})
		require.NoError(t, err)
	}
	for _, raw := range []string{`{"` + r.text() + `":1}`, `"` + r.text() + `"`, `{"eventId":7,"email":"` + r.text() + `@x.example"}`} {
		_, err := w.boxes.Events.Push(eventlog.Pushed{Raw: json.RawMessage(raw)})
		require.NoError(t, err)
	}
	_, err := w.boxes.ExportLogs(t.Context())
	require.NoError(t, err)
	w.fault(kit.Rule{Service: "journal", Times: 2, Action: kit.Respond, Status: 500, Body: answers(t, "campaign", hostile(stranger)[0])})
	require.Eventually(t, func() bool {
		n := int64(0)
		for _, set := range []string{"adobe_emailsends", "adobe_emailopens", "adobe_emailurlclicks", "adobe_emailbounces"} {
			n += w.boxes.Dynamics.Count(set)
		}
		return n >= 30
	}, settleWithin, 100*time.Millisecond, w.tail())
	w.eventually("the opt-outs that no refusal met", func() (left []string) {
		for n, id := range ids[300:340] {
			if n%2 == 0 && w.boxes.Dynamics.Row("contacts", id)["donotbulkemail"] != true {
				left = append(left, id)
			}
		}
		return left[min(len(left), 13):]
	})

	// What an operator does.
	for _, id := range ids[500:510] {
		require.NoError(t, w.boxes.Campaign.Update("profile", id, fmt.Appendf(nil, `{"lastName":%q}`, r.text())))
	}
	ask("audit", "contacts")
	code, out, stderr := w.causeway("rollback", pass, "--yes", "--wait")
	require.Zero(t, code, out+stderr)
	seen.WriteString(out + stderr)
	for _, args := range [][]string{
		{"status"}, {"status", "-o", "json"}, {"runs", "list"}, {"runs", "show", pass}, {"log"}, {"log", "-o", "json"}, {"log", "verify"}, {"quarantine", "list", "--limit", "1000"},
		{"quarantine", "list", "-o", "json"}, {"quarantine", "show", "contacts", ids[0]}, {"quarantine", "show", "contacts", ids[12], "-o", "json"}, {"explain", "contacts", ids[1], "--live"},
		{"explain", "contacts", ids[13], "--live", "-o", "json"}, {"explain", "contacts", edited[3], "--live"}, {"plan", "contacts"}, {"optout", "check"}, {"optout", "history", ids[300]},
		{"quarantine", "discard", "contacts", "--ids", ids[0], "--reason", "test", "--yes"}, {"runs", "list", "--failed"},
	} {
		ask(args...)
	}
	export := filepath.Join(t.TempDir(), "histories")
	for n, run := range append([]string{pass}, "contacts", "vehicles", "egress", "optout") {
		ask("runs", "export", run, "--to", filepath.Join(export, fmt.Sprint(n)))
	}
	evidence := filepath.Join(t.TempDir(), "evidence.csv")
	ask("optout", "export", "--output", evidence)

	code, shown, stderr := w.causeway("quarantine", "show", "contacts", ids[12], "--reveal")
	require.Zero(t, code, stderr)
	require.NotEmpty(t, r.find([]byte(shown)), "the search finds what is shown")

	places := map[string][]byte{"metrics": []byte(w.metrics()), "histories": []byte(w.histories()), "what the command line answers": []byte(seen.String())}
	worker.drain()
	log, err := os.ReadFile(w.log)
	require.NoError(t, err)
	places["the workers' log"], places["Temporal's database"], places["the ledger"] = log, w.temporalBytes(), w.ledgerBytes()
	require.NoError(t, filepath.WalkDir(filepath.Dir(export), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			places[path], err = os.ReadFile(path)
		}
		return err
	}))
	require.Greater(t, len(places), 9, "histories were exported")
	require.Contains(t, seen.String(), edited[3])
	for place, data := range places {
		require.NotEmpty(t, data, place)
		assert.Empty(t, r.find(data), place)
	}

	// The search is able to fail: what an operator writes goes to Temporal.
	w.startWorker()
	ask("pause", "contacts", "--reason", "because of "+r.text())
	require.NotEmpty(t, r.find(w.temporalBytes()))
	require.NotEmpty(t, r.find([]byte(w.histories())))
}
