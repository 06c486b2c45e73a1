package optout_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
	"causeway.dev/sandbox/kit"
)

// pickyDynamics takes no choice about e-mail, as if a plug-in refused it; so does
// pickyCampaign.
type pickyDynamics struct{ *dataverse.Client }

func (p pickyDynamics) Update(ctx context.Context, w dataverse.Write) (*dataverse.Result, error) {
	if bytes.Contains(w.Body, []byte("donotbulkemail")) {
		return nil, &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonRefused, Service: "dataverse", Op: "update contact"}
	}
	return p.Client.Update(ctx, w)
}

type pickyCampaign struct{ *campaign.Client }

func (p pickyCampaign) Patch(ctx context.Context, r campaign.Resource, key string, body []byte) error {
	if bytes.Contains(body, []byte("blackListEmail")) {
		return &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonRefused, Service: "campaign", Op: "update profile"}
	}
	return p.Client.Patch(ctx, r, key, body)
}

// A choice that is refused holds no other up: not in the same system, not in the
// other one.
func TestARefusedChoiceHoldsNoOtherUp(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceREST)
	s.optOpts.Dynamics = pickyDynamics{s.optOpts.Dynamics.(*dataverse.Client)}
	s.optOpts.Campaign = pickyCampaign{s.optOpts.Campaign.(*campaign.Client)}
	s.rebuild()
	s.startOptOut()
	a, b := s.keys[0], s.keys[1]
	s.later()
	require.NoError(t, s.Sandboxes.Campaign.Update("profile", a, []byte(`{"blackListEmail":true,"blackListPhone":true,"ccpaOptOut":true}`)))
	require.NoError(t, s.Sandboxes.Campaign.Update("profile", b, []byte(`{"ccpaOptOut":true}`)))
	require.NoError(t, s.Sandboxes.Dynamics.Update("contacts", b, map[string]any{"donotbulkemail": true, "followemail": false}))
	s.settle()
	open, err := s.Ledger.QuarantineCount(t.Context(), activities.FlowOptOut, "")
	require.NoError(t, err)
	require.EqualValues(t, 2, open)
	row := s.Sandboxes.Dynamics.Row("contacts", a)
	require.Equal(t, []any{false, false, true}, []any{row["donotbulkemail"], row["followemail"], row["donotsendmm"]})
	require.Equal(t, true, s.Sandboxes.Campaign.Profile(b)["blackListPhone"])
	require.Equal(t, true, s.Sandboxes.Dynamics.Row("contacts", b)["donotsendmm"])
	require.Contains(t, s.history(a), "campaign-newer true refused")
	require.Contains(t, s.history(a), "campaign-newer true dynamics")
	require.Zero(t, s.settle(), "not at once")
	s.ClockBehind.Store(-int64(3 * time.Hour))
	s.Sandboxes.Clock.Advance(3 * time.Hour)
	require.Equal(t, int64(2), s.settle().Quarantined, "tried again")
}

// However much happens in Dynamics, Campaign is looked at in its turn; and while it
// is down, choices in Dynamics are carried.
func TestABusyDynamicsHidesNoChoiceInCampaign(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceSFTP)
	s.startOptOut()
	s.inCampaign(s.keys[0], "blackListEmail", true)
	s.export("optout_20260301_020000.csv", exportHeader+s.exportRow(s.keys[0]))
	for i := range 3 {
		s.inDynamics(s.keys[1], "telephone1", fmt.Sprint(i))
		require.Equal(t, "COMPLETED", s.optRun(activities.KindDelta, activities.PhaseDelta).State)
	}
	require.Equal(t, [2]bool{true, true}, s.both(s.keys[0]))
}

// While Campaign does not answer, choices in Dynamics are taken in and wait for it
// in the ledger, not in Dynamics.
func TestCampaignThatIsDownHidesNoChoiceInDynamics(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceREST)
	s.startOptOut()
	_, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Action: kit.Respond, Status: 503, Path: "byModifiedSince", Body: `{"error_code":"503010","message":"Could not validate the oauth token"}`})
	require.NoError(t, err)
	s.inDynamics(s.keys[0], "donotbulkemail", true)
	require.Equal(t, int64(1), s.optRun(activities.KindDelta, activities.PhaseDelta).Counts.Updated)
	require.Equal(t, [2]bool{true, true}, s.both(s.keys[0]))
}

