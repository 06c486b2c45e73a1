package optout

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/optout"
)

var mon = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

const email = "denyListEmail=donotbulkemail"

var both = optout.Policy{Mode: optout.Bidirectional}

func dynamics(version string, out bool, at time.Time) optout.DynamicsRow {
	return optout.DynamicsRow{Version: version, Modified: at, Values: map[string]*bool{email: &out}}
}

func file(out bool, stamp, modified time.Time) optout.CampaignRow {
	return optout.CampaignRow{AsOf: modified, Values: map[string]optout.CampaignValue{email: {Out: out, At: stamp}}}
}

func hour(n int) time.Time { return mon.Add(time.Duration(n) * time.Hour) }

// lone is a contact whose profile may be missing.
type lone struct {
	systems
	profile *optout.CampaignRow
	wrote   []optout.Decision
}

func (l *lone) Now() time.Time { return hour(20) }

func (l *lone) ReadCampaign(context.Context) (optout.CampaignRow, error) {
	if l.profile == nil {
		return optout.CampaignRow{Gone: true, Live: true, AsOf: l.Now()}, nil
	}
	return *l.profile, nil
}

func (l *lone) WriteCampaign(_ context.Context, d []optout.Decision) (bool, error) {
	l.wrote = append(l.wrote, d...)
	return true, nil
}

// An opt-out of a contact without a profile is remembered until the profile appears.
func TestAnOptOutWaitsForItsProfile(t *testing.T) {
	t.Parallel()
	var c optout.Contact
	l := &lone{}
	c.SeeDynamics(dynamics("1", true, hour(1)))
	out, err := reconcile(t.Context(), &c, both, []string{email}, l, given{New: true})
	require.NoError(t, err)
	require.True(t, out.Waits)
	require.Len(t, out.Decisions, 1)
	out, err = reconcile(t.Context(), &c, both, []string{email}, l, given{})
	require.NoError(t, err)
	require.True(t, out.Waits)
	require.Empty(t, out.Decisions, "nothing new")

	l.profile = &optout.CampaignRow{Live: true, AsOf: hour(21), Values: map[string]optout.CampaignValue{email: {}}}
	c.SeeCampaign(*l.profile)
	out, err = reconcile(t.Context(), &c, both, []string{email}, l, given{Fresh: true})
	require.NoError(t, err)
	require.False(t, out.Waits)
	require.True(t, out.WroteCampaign)
	require.Len(t, l.wrote, 1)
	require.True(t, l.wrote[0].Out)
}

// restless is a contact that changes at each try, or does not keep what was written.
type restless struct {
	lone
	version int
	keeps   bool
}

func (r *restless) WriteDynamics(_ context.Context, version string, d []optout.Decision) (optout.DynamicsRow, error) {
	if r.keeps {
		return dynamics("9", !d[0].Out, hour(30)), nil
	}
	return optout.DynamicsRow{}, errChanged
}

func (r *restless) ReadDynamics(context.Context) (optout.DynamicsRow, error) {
	r.version++
	return dynamics(hour(r.version).String(), false, hour(2)), nil
}

func TestReconcilingGivesUpAtLast(t *testing.T) {
	t.Parallel()
	profile := file(true, hour(9), hour(9))
	profile.Live = true
	for want, keeps := range map[error]bool{errKeepsChanging: false, errNotKept: true} {
		var c optout.Contact
		c.SeeDynamics(dynamics("1", false, hour(1)))
		c.SeeCampaign(profile)
		_, err := reconcile(t.Context(), &c, both, []string{email}, &restless{keeps: keeps, lone: lone{profile: &profile}}, given{})
		require.ErrorIs(t, err, want)
	}
}

// picky refuses some pairs in each system, and keeps no other pair than the named one.
type picky struct {
	lone
	d, c    map[string]bool // what the systems hold
	refuses map[string]bool
	loses   string
	version int
}

func (p *picky) row() optout.DynamicsRow {
	row := optout.DynamicsRow{Version: fmt.Sprint(p.version), Modified: hour(5), Values: map[string]*bool{}}
	for name, v := range p.d {
		row.Values[name] = &v
	}
	return row
}

func (p *picky) ReadCampaign(context.Context) (optout.CampaignRow, error) {
	row := optout.CampaignRow{Live: true, AsOf: hour(6), Values: map[string]optout.CampaignValue{}}
	for name, v := range p.c {
		row.Values[name] = optout.CampaignValue{Out: v, At: hour(3)}
	}
	return row, nil
}

func (p *picky) WriteCampaign(_ context.Context, d []optout.Decision) (bool, error) {
	return true, p.write(p.c, "campaign", d, func(d optout.Decision) bool { return d.ToCampaign })
}

func (p *picky) WriteDynamics(_ context.Context, _ string, d []optout.Decision) (optout.DynamicsRow, error) {
	if err := p.write(p.d, "dynamics", d, func(d optout.Decision) bool { return d.ToDynamics }); err != nil {
		return optout.DynamicsRow{}, err
	}
	p.version++
	return p.row(), nil
}

