package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"causeway.dev/internal/optout"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
)

// roundsEnv is how often TestAWorkerThatWakesUndoesNothing stops a worker; without it, it
// does so staleRounds times.
const roundsEnv, staleRounds = "CAUSEWAY_STALE_ROUNDS", 2

const (
	lateEvery = 5                // so many rounds have requests that are carried out late
	late      = 6                // such requests
	lateBy    = 40 * time.Second // after the newer ones
	patience  = 20 * time.Second // of a worker, with an answer: longer than it stands still
	deafFor   = 3 * time.Second  // a worker that wakes hears nothing of Temporal
)

// staleWorld has all flows: contacts, events, and opt-outs.
type staleWorld struct {
	*optOutWorld
	mapped    bool
	events    *eventWorld
	rng       *rand.Rand
	recipient map[string]bool // of events: the timeline goes with its contact
	n         int             // counts up, so that each edit is a change
	last      time.Time       // a stage of a round began
	lateUntil time.Time       // until then requests are carried out late, or what they did is put right
}

// newStaleWorld has opt-outs mapped with the contacts, or carried by their own flow.
func newStaleWorld(t *testing.T, open func(*testing.T, worldOptions) *world, mapped bool) *staleWorld {
	t.Helper()
	pairs := map[string]string{}
	var boxes *stack.Stack
	w := open(t, worldOptions{contacts: 300, pageSize: 100, boxes: func(b *stack.Stack) { boxes = b }, yaml: func(text string) string {
		host, port, err := net.SplitHostPort(boxes.SFTPAddress)
		require.NoError(t, err)
		text = strings.Replace(text, "organization_id: ABC@AdobeOrg\n", fmt.Sprintf(`organization_id: %s
  journal: {url: %q}
  sftp: {host: %s, port: %s, user: %s, key: "file:%s", known_hosts: %s, stable_for: 0s}
`, boxes.CampaignOrganization, boxes.JournalURL, host, port, boxes.SFTPUser, boxes.SFTPKeyFile, boxes.SFTPKnownHostsFile), 1)
		// A worker that wakes takes the answers that came while it stood still, and goes on.
		text = strings.Replace(text, "timeout: 5s", fmt.Sprintf("timeout: %s", patience), 1)
		// Rounds delete more than the delete guard lets go in a day.
		text += "deletes: {stop_ratio: 1, stop_min: 1000000}\n"
		text += "egress: {sends: true, opens: true, clicks: true, bounces: true, source: journal, lanes: 4, poll_every: 1s}\n"
		if mapped {
			return text
		}
		pairs["donotbulkemail"], pairs["donotphone"] = "blackListEmail", "blackListPhone"
		return strings.Replace(text, "\n        - {from: donotbulkemail, to: blackListEmail}", "", 1) + `opt_out:
  mode: bidirectional
  source: rest
  clock_skew: 0s
  poll_every: 1s
  campaign_every: 10s
  pairs:
    - {campaign: denyListEmail, dynamics: donotbulkemail}
    - {campaign: denyListPhone, dynamics: donotphone}
  export: {workflow: WKF_optout, check_every: 1m, auto_restart: true}
`
	}})
	return &staleWorld{
		mapped: mapped, optOutWorld: &optOutWorld{w, pairs}, events: &eventWorld{w},
		rng: rand.New(rand.NewPCG(11, 12)), recipient: map[string]bool{},
	}
}

// begin starts all flows and waits for their baselines.
func (w *staleWorld) begin() {
	w.startFlow()
	w.loaded()
	if !w.mapped {
		w.start(optout.Bidirectional)
	}
	w.events.startFlow()
	w.flow = ""
	w.boxes.Campaign.SetLatency(300 * time.Millisecond)
	w.last = time.Now()
}

// mailing publishes events.
func (w *staleWorld) mailing(round int) {
	f := eventlog.DefaultFunnel()
	f.Events, f.Profiles, f.Seed = 100, 40, uint64(round)
	_, err := w.boxes.GenerateEvents(f)
	require.NoError(w.t, err)
	w.boxes.Events.Each(func(e eventlog.Event) bool {
		w.recipient[e.ExternalID] = true
		return true
	})
}

