package operator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"causeway.dev/activities"
	"causeway.dev/activities/operator"
	"causeway.dev/config"
	"causeway.dev/internal/access"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// people are who tokens say.
type people map[string]access.Who

func (p people) Verify(_ context.Context, token string) (access.Who, error) {
	who, ok := p[token]
	if !ok {
		return who, &access.RefusedError{Why: "no such token"}
	}
	return who, nil
}

// desk is where permits are asked for.
type desk struct {
	t       *testing.T
	access  *operator.Access
	env     *testsuite.TestActivityEnvironment
	now     time.Time
	ledger  *ledger.Ledger
	answers *operator.Activities
}

func newDesk(t *testing.T, fourEyes ...string) *desk {
	t.Helper()
	d := &desk{t: t, now: time.Now()}
	keys, err := access.NewKeys(make([]byte, access.SecretSize), "")
	require.NoError(t, err)
	cfg := config.Defaults().Access
	cfg.Issuer, cfg.FourEyes = "https://login.example", fourEyes
	d.access = &operator.Access{Config: cfg, Instance: "acme", Keys: keys, Now: func() time.Time { return d.now }, Verifier: people{
		"nobody": {Subject: "n"}, "viewer": {Subject: "v", Role: access.Viewer}, "support": {Subject: "s", Role: access.Support},
		"operator": {Subject: "o", Name: "Ada", Role: access.Operator}, "operator2": {Subject: "o2", Name: "Bob", Role: access.Operator}, "admin": {Subject: "a", Role: access.Admin}, "admin2": {Subject: "a2", Role: access.Admin},
	}}
	d.ledger = ledgertest.Open(t, ledger.Options{Driver: "sqlite", Path: t.TempDir() + "/ledger.db", Now: func() time.Time { return d.now }})
	d.answers = operator.New(operator.Options{Ledger: d.ledger, Access: d.access})
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	d.env = suite.NewTestActivityEnvironment()
	d.answers.Register(d.env)
	return d
}

func (d *desk) request(token, name, input string) access.Request {
	return access.Request{Token: token, Instance: "acme", Name: name, Target: "wf", Input: json.RawMessage(input), Nonce: access.NewNonce(), At: d.now}
}

func (d *desk) ask(r access.Request) (activities.AskPermitResult, error) {
	d.t.Helper()
	sealed, err := access.Seal(r, d.access.Keys.Public())
	require.NoError(d.t, err)
	var out activities.AskPermitResult
	value, err := d.env.ExecuteActivity(activities.AskPermit, activities.AskPermitInput{Sealed: sealed})
	if err == nil {
		require.NoError(d.t, value.Get(&out))
	}
	return out, err
}

// decide is what DecideRequest does once a worker has checked the permit of whoever asks.
func (d *desk) decide(token, id string, confirm bool) error {
	d.t.Helper()
	who, err := d.access.Verifier.Verify(d.t.Context(), token)
	require.NoError(d.t, err)
	ctx := access.WithPermit(d.t.Context(), access.Permit{Subject: who.Subject, By: who.String(), Role: who.Role})
	_, err = d.answers.DecideRequest(ctx, activities.DecideInput{ID: id, Confirm: confirm})
	return err
}

// Every role and every operation, each way.
func TestEveryRoleMayDoWhatTheTableSays(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, name := range access.Names() {
		for _, input := range []string{`{}`, `{"reveal_to":"AQ==","rollback":true}`} {
			operation, ok := access.Find(name, json.RawMessage(input))
			require.True(t, ok, name)
			for token, who := range d.access.Verifier.(people) {
				answer, err := d.ask(d.request(token, name, input))
				if who.Role < operation.Role || who.Role == access.None {
					require.ErrorContains(t, err, "needs the role "+operation.Role.String(), "%s %s", token, name)
					continue
				}
				require.NoError(t, err, "%s %s", token, name)
				var p access.Permit
				require.NoError(t, json.Unmarshal(answer.Permit, &p))
				what, err := access.What(json.RawMessage(input))
				require.NoError(t, err)
				require.NoError(t, d.access.Keys.Check(p, "acme", name, "wf", what, d.now))
				require.Equal(t, who.String(), p.By)
			}
		}
	}
	_, err := d.ask(d.request("admin", "ask/Nothing", `{}`))
	require.ErrorContains(t, err, "nobody may ask for")
}