// A change that Campaign shows only when the look at its time is long over, because
// it took so long to be committed, is found all the same.
func TestAChangeThatShowsLateIsFound(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceREST)
	s.startOptOut()
	s.settle()
	look := func(id string) {
		s.inCampaign(id, "blackListEmail", true)
		s.lookedLately(50 * time.Minute)
		s.settle()
	}
	look(s.keys[0])
	require.Equal(t, [2]bool{false, true}, s.both(s.keys[0]), "not at every look")
	look(s.keys[1])
	require.Equal(t, [2]bool{true, true}, s.both(s.keys[0]))
	require.Equal(t, [2]bool{true, true}, s.both(s.keys[1]))
}

// lookedLately lets time pass in which Campaign was looked at and did not show what
// was being committed.
func (s *optOutWorld) lookedLately(d time.Duration) {
	s.T.Helper()
	s.Sandboxes.Clock.Advance(d)
	require.NoError(s.T, s.Ledger.SaveWatermark(s.T.Context(), ledger.Watermark{
		Flow: activities.FlowOptOut, Table: "optout/campaign", Link: "modified", ObtainedAt: s.Sandboxes.Clock.Now()}))
}

// A look far back counts once it has ended: neither one that failed does, nor one
// whose run was given up.
func TestALookFarBackCountsWhenItHasEnded(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceREST)
	s.startOptOut()
	s.settle()
	look := func(run string) activities.FetchInput {
		ref := s.ref
		ref.Run, ref.Kind = run, activities.KindDelta
		return activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 4, Now: true}
	}
	s.inCampaign(s.keys[0], "blackListEmail", true)
	s.lookedLately(70 * time.Minute)
	fault, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Action: kit.Respond, Status: 503, Path: "byModifiedSince", Body: `{"error_code":"503010","message":"Could not validate the oauth token"}`})
	require.NoError(t, err)
	_, err = s.Env.ExecuteActivity(s.opt.FetchOptOuts, look("failed"))
	require.Error(t, err)
	s.Sandboxes.Faults.Clear(fault)
	got := activitytest.Call[activities.FetchResult](s.World, s.opt.FetchOptOuts, look("given up"))
	require.Equal(t, 1, got.Read)
	_, err = s.Env.ExecuteActivity(s.opt.EndOptOutRun, activities.EndRunInput{RunRef: look("given up").RunRef, State: string(ledger.RunCancelled), Drop: true})
	require.NoError(t, err)
	s.settle()
	require.Equal(t, [2]bool{true, true}, s.both(s.keys[0]))
}

// A worker whose clock is ahead, for however long, misses nothing: not while it is,
// and not when it is set right; nor does a mark that such a worker left.
func TestAClockThatIsAheadHidesNoChoice(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceREST)
	s.optOpts.Now = func() time.Time { return s.Sandboxes.Clock.Now().Add(24 * time.Hour) }
	s.rebuild()
	s.startOptOut()
	s.inCampaign(s.keys[0], "blackListEmail", true)
	s.settle()
	require.Equal(t, [2]bool{true, true}, s.both(s.keys[0]), "behind the mark of the baseline")
	s.inCampaign(s.keys[1], "blackListEmail", true)
	s.settle()
	require.Equal(t, [2]bool{true, true}, s.both(s.keys[1]), "behind that of a look")
	s.inCampaign(s.keys[2], "blackListEmail", true)
	s.lookedLately(10 * time.Hour)
	require.NoError(t, s.Ledger.SaveWatermark(t.Context(), ledger.Watermark{
		Flow: activities.FlowOptOut, Table: "optout/campaign", Link: "modified", ObtainedAt: s.Sandboxes.Clock.Now().Add(24 * time.Hour)}))
	s.optOpts.Now = s.Sandboxes.Clock.Now
	s.rebuild()
	s.settle()
	require.Equal(t, [2]bool{true, true}, s.both(s.keys[2]), "the clock is right again")
}
