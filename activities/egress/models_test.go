package egress_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/egress"
	"causeway.dev/internal/dataverse"
)

// desk is a Dynamics whose administrator changes the activity tables.
type desk struct {
	*dataverse.Client
	change func(*dataverse.Entity)
}

func (d *desk) Entity(ctx context.Context, name string) (*dataverse.Entity, error) {
	e, err := d.Client.Entity(ctx, name)
	if err == nil && d.change != nil && name == "adobe_emailopen" {
		d.change(e)
	}
	return e, err
}

// The activity tables are looked at while the flow waits: what does no harm is told, and
// what would have rows refused fails the flow before.
func TestTheActivityTablesAreLookedAtWhileTheFlowRuns(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 2)
	d := &desk{Client: s.o.Dynamics.(*dataverse.Client)}
	s.restart(func(o *egress.Options) { o.Dynamics, o.CheckModelsEvery = d, time.Nanosecond })
	s.begin()
	wait := func() (*activities.FetchResult, error) {
		value, err := s.Env.ExecuteActivity(s.eg.FetchEvents, activities.FetchInput{RunRef: s.ref(activities.KindDelta), Page: 1, Phase: activities.PhaseEvents, Lanes: 4,
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

	column := s.settings.Tables.Opens.CampaignName
	d.change = func(e *dataverse.Entity) {
		c := e.Attributes[column]
		c.MaxLength = 17
		e.Attributes[column] = c
	}
	out, err = wait()
	require.NoError(t, err)
	require.True(t, out.Nothing)
	require.Equal(t, []string{"adobe_emailopen." + column + " took 100 characters and takes 17 now"}, out.Models.Changes)

	d.change = func(e *dataverse.Entity) { e.EntitySetName = "adobe_opens" }
	_, err = wait()
	require.ErrorContains(t, err, "the data models changed while it ran: the rows of adobe_emailopen were at adobe_emailopens and are at adobe_opens now")

	d.change = func(e *dataverse.Entity) { delete(e.Attributes, column) }
	_, err = wait()
	require.ErrorContains(t, err, column)
}
