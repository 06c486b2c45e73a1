package optout_test

import (
	"crypto/rand"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/optout"
)

// Every decision is kept with both sides, the rule and the time; histories hold none of it.
func TestEvidence(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceREST)
	s.startOptOut()
	a := s.keys[0]
	s.inCampaign(a, "blackListEmail", true)
	s.settle()
	s.inDynamics(s.keys[1], "followemail", false)
	s.settle()
	public, private, err := box.GenerateKey(rand.Reader)
	require.NoError(t, err)
	var all []activities.Evidence
	in := activities.EvidenceInput{RevealTo: public[:], Limit: 1}
	for {
		got := activitytest.Call[activities.EvidenceResult](s.World, s.opt.OptOutEvidence, in)
		doc, err := json.Marshal(got)
		require.NoError(t, err)
		require.NotContains(t, string(doc), "opted_out")
		page, err := activities.RevealEvidence(got.Sealed, public, private)
		require.NoError(t, err)
		require.Len(t, page, got.Rows)
		all = append(all, page...)
		if got.Next == nil {
			break
		}
		in.After = got.Next
	}
	require.Len(t, all, 2)
	require.Equal(t, a, all[0].Contact)
	require.Equal(t, "denyListEmail", all[0].Attribute)
	require.Equal(t, "donotbulkemail", all[0].Column)
	require.True(t, all[0].OptedOut)
	require.Equal(t, "dynamics", all[0].Effect)
	require.False(t, all[0].Dynamics.OptedOut)
	require.True(t, all[0].Campaign.OptedOut)
	require.False(t, all[0].Campaign.At.IsZero())
	require.Equal(t, "followemail", all[1].Column)
	require.Equal(t, "campaign", all[1].Effect)

	one := activitytest.Call[activities.EvidenceResult](s.World, s.opt.OptOutEvidence, activities.EvidenceInput{Contact: a, RevealTo: public[:], By: "ada"})
	log := activitytest.Call[activities.OperationsResult](s.World, s.Operator.ListOperations, activities.OperationsInput{What: activities.OpReveal, By: "ada"})
	require.Len(t, log.Operations, 1)
	require.Equal(t, "decisions about the opt-outs of the contact "+a, log.Operations[0].Detail)
	require.Equal(t, 1, one.Rows)
	_, err = s.Env.ExecuteActivity(s.opt.OptOutEvidence, activities.EvidenceInput{Contact: "x", RevealTo: public[:]})
	require.Error(t, err)
	_, err = s.Env.ExecuteActivity(s.opt.OptOutEvidence, activities.EvidenceInput{Contact: a})
	require.ErrorContains(t, err, "reveal_to")
}

// The comparison sees what both systems hold now, whatever is known from before.
func TestCheckOptOuts(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 1500, optout.Bidirectional, optout.SourceREST)
	check := func() activities.CheckOptOutsResult {
		var all activities.CheckOptOutsResult
		for link := ""; ; {
			got := activitytest.Call[activities.CheckOptOutsResult](s.World, s.opt.CheckOptOuts, activities.CheckOptOutsInput{Settings: s.settings, Link: link})
			all.Profiles += got.Profiles
			all.Missing += got.Missing
			all.Different = append(all.Different, got.Different...)
			if link = got.Link; link == "" {
				return all
			}
		}
	}
	require.Equal(t, activities.CheckOptOutsResult{Profiles: 1500}, check())
	s.inDynamics(s.keys[3], "donotbulkemail", true)
	s.inCampaign(s.keys[4], "blackListPhone", true)
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", s.keys[5]))
	got := check()
	require.Equal(t, int64(1), got.Missing)
	require.ElementsMatch(t, []activities.OptOutDifference{
		{Contact: s.keys[3], Attribute: "denyListEmail", Column: "donotbulkemail"}, {Contact: s.keys[4], Attribute: "denyListPhone", Column: "followemail"},
	}, got.Different)
	s.startOptOut()
	s.settle()
	require.Empty(t, check().Different)
}
