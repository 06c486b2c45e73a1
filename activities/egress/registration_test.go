package egress_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/egress"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/sandbox/eventlog"
)

// renewed is a journal whose event registration was made anew: it has another address,
// the old one is gone, the events are the same.
type renewed struct {
	*campaign.Journal
	address string
}

func (r renewed) Address() string { return r.address }

func (r renewed) Since(d time.Duration, limit int) string {
	return strings.ReplaceAll(r.Journal.Since(d, limit), r.Journal.Address(), r.address)
}

func (r renewed) Page(ctx context.Context, link string, limit int) (*campaign.JournalPage, error) {
	if strings.HasPrefix(link, r.Journal.Address()) {
		return nil, &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonConfig, Service: "journal", Op: "read the journal", Status: 404, Message: "there is no such journal"}
	}
	page, err := r.Journal.Page(ctx, strings.ReplaceAll(link, r.address, r.Journal.Address()), limit)
	if err == nil {
		page.Next = strings.ReplaceAll(page.Next, r.Journal.Address(), r.address)
	}
	return page, err
}

// A registration that was made anew is recognised: its journal is read from the oldest
// event, the gap is told, and nothing comes twice.
func TestARegistrationThatWasMadeAnew(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 10)
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.begin()
	s.push(eventlog.Pushed{Kind: "send", ExternalID: contact})
	s.events(activities.KindDelta, activities.Window{})
	s.push(eventlog.Pushed{Kind: "click", ExternalID: contact, URL: "https://shop.example.test/a"}) // while it was made anew

	s.restart(func(o *egress.Options) {
		old := o.Journal.(*campaign.Journal)
		o.Journal = renewed{old, old.Address()[:strings.LastIndex(old.Address(), "/")] + "/made-anew"}
	})
	for _, phase := range []activities.Phase{activities.PhaseEvents, activities.PhaseJournal} {
		_, err := s.Env.ExecuteActivity(s.eg.FetchEvents, activities.FetchInput{RunRef: s.ref(activities.KindDelta), Page: 1, Phase: phase, Lanes: 4})
		require.ErrorContains(t, err, "PositionExpired")
		require.ErrorContains(t, err, "another campaign.journal.url")
	}
	for range 2 { // an attempt may be repeated
		lost := activitytest.Call[activities.RestartJournalResult](s.World, s.eg.RestartJournal, activities.RestartJournalInput{})
		require.False(t, lost.Held)
		require.False(t, lost.Lost.IsZero())
	}
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, activities.Counts{Read: 2, Created: 1, Unchanged: 1}, out.Counts)
	require.EqualValues(t, 1, s.Sandboxes.Dynamics.Count("adobe_emailsends"))
	require.EqualValues(t, 1, s.Sandboxes.Dynamics.Count("adobe_emailurlclicks"))
	s.push(eventlog.Pushed{Kind: "send", ExternalID: contact})
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, s.events(activities.KindDelta, activities.Window{}).Counts, "it goes on")
}