// A request that somebody recorded gets them nothing.
func TestARequestCountsOnceForAWhileAndHere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.request("operator", "update/Stop", `{}`)
	_, err := d.ask(r)
	require.NoError(t, err)
	_, err = d.ask(r)
	require.ErrorContains(t, err, "was made before")
	for name, change := range map[string]func(*access.Request){
		"late":             func(r *access.Request) { r.At = d.now.Add(-7 * time.Minute) },
		"early":            func(r *access.Request) { r.At = d.now.Add(2 * time.Minute) },
		"another instance": func(r *access.Request) { r.Instance = "other" },
		"no token":         func(r *access.Request) { r.Token = "" },
	} {
		r := d.request("operator", "update/Stop", `{}`)
		change(&r)
		_, err := d.ask(r)
		require.Error(t, err, name)
	}
	d.access.ChangesMapping = func(access.Request) bool { return true }
	_, err = d.ask(d.request("operator", "update/Start", `{}`))
	require.ErrorContains(t, err, "needs the role admin", "another mapping than the worker's")
	_, err = d.ask(d.request("admin", "update/Start", `{}`))
	require.NoError(t, err)
}

// What a second person confirmed is done once: not again by a request that names itself as
// the one that did it, long after that was forgotten.
func TestWhatWasConfirmedIsDoneOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "rollback")
	r := d.request("operator", "update/RequestRollback", `{"run":"r1"}`)
	again := func() activities.AskPermitResult {
		r.At = d.now
		answer, err := d.ask(r)
		require.NoError(t, err)
		return answer
	}
	first := again()
	require.NotNil(t, first.Waits)
	require.NoError(t, d.decide("operator2", first.Waits.ID, true))
	d.now = d.now.Add(time.Hour)
	require.NotEmpty(t, again().Permit)
	d.now = d.now.Add(time.Hour)
	second := again()
	require.NotNil(t, second.Waits, "somebody has to confirm it anew")
	require.NotEqual(t, first.Waits.ID, second.Waits.ID)
}

// Nobody confirms to undo "the running backfill": it could be another one by then.
func TestASecondPersonKnowsWhichRun(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "rollback")
	_, err := d.ask(d.request("operator", "update/CancelBackfill", `{"rollback":true}`))
	require.ErrorContains(t, err, "name the run")
	answer, err := d.ask(d.request("operator", "update/CancelBackfill", `{"rollback":true,"run":"r1"}`))
	require.NoError(t, err)
	require.NotNil(t, answer.Waits)
	answer, err = d.ask(d.request("operator", "update/CancelBackfill", `{}`))
	require.NoError(t, err)
	require.NotEmpty(t, answer.Permit, "what is kept needs nobody else")
}

// Nobody can choose the id that something gets in the log, and have it left out because an
// entry of theirs has that id already.
func TestNobodyChoosesIDsOfTheLog(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.request("operator", "update/Stop", `{}`)
	answer, err := d.ask(r)
	require.NoError(t, err)
	var p access.Permit
	require.NoError(t, json.Unmarshal(answer.Permit, &p))
	require.NotEmpty(t, p.Nonce)
	require.NotEqual(t, r.Nonce, p.Nonce, "updates have the number of the permit, and entries that of the update")

	asked := access.WithPermit(t.Context(), p)
	entry := func(id, what string) error {
		_, err := d.answers.LogOperation(asked, activities.LogInput{Operations: []activities.Operation{{ID: id, What: what, By: p.By, At: d.now}}})
		return err
	}
	require.ErrorContains(t, entry("run-1/"+p.Nonce, activities.OpReplay), "people enter replays")
	require.ErrorContains(t, entry("replay/1", activities.OpStop), "people enter replays")
	require.NoError(t, entry("replay/1", activities.OpReplay))

	// Nor does the time that a discard brings make two of them one.
	discard := activities.DiscardInput{Table: activities.FlowOptOut, Discard: activities.Discard{By: "Sam <s>", At: d.now, Reason: "known"}}
	for range 2 {
		_, err := d.env.ExecuteActivity(activities.DiscardQuarantined, discard)
		require.NoError(t, err)
	}
	entries, err := d.ledger.Operations(t.Context(), ledger.OperationFilter{What: activities.OpDiscard, Limit: 10})
	require.NoError(t, err)
	require.Len(t, entries, 2)
}