func (p *picky) write(into map[string]bool, system string, decisions []optout.Decision, due func(optout.Decision) bool) error {
	for _, d := range decisions {
		if due(d) && p.refuses[system+" "+d.Pair] {
			return fmt.Errorf("%w: %s", errRefused, system)
		}
	}
	for _, d := range decisions {
		if due(d) && d.Pair != p.loses {
			into[d.Pair] = d.Out
		}
	}
	return nil
}

// A pair that is refused, or not kept, does not stop the others, in either system. The
// evidence says what was written, and the date of a choice is not lost.
func TestARefusedPairHoldsNoOtherUp(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e"}
	p := &picky{
		d:       map[string]bool{"a": true, "b": true, "c": false, "d": false, "e": false},
		c:       map[string]bool{"a": false, "b": false, "c": true, "d": true, "e": true},
		refuses: map[string]bool{"campaign a": true, "dynamics c": true}, loses: "d", version: 1,
	}
	var c optout.Contact
	c.SeeDynamics(p.row())
	out, err := reconcile(t.Context(), &c, both, names, p, given{})
	require.ErrorIs(t, err, errRefused)
	require.Equal(t, map[string]bool{"a": true, "b": true, "c": false, "d": false, "e": true}, p.d)
	require.Equal(t, map[string]bool{"a": false, "b": true, "c": true, "d": true, "e": true}, p.c)
	effects := map[string][2]bool{}
	for _, d := range out.Decisions {
		effects[d.Pair] = [2]bool{d.ToDynamics, d.ToCampaign}
	}
	require.Equal(t, [2]bool{false, true}, effects["b"])
	require.Equal(t, [2]bool{true, false}, effects["e"])
	left := map[string]bool{}
	for _, d := range c.Decide(both, names) {
		left[d.Pair] = d.ToDynamics || d.ToCampaign
		require.Equal(t, hour(5), d.Dynamics.At, "our writes make no choice younger")
	}
	require.Equal(t, map[string]bool{"a": true, "b": false, "c": true, "d": true, "e": false}, left, "the others are tried again")

	// Campaign's choice stays due where it is refused, and only there.
	oneWay := optout.Policy{Mode: optout.CampaignToDynamics}
	q := &picky{d: map[string]bool{"a": false, "b": false}, c: map[string]bool{"a": true, "b": true}, refuses: map[string]bool{"dynamics a": true}, version: 1}
	var one optout.Contact
	one.SeeCampaign(must(q.ReadCampaign(t.Context())))
	one.SeeDynamics(q.row())
	_, err = reconcile(t.Context(), &one, oneWay, names[:2], q, given{})
	require.ErrorIs(t, err, errRefused)
	require.Equal(t, []bool{true, false}, []bool{one.Pair("a").Campaign.Due, one.Pair("b").Campaign.Due})

	p.refuses, p.loses = nil, ""
	_, err = reconcile(t.Context(), &c, both, names, p, given{})
	require.NoError(t, err)
	require.Equal(t, p.d, p.c)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// edited is a contact that somebody edits between two reads.
type edited struct {
	lone
	row    optout.DynamicsRow
	writes int
}

func (e *edited) ReadDynamics(context.Context) (optout.DynamicsRow, error) { return e.row, nil }

func (e *edited) WriteDynamics(_ context.Context, version string, d []optout.Decision) (optout.DynamicsRow, error) {
	if version != e.row.Version {
		return optout.DynamicsRow{}, errChanged
	}
	e.writes++
	e.row = dynamics("9", d[0].Out, hour(30))
	return e.row, nil
}

// Between two reads an opt-out may have been cleared and chosen again, later than the
// choice in Campaign. It is kept, also with attribute_level.
func TestAnOptOutMayHaveBeenChosenAgainUnseen(t *testing.T) {
	t.Parallel()
	level := both
	level.AttributeLevel = true
	for _, p := range []optout.Policy{both, level, {Mode: optout.CampaignToDynamics}} {
		profile := file(false, hour(3), hour(3))
		profile.Live = true
		s := &edited{lone: lone{profile: &profile}, row: dynamics("5", true, hour(5))}
		var c optout.Contact
		c.SeeCampaign(file(true, hour(0), hour(0)))
		c.SeeDynamics(dynamics("1", true, hour(1)))
		c.SeeCampaign(profile)
		require.True(t, c.Decide(p, []string{email})[0].ToDynamics)
		_, err := reconcile(t.Context(), &c, p, []string{email}, s, given{})
		require.NoError(t, err)
		require.True(t, *s.row.Values[email])
		require.Zero(t, s.writes)
	}
}

// The profile of a new contact is read, even when Dynamics has no choice to apply.
func TestTheProfileOfANewContactIsLookedAt(t *testing.T) {
	t.Parallel()
	profile := file(true, hour(0), hour(0))
	profile.Live = true
	for _, looked := range []bool{true, false} {
		s := &edited{lone: lone{profile: &profile}, row: dynamics("1", false, hour(1))}
		var c optout.Contact
		c.SeeDynamics(s.row)
		_, err := reconcile(t.Context(), &c, both, []string{email}, s, given{New: looked})
		require.NoError(t, err)
		require.Equal(t, looked, *s.row.Values[email])
	}
}