// chooses says that a contact makes choices in Campaign, and is never deleted.
func (w *staleWorld) chooses(id string) bool { return id[0] < '4' }

// editAll changes every contact of ids: its town, of many an opt-out, and of some one in
// Campaign.
func (w *staleWorld) editAll(ids []string) {
	w.t.Helper()
	for i, id := range ids {
		w.n++
		row := w.boxes.Dynamics.Row("contacts", id)
		if row == nil {
			continue
		}
		values := map[string]any{"address1_city": fmt.Sprintf("Nebelheim %d", w.n)}
		if i%2 == 0 && (w.mapped || w.chooses(id)) {
			values["donotbulkemail"] = row["donotbulkemail"] != true
		}
		w.edit(id, values)
		if !w.mapped && w.chooses(id) && i%3 == 1 {
			out := w.boxes.Campaign.Profile(id)["blackListPhone"] != true
			require.NoError(w.t, w.boxes.Campaign.Update("profile", id, fmt.Appendf(nil, `{"blackListPhone":%t}`, out)))
		}
	}
}

// replaceSome deletes contacts, creates half of them again under their ids, and creates
// new ones.
func (w *staleWorld) replaceSome(ids []string) {
	w.t.Helper()
	for i, id := range ids {
		row := w.boxes.Dynamics.Row("contacts", id)
		if row == nil || w.recipient[id] || w.chooses(id) {
			continue
		}
		w.n++
		w.remove(id)
		if i%2 == 0 {
			_, err := w.boxes.Dynamics.Insert("contacts", map[string]any{"contactid": id, "lastname": fmt.Sprintf("Wiederkehr%d", w.n)})
			require.NoError(w.t, err)
		}
	}
	for range 5 {
		w.n++
		w.insert(fmt.Sprintf("Zwickelmoos%d", w.n))
	}
}

// old gives the workers something to write, and returns when p is in the middle of it. In
// some rounds a few of the requests are carried out late.
func (w *staleWorld) old(round int, p *process) (ids []string) {
	w.t.Helper()
	if round%lateEvery == 0 {
		_, err := w.boxes.Faults.Add(kit.Rule{Service: "campaign", Method: http.MethodPatch, Path: "/profile/", Action: kit.Delay, LatencyMS: int(lateBy.Milliseconds()), Times: late})
		require.NoError(w.t, err)
		w.lateUntil = time.Now().Add(lateBy + patience + time.Minute + 15*time.Second)
	}
	ids = w.ids()
	w.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	ids = ids[:160]
	w.mailing(round)
	calls := w.engineCalls()
	w.editAll(ids[:120])
	w.replaceSome(ids[120:])
	require.Eventually(w.t, func() bool { return w.engineCalls() > calls+int64(5+w.rng.IntN(40)) }, settleWithin, time.Millisecond, w.tail())
	require.Eventually(w.t, func() bool {
		_, types := w.attempts(p.identity)
		if types["WriteLane"] == 0 && w.written(ids) {
			w.editAll(ids[:120]) // the other worker was faster
		}
		return types["WriteLane"] > 0
	}, 3*settleWithin, 20*time.Millisecond, "the worker to be stopped writes")
	return ids
}

// written says that Campaign holds the towns of contacts.
func (w *staleWorld) written(ids []string) bool {
	for _, id := range ids[:120] {
		row, profile := w.boxes.Dynamics.Row("contacts", id), w.boxes.Campaign.Profile(id)
		if row != nil && expected(id, row)["location.city"] != held(profile, "location.city") {
			return false
		}
	}
	return true
}

// newer changes the same contacts again.
func (w *staleWorld) newer(ids []string) {
	w.t.Helper()
	w.replaceSome(ids[:20])
	w.editAll(ids[20:])
}

// allWrong compares both systems in everything.
func (w *staleWorld) allWrong() []string {
	wrong := append(w.differences(10), w.disagreements()...)
	return append(wrong, w.events.timeline()...)
}

