package optout_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/campaign"
	rules "causeway.dev/internal/optout"
)

// remodelled is a Campaign whose profile is changed by its administrator.
type remodelled struct {
	*campaign.Client
	change func(*campaign.Metadata)
}

func (r *remodelled) Metadata(ctx context.Context, of campaign.Resource) (*campaign.Metadata, error) {
	m, err := r.Client.Metadata(ctx, of)
	if err == nil && r.change != nil {
		r.change(m)
	}
	return m, err
}

// The contact and the profile are looked at while opt-outs wait: what does no harm is
// told, and a pair that is gone fails the flow before a choice meets it.
func TestThePairsAreLookedAtWhileTheFlowRuns(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 2, rules.Bidirectional, rules.SourceREST)
	target := &remodelled{Client: s.optOpts.Campaign.(*campaign.Client)}
	s.optOpts.Campaign, s.optOpts.CheckModelsEvery = target, time.Nanosecond
	s.rebuild()
	s.startOptOut()
	wait := func() (*activities.FetchResult, error) {
		ref := s.ref
		ref.Run, ref.Kind = "optout-x", activities.KindDelta
		value, err := s.Env.ExecuteActivity(s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 4,
			Wait: activities.Duration(time.Millisecond), Poll: activities.Duration(time.Second)})
		if err != nil {
			return nil, err
		}
		var out activities.FetchResult
		return &out, value.Get(&out)
	}
	out, err := wait()
	require.NoError(t, err)
	require.Equal(t, &activities.ModelChanges{}, out.Models)

	target.change = func(m *campaign.Metadata) { delete(m.Fields, "blackListPhoneLastModified") }
	out, err = wait()
	require.NoError(t, err)
	require.Equal(t, []string{"profile keeps the time of the last change of denyListPhone no more; it was in blackListPhoneLastModified"}, out.Models.Changes)

	target.change = func(m *campaign.Metadata) { delete(m.Fields, "blackListPhone") }
	_, err = wait()
	require.ErrorContains(t, err, "the data models changed while it ran: the opt-out settings do not fit: opt_out.pairs[1].campaign: profile has no field")

	target.change = func(m *campaign.Metadata) {
		m.Fields["denyListPhone"] = m.Fields["blackListPhone"]
		delete(m.Fields, "blackListPhone")
	}
	_, err = wait()
	require.ErrorContains(t, err, "profile called denyListPhone by blackListPhone and does by denyListPhone now")
}
