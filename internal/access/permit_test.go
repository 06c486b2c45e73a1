package access_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/workflows"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func keys(t *testing.T, secret byte, encryption string) *access.Keys {
	t.Helper()
	k, err := access.NewKeys([]byte(strings.Repeat(string(rune(secret)), access.SecretSize)), encryption)
	require.NoError(t, err)
	return k
}

// What travels through Temporal shows nothing of the token, and only the workers open it.
func TestARequestIsForTheWorkersOnly(t *testing.T) {
	t.Parallel()
	workers, again := keys(t, 'a', "key"), keys(t, 'a', "key")
	sealed, err := access.Seal(access.Request{Token: "eyJ-token", Name: "n", Nonce: "1", At: noon, Input: json.RawMessage(`{"run":"r"}`)}, workers.Public())
	require.NoError(t, err)
	require.NotContains(t, string(sealed), "eyJ")
	r, err := again.Open(sealed)
	require.NoError(t, err)
	require.Equal(t, "eyJ-token", r.Token)
	for name, other := range map[string]*access.Keys{"another ledger": keys(t, 'b', "key"), "the ledger without its key": keys(t, 'a', "")} {
		_, err := other.Open(sealed)
		require.ErrorContains(t, err, "sealed with another key", name)
	}
	sealed[len(sealed)-1] ^= 1
	_, err = workers.Open(sealed)
	require.Error(t, err)
}

// A permit is for one request of one instance, for a while, and cannot be made by others.
func TestAPermitIsForOneThing(t *testing.T) {
	t.Parallel()
	k := keys(t, 'a', "")
	what, err := access.What(workflows.RollbackRequest{Run: "r1"})
	require.NoError(t, err)
	p := k.Sign(access.Permit{Instance: "acme", Name: "update/RequestRollback", Target: "wf", What: what, Nonce: "1", Until: noon, Subject: "s", By: "Ada <s>", Role: access.Operator})
	check := func(p access.Permit, instance, name, target, what string, now time.Time) error {
		text, err := json.Marshal(p) // as it travels
		require.NoError(t, err)
		p = access.Permit{}
		require.NoError(t, json.Unmarshal(text, &p))
		return k.Check(p, instance, name, target, what, now)
	}
	require.NoError(t, check(p, "acme", "update/RequestRollback", "wf", what, noon))
	other, err := access.What(workflows.RollbackRequest{Run: "r2"})
	require.NoError(t, err)
	require.ErrorContains(t, check(p, "acme", "update/RequestRollback", "wf", other, noon), "something else")
	require.ErrorContains(t, check(p, "acme", "update/Stop", "wf", what, noon), "something else")
	require.ErrorContains(t, check(p, "acme", "update/RequestRollback", "wf2", what, noon), "something else")
	require.ErrorContains(t, check(p, "other", "update/RequestRollback", "wf", what, noon), "something else")
	require.ErrorContains(t, check(p, "acme", "update/RequestRollback", "wf", what, noon.Add(time.Second)), "came later")
	for name, forge := range map[string]func(*access.Permit){
		"longer": func(p *access.Permit) { p.Until = p.Until.Add(time.Hour) }, "another name": func(p *access.Permit) { p.By = "Eve <e>" },
		"more": func(p *access.Permit) { p.Role = access.Admin }, "for something else": func(p *access.Permit) { p.What = other },
		"another request": func(p *access.Permit) { p.Nonce = "2" }, "no signature": func(p *access.Permit) { p.MAC = nil },
	} {
		forged := p
		forge(&forged)
		require.ErrorContains(t, check(forged, "acme", "update/RequestRollback", "wf", forged.What, noon), "not one that a worker", name)
	}
}

// Who asks is no part of what is asked for, and an input is the same after it travelled.
func TestWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	same := func(a, b any) bool {
		one, err := access.What(a)
		require.NoError(t, err)
		two, err := access.What(b)
		require.NoError(t, err)
		return one == two
	}
	require.True(t, same(workflows.RollbackRequest{Run: "r", By: "ada"}, workflows.RollbackRequest{Run: "r", By: "bob"}))
	look, reveal, elsewhere := activities.ShowQuarantinedInput{ID: "x"}, activities.ShowQuarantinedInput{ID: "x", RevealTo: []byte{1}}, activities.ShowQuarantinedInput{ID: "x", RevealTo: []byte{2}}
	require.False(t, same(look, reveal), "a look is no reveal, which needs more")
	require.False(t, same(reveal, elsewhere), "nor is a reveal one to somebody else")
	require.False(t, same(workflows.AuditInput{}, workflows.AuditInput{At: &workflows.AuditProgress{Run: "r"}}), "nor does an audit begin in its middle")
	one, err := access.Alike(reveal)
	require.NoError(t, err)
	two, err := access.Alike(elsewhere)
	require.NoError(t, err)
	require.Equal(t, one, two, "what a second person confirmed is revealed to another key")
	require.False(t, same(workflows.RollbackRequest{Run: "r"}, workflows.RollbackRequest{Run: "s"}))
	start := workflows.StartRequest{Revision: "1", Tuning: workflows.Tuning{StopRatio: 0.2, Poll: activities.Duration(3 * time.Second)}, Table: &activities.Table{Name: "contacts"}}
	text, err := json.Marshal(start)
	require.NoError(t, err)
	var travelled workflows.StartRequest
	require.NoError(t, json.Unmarshal(text, &travelled))
	require.True(t, same(start, travelled))
	require.True(t, same(json.RawMessage(text), travelled), "as it came, and as it is handled")
}

func TestNamesInAnInputAreReplaced(t *testing.T) {
	t.Parallel()
	by := func(was string) string { return was + "!" }
	in := activities.LogInput{Operations: []activities.Operation{{By: "a"}, {By: "b"}}}
	require.Equal(t, activities.LogInput{Operations: []activities.Operation{{By: "a!"}, {By: "b!"}}}, access.Sign(in, by))
	require.Equal(t, "a", in.Operations[0].By, "the input itself is left alone")
	require.Equal(t, activities.DiscardInput{Table: "t", Discard: activities.Discard{By: "a!"}}, access.Sign(activities.DiscardInput{Table: "t", Discard: activities.Discard{By: "a"}}, by))
	require.Equal(t, workflows.StopRequest{By: "!"}, access.Sign(workflows.StopRequest{}, by))
	require.Nil(t, access.Sign(nil, by))
	require.False(t, access.Verified(access.SaysToBe("Ada <sub-1>")), "nobody can say to be verified")
	require.True(t, access.Verified(access.Who{Subject: "s"}.String()))
}
