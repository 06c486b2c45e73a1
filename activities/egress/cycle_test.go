package egress_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/activities/egress"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
)

// roundJournal is a journal whose pages of events lead round in a circle.
type roundJournal struct {
	pages []campaign.JournalEvent
	reads int
}

func (j *roundJournal) Page(_ context.Context, link string, _ int) (*campaign.JournalPage, error) {
	j.reads++
	n := (len(link) + 1) % len(j.pages)
	return &campaign.JournalPage{Events: j.pages[n : n+1], Next: "?limit=1&at=" + "xxxxxxx"[:n]}, nil
}

func (j *roundJournal) Address() string { return "?limit=1" }

func (j *roundJournal) Since(time.Duration, int) string { return "?limit=1" }

// Pages of the journal that lead back to an earlier one end the run with the reason,
// also where the wait for events finds them.
func TestAJournalThatLeadsBackToAnEarlierPageEndsTheRun(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 5)
	s.begin()
	s.generate(5, nil)
	page, err := s.o.Journal.Page(t.Context(), "", 3)
	require.NoError(t, err)
	require.Len(t, page.Events, 3)
	s.restart(func(o *egress.Options) {
		o.Journal, o.PageSize, o.PagesPerRun = &roundJournal{pages: page.Events}, 1, 1000
	})
	in := activities.FetchInput{RunRef: s.ref(activities.KindDelta), Page: 1, Phase: activities.PhaseEvents, Lanes: 4}
	for err = nil; err == nil; in.Page++ {
		require.Less(t, in.Page, 30, "it reads on for ever")
		_, err = s.Env.ExecuteActivity(s.eg.FetchEvents, in)
		in.Phase = activities.PhaseJournal
	}
	fail, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, apierr.ReasonLinkRepeated, fail.Type())
	require.True(t, fail.NonRetryable())
	require.Greater(t, in.Page, 3)
}
