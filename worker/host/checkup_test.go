package host

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/workflows"
)

// calendar is a Temporal that keeps one schedule.
type calendar struct {
	client.ScheduleClient
	client.ScheduleHandle
	kept    *client.Schedule
	created int
}

func (c *calendar) GetHandle(context.Context, string) client.ScheduleHandle { return c }

func (c *calendar) Create(_ context.Context, o client.ScheduleOptions) (client.ScheduleHandle, error) {
	if c.kept != nil {
		return nil, temporal.ErrScheduleAlreadyRunning
	}
	c.created++
	c.kept = &client.Schedule{Spec: &o.Spec, Action: o.Action}
	return c, nil
}

func (c *calendar) Delete(context.Context) error {
	if c.kept == nil {
		return serviceerror.NewNotFound("no such schedule")
	}
	c.kept = nil
	return nil
}

func (c *calendar) Update(_ context.Context, o client.ScheduleUpdateOptions) error {
	out, err := o.DoUpdate(client.ScheduleUpdateInput{Description: client.ScheduleDescription{Schedule: *c.kept}})
	if err == nil {
		c.kept = out.Schedule
	}
	return err
}

// The schedule follows the configuration: it is made, moved and taken away.
func TestTheCheckupIsWhenItIsConfigured(t *testing.T) {
	t.Parallel()
	c := &calendar{}
	keep := func(at string) error {
		return checkupOf(&config.Config{Instance: "acme", Doctor: config.Doctor{Nightly: at}}).keep(t.Context(), c)
	}
	require.NoError(t, keep(""), "there is none to take away")
	require.NoError(t, keep("03:30"))
	require.Equal(t, 3, c.kept.Spec.Calendars[0].Hour[0].Start)
	require.Equal(t, 30, c.kept.Spec.Calendars[0].Minute[0].Start)
	require.Equal(t, workflows.TypeCheckup, c.kept.Action.(*client.ScheduleWorkflowAction).Workflow)
	require.NoError(t, keep("22:05"))
	require.Equal(t, 22, c.kept.Spec.Calendars[0].Hour[0].Start)
	require.Equal(t, 1, c.created)
	require.NoError(t, keep(""))
	require.Nil(t, c.kept)
}

// The gauges show what was found last, and that it is mended after the next look.
func TestTheGaugesShowWhatTheDoctorFound(t *testing.T) {
	t.Parallel()
	p := newPatient(t, disease{})
	scope := tally.NewTestScope("", nil)
	g := &checkupGauges{ledger: p.ledger, scope: scope}
	require.NoError(t, g.refresh(t.Context()))
	require.NotContains(t, scope.Snapshot().Gauges(), "doctor_last_timestamp_seconds+", "nobody has looked")
	require.Zero(t, scope.Snapshot().Gauges()["doctor_checks_failing+area="+activities.AreaDynamics].Value(), "the alert has something to look at")
	failing := func() float64 {
		require.NoError(t, g.refresh(t.Context()))
		return scope.Snapshot().Gauges()["doctor_checks_failing+area="+activities.AreaDynamics].Value()
	}
	p.look(activities.DoctorInput{Keep: true}, func(p *patient) { p.boxes.Dynamics.SetTracking("contacts", false) })
	require.Positive(t, failing())
	p.look(activities.DoctorInput{Keep: true}, func(p *patient) { p.boxes.Dynamics.SetTracking("contacts", true) })
	require.Zero(t, failing())
	require.InDelta(t, time.Now().Unix(), scope.Snapshot().Gauges()["doctor_last_timestamp_seconds+"].Value(), 60)
}