// Forgetting somebody needs two admins, where access.four_eyes says so.
func TestForgettingNeedsASecondAdmin(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "forget")
	ask := func() activities.AskPermitResult {
		answer, err := d.ask(d.request("admin", "ask/Forget", `{"id":"x"}`))
		require.NoError(t, err)
		return answer
	}
	_, err := d.ask(d.request("operator", "ask/Forget", `{"id":"x"}`))
	require.ErrorContains(t, err, "needs the role admin")
	id := ask().Waits.ID
	require.ErrorContains(t, d.decide("admin", id, true), "you asked for this yourself")
	require.ErrorContains(t, d.decide("operator2", id, true), "needs the role")
	require.NoError(t, d.decide("admin2", id, true))
	require.NotEmpty(t, ask().Permit)
	require.NotNil(t, ask().Waits, "it was confirmed for once")
	seen, err := d.ask(d.request("admin", "ask/FindTraces", `{"id":"x"}`))
	require.NoError(t, err)
	require.NotEmpty(t, seen.Permit, "to look needs nobody else")
}

// What needs two people waits for a second one, for a while.
func TestFourEyes(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "approve", "rollback", "reveal")
	for name, input := range map[string]string{
		"update/RequestRollback": `{"run":"r1"}`, "update/Approve": `{"run":"r2"}`, "ask/ShowQuarantined": `{"id":"x","reveal_to":"%s"}`, "update/CancelBackfill": `{"run":"r1","rollback":true}`,
	} {
		n := 0
		ask := func(token string) activities.AskPermitResult { // by a key of its own each time
			n++
			text := input
			if name == "ask/ShowQuarantined" {
				text = fmt.Sprintf(input, []string{"AA==", "AQ==", "Ag==", "Aw=="}[n%4])
			}
			answer, err := d.ask(d.request(token, name, text))
			require.NoError(t, err)
			return answer
		}
		asked := ask("operator")
		require.Empty(t, asked.Permit, name)
		require.Equal(t, asked.Waits.ID, ask("operator").Waits.ID, "asked twice by the same person")
		id := asked.Waits.ID
		require.ErrorContains(t, d.decide("operator", id, true), "you asked for this yourself")
		require.ErrorContains(t, d.decide("viewer", id, true), "needs the role")
		require.NoError(t, d.decide("operator2", id, true))
		require.NoError(t, d.decide("operator2", id, true), "an activity may be tried again")
		require.ErrorContains(t, d.decide("admin", id, true), "not open any more")
		require.NotEmpty(t, ask("operator").Permit, name)
		require.NotNil(t, ask("operator").Waits, "it was confirmed for once")
	}
	_, err := d.answers.DecideRequest(t.Context(), activities.DecideInput{ID: "x", Confirm: true})
	require.ErrorContains(t, err, "a name that nobody verified does not count")
	answer, err := d.ask(d.request("operator", "update/Reject", `{"run":"r1"}`))
	require.NoError(t, err)
	require.NotEmpty(t, answer.Permit, "nothing that is named waits")

	other := func() activities.SecondPerson {
		answer, err := d.ask(d.request("admin", "update/RequestRollback", `{"run":"r9"}`))
		require.NoError(t, err)
		return *answer.Waits
	}
	declined := other()
	require.NoError(t, d.decide("operator", declined.ID, false))
	require.ErrorContains(t, d.decide("operator2", declined.ID, true), "not open any more")
	late := other()
	require.NotEqual(t, declined.ID, late.ID)
	d.now = d.now.Add(25 * time.Hour)
	require.ErrorContains(t, d.decide("operator", late.ID, true), "it is expired")
	require.NotEqual(t, late.ID, other().ID, "asked anew")
	list, err := d.answers.ListRequests(t.Context(), activities.RequestsInput{})
	require.NoError(t, err)
	require.Len(t, list.Requests, 1)
	list, err = d.answers.ListRequests(t.Context(), activities.RequestsInput{All: true})
	require.NoError(t, err)
	require.Len(t, list.Requests, 11)
}
