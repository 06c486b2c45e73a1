package optout_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	rules "causeway.dev/internal/optout"
	"causeway.dev/sandbox/kit"
)

// A field of the profile that has another name than at the start is found under it, by one
// look at the data models for all contacts.
func TestAFieldThatWasRenamedIsTakenUpWhileTheFlowRuns(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, rules.Bidirectional, rules.SourceREST)
	var reads atomic.Int32
	formerly := func(m *campaign.Metadata) {
		reads.Add(1)
		m.Fields["denyListEmail"], m.Fields["denyListEmailLastModified"] = m.Fields["blackListEmail"], m.Fields["blackListEmailLastModified"]
	}
	target := &remodelled{Client: s.optOpts.Campaign.(*campaign.Client), change: formerly}
	s.optOpts.Campaign = target
	s.rebuild()
	s.startOptOut()
	target.change = func(*campaign.Metadata) { reads.Add(1) }
	reads.Store(0)
	for _, id := range s.keys {
		s.inDynamics(id, "donotbulkemail", true)
	}
	require.Equal(t, activities.Counts{Read: 10, Updated: 10}, s.settle())
	for _, id := range s.keys {
		require.Equal(t, [2]bool{true, true}, s.both(id))
	}
	require.EqualValues(t, 1, reads.Load())
}

// unmodelled is a Dynamics whose contact lost a column.
type unmodelled struct {
	*dataverse.Client
	lost string
}

func (u *unmodelled) Entity(ctx context.Context, name string) (*dataverse.Entity, error) {
	e, err := u.Client.Entity(ctx, name)
	if err == nil {
		delete(e.Attributes, u.lost)
	}
	return e, err
}

// A column that is gone stops the flow with the setting that names it.
func TestAColumnThatIsGoneIsNamedByItsPair(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 2, rules.Bidirectional, rules.SourceREST)
	source := &unmodelled{Client: s.optOpts.Dynamics.(*dataverse.Client)}
	s.optOpts.Dynamics = source
	s.rebuild()
	s.startOptOut()
	source.lost = "donotbulkemail"
	_, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "dataverse", Method: http.MethodPatch, Action: kit.Respond, Status: 400, Times: 10,
		Body: `{"error":{"code":"0x80048d19","message":"Invalid property 'donotbulkemail' was found in entity 'Microsoft.Dynamics.CRM.contact'."}}`})
	require.NoError(t, err)
	s.inCampaign(s.keys[0], "blackListEmail", true)
	ref := s.ref
	ref.Run, ref.Kind = "optout-x", activities.KindDelta
	value, err := s.Env.ExecuteActivity(s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 1, Now: true})
	require.NoError(t, err)
	require.NoError(t, value.Get(&activities.FetchResult{}))
	_, err = s.Env.ExecuteActivity(s.opt.WriteOptOuts, activities.LaneInput{RunRef: ref, Page: 1})
	require.ErrorContains(t, err, "the data models changed while it ran: the opt-out settings do not fit: opt_out.pairs[0].dynamics: contact has no column donotbulkemail")
}
