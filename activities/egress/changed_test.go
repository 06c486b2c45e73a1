package egress_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/egress"
	"causeway.dev/internal/dataverse"
	"causeway.dev/sandbox/eventlog"
)

// counting is a desk that counts how often the opens' table is read.
type counting struct {
	*dataverse.Client
	mu     sync.Mutex
	change func(*dataverse.Entity)
	reads  int
}

func (c *counting) Entity(ctx context.Context, name string) (*dataverse.Entity, error) {
	e, err := c.Client.Entity(ctx, name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && name == "adobe_emailopen" {
		c.reads++
		if c.change != nil {
			c.change(e)
		}
	}
	return e, err
}

// changedWorld begins with tables as change shows them, and has an event for each contact.
func changedWorld(t *testing.T, change func(*dataverse.Entity)) (*eventWorld, *counting) {
	t.Helper()
	s := newEventWorld(t, 30)
	c := &counting{Client: s.o.Dynamics.(*dataverse.Client), change: change}
	s.restart(func(o *egress.Options) { o.Dynamics = c })
	for _, contact := range s.Sandboxes.Dynamics.Keys("contacts") {
		s.push(eventlog.Pushed{Kind: "open", ExternalID: contact, Campaign: "CMP12"})
	}
	return s, c
}

// A table whose rows are at another address than at the start is read again once, and the
// flow goes on.
func TestATableThatWasRenamedIsTakenUpWhileTheFlowRuns(t *testing.T) {
	t.Parallel()
	s, c := changedWorld(t, func(e *dataverse.Entity) { e.EntitySetName = "adobe_formerly" })
	s.begin()
	c.change = nil
	require.EqualValues(t, 30, s.events(activities.KindDelta, activities.Window{}).Counts.Created)
	require.Equal(t, 2, c.reads, "once for the start, once for all lanes together")
}

// A column that was lengthened takes the texts that were too long for it.
func TestAColumnThatWasLengthenedIsTakenUpWhileTheFlowRuns(t *testing.T) {
	t.Parallel()
	short := func(e *dataverse.Entity) {
		column := e.Attributes["adobe_campaignname"]
		column.MaxLength = 1
		e.Attributes["adobe_campaignname"] = column
	}
	s, c := changedWorld(t, short)
	s.settings.Tables.Opens.CampaignName = "adobe_campaignname"
	s.begin()
	require.EqualValues(t, 30, s.events(activities.KindDelta, activities.Window{}).Counts.Quarantined)
	require.Equal(t, 2, c.reads, "once for a column, however many events are too long")

	s, c = changedWorld(t, short)
	s.settings.Tables.Opens.CampaignName = "adobe_campaignname"
	s.begin()
	c.change = nil
	require.EqualValues(t, 30, s.events(activities.KindDelta, activities.Window{}).Counts.Created)
	require.Equal(t, 2, c.reads)
}

// A column that is gone stops the flow with the setting that names it.
func TestAColumnThatIsGoneIsNamedByItsSetting(t *testing.T) {
	t.Parallel()
	s, c := changedWorld(t, func(e *dataverse.Entity) { e.Attributes["adobe_formerly"] = e.Attributes["subject"] })
	s.settings.Tables.Opens.CampaignName = "adobe_formerly"
	s.begin()
	c.change = nil
	ref := s.ref(activities.KindDelta)
	_, err := s.Env.ExecuteActivity(s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
	require.NoError(t, err)
	value, err := s.Env.ExecuteActivity(s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseJournal, Lanes: 1})
	require.NoError(t, err)
	var page activities.FetchResult
	require.NoError(t, value.Get(&page))
	_, err = s.Env.ExecuteActivity(s.eg.WriteTimeline, activities.LaneInput{RunRef: ref, Page: 1})
	require.ErrorContains(t, err, "the data models changed while it ran: the settings do not fit Dynamics: egress.tables.opens.campaign_name: got adobe_formerly, want a column of adobe_emailopen")
}