// rest waits until both systems hold the same, and nobody writes any more.
func (w *staleWorld) rest() {
	w.t.Helper()
	var wrong []string
	calls, same := int64(-1), 0
	// A doubt that a worker left which is neither gone nor heard of ends a minute after the
	// requests of that worker can have ended. Before late requests were carried out, rest
	// would say nothing.
	if !assert.Eventually(w.t, func() bool {
		wrong = w.allWrong()
		if now := w.engineCalls(); len(wrong) > 0 || now != calls || time.Now().Before(w.lateUntil) {
			calls, same = now, 0
			return false
		}
		same++
		return same >= 10
	}, 4*settleWithin, time.Second) {
		st, err := w.status()
		require.FailNow(w.t, "not at rest", "wrong: %v\nstatus: %+v %v\nworker log:\n%s", wrong, st, err, w.tail())
	}
}

func rounds(t *testing.T) int {
	text := os.Getenv(roundsEnv)
	if text == "" {
		return staleRounds
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// A worker stands still in the middle of its writes, past its heartbeat. Meanwhile the
// same records are changed, deleted and created anew, and others write that. Then it
// wakes. At rest nothing is old: no record, no opt-out, no event, and nobody had to ask.
func TestAWorkerThatWakesUndoesNothing(t *testing.T) {
	t.Parallel()
	for name, mapped := range map[string]bool{"mapped": true, "chosen": false} {
		t.Run("postgres/"+name, func(t *testing.T) {
			t.Parallel()
			w := newStaleWorld(t, newPostgresWorld, mapped)
			w.anotherTakesOver()
		})
		t.Run("sqlite/"+name, func(t *testing.T) {
			t.Parallel()
			w := newStaleWorld(t, newWorld, mapped)
			w.itWakesOrIsReplaced()
		})
	}
}

func (w *staleWorld) anotherTakesOver() {
	workers := []*process{w.linked(w.startedWorker), w.linked(w.startedWorker)}
	w.begin()
	for round := range rounds(w.t) {
		stopped := workers[round%2]
		ids := w.old(round, stopped)
		before := w.stop(stopped)
		w.newer(ids)
		w.givenUp(before)
		w.stage("given up")
		if round%4 < 2 {
			w.inStepAgain() // nobody would write again what it undoes
		} else {
			calls := w.engineCalls()
			require.Eventually(w.t, func() bool { return w.engineCalls() > calls+5 || len(w.differences(1)) == 0 }, 3*settleWithin, time.Millisecond, "the other worker writes")
		}
		w.stage("other writes")
		w.wake(stopped)
		w.inStepAgain()
		w.stage("round %d in step", round)
	}
	w.rest()
	w.stage("at rest")
	notSent, late := w.figures()
	require.Positive(w.t, notSent+late, "nothing old was kept back or put right: nobody was stopped in the middle of it")
	w.noPersonalData()
}

func (w *staleWorld) itWakesOrIsReplaced() {
	p := w.linked(w.startedWorker)
	w.begin()
	for round := range rounds(w.t) {
		ids := w.old(round, p)
		before := w.stop(p)
		w.newer(ids)
		if round%2 == 0 {
			w.givenUp(before)
			w.stage("given up")
			w.wake(p)
		} else {
			next := w.linked(w.startWorker) // waits for the lock
			p.kill()
			p = next
		}
		w.inStepAgain()
		w.stage("round %d in step", round)
	}
	w.rest()
	w.stage("at rest")
	notSent, late := w.figures()
	require.Positive(w.t, notSent+late, "nothing old was kept back or put right: nobody was stopped in the middle of it")
	w.noPersonalData()
}

// inStepAgain is inStep for flows whose tasks went to a worker that stood still: each of
// them is waited for.
func (w *staleWorld) inStepAgain() {
	w.t.Helper()
	if !assert.Eventually(w.t, func() bool { return len(w.differences(1)) == 0 }, 3*settleWithin, 200*time.Millisecond) {
		st, err := w.status()
		require.FailNow(w.t, "not in step", "differences: %v\nstatus: %+v %v\nworker log:\n%s", w.differences(10), st, err, w.tail())
	}
}
