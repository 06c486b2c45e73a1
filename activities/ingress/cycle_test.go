package ingress_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/budget"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
)

// roundSource is Dynamics whose pages lead round in a circle from some page on.
type roundSource struct {
	*dataverse.Client
	round []string // the ends of the links of the circle
	reads int
}

func (d *roundSource) Follow(ctx context.Context, q dataverse.Query, link string) (*dataverse.Page, error) {
	d.reads++
	at, _, _ := strings.Cut(link, "&circle=")
	page, err := d.Client.Follow(ctx, q, at)
	if err == nil {
		page.DeltaLink, page.NextLink = "", at+"&circle="+d.round[d.reads%len(d.round)]
	}
	return page, err
}

// failsWith reads page after page of a phase until one fails, and returns how many
// there were.
func failsWith(t *testing.T, s *activitytest.World, in activities.FetchInput, reason string) int {
	t.Helper()
	for ; in.Page < 40; in.Page++ {
		_, err := s.Env.ExecuteActivity(s.Ingress.FetchPage, in)
		if err == nil {
			continue
		}
		fail, ok := errors.AsType[*temporal.ApplicationError](err)
		require.True(t, ok, "%v", err)
		require.True(t, fail.NonRetryable(), "the run ends")
		require.Equal(t, reason, fail.Type())
		require.Contains(t, fail.Message(), "reading on would never end")
		return in.Page
	}
	require.Fail(t, "it reads on for ever")
	return 0
}

// Pages of changes that lead back to an earlier one end the run with the reason.
func TestAPageThatLeadsBackToAnEarlierOneEndsTheRun(t *testing.T) {
	t.Parallel()
	for name, round := range map[string][]string{"two pages": {"a", "b"}, "three": {"a", "b", "c"}, "seven": strings.Split("abcdefg", "")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := activitytest.NewWorld(t, 12)
			s.Load()
			s.IngressOptions.Source = &roundSource{Client: s.IngressOptions.Source.(*dataverse.Client), round: round}
			s.Ingress = ingress.New(s.IngressOptions)
			s.Register()
			ref := activities.RunRef{Run: "contacts-x", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindDelta}
			pages := failsWith(t, s, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 4}, apierr.ReasonLinkRepeated)
			require.Greater(t, pages, len(round))
		})
	}
}

// stuckSource is Dynamics whose delta link leads to the same changes and to itself.
type stuckSource struct {
	*dataverse.Client
	stuck bool
	polls int
}

func (d *stuckSource) Follow(ctx context.Context, q dataverse.Query, link string) (*dataverse.Page, error) {
	d.polls++
	page, err := d.Client.Follow(ctx, q, link)
	if err == nil && d.stuck {
		page.DeltaLink = link
	}
	return page, err
}

// A delta link that leads to the same changes and back to itself ends after a few passes;
// one that stays the same because nothing changes does not.
func TestADeltaLinkThatNeverAdvancesEndsTheRun(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 12)
	s.Load()
	source := &stuckSource{Client: s.IngressOptions.Source.(*dataverse.Client), stuck: true}
	s.IngressOptions.Source = source
	s.Ingress = ingress.New(s.IngressOptions)
	s.Register()
	idle := activities.FetchInput{RunRef: activities.RunRef{Run: "contacts-idle", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindDelta}, Page: 1, Phase: activities.PhaseDelta, Lanes: 4}
	for range 50 {
		require.True(t, activitytest.Call[activities.FetchResult](s, s.Ingress.FetchPage, idle).Nothing)
	}
	s.Edit(s.Sandboxes.Dynamics.Keys("contacts")[0], map[string]any{"lastname": "Quitten"})
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.Delta())
	for range 4 {
		require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, s.Delta())
	}
	again := idle
	again.Run = "contacts-again"
	failsWith(t, s, again, apierr.ReasonLinkRepeated)

	source.stuck = false
	require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, s.Delta())
	require.Empty(t, s.Differences())
}

// roundTarget is Campaign whose list leads round in a circle of two pages.
type roundTarget struct {
	budget.Target
	reads int
}

func (d *roundTarget) round(page *campaign.Page, err error) (*campaign.Page, error) {
	if d.reads++; err == nil {
		page.Next = []string{"a", "b"}[d.reads%2]
	}
	return page, err
}

func (d *roundTarget) List(ctx context.Context, r campaign.Resource, o campaign.ListOptions) (*campaign.Page, error) {
	return d.round(d.Target.List(ctx, r, o))
}

func (d *roundTarget) Follow(ctx context.Context, r campaign.Resource, _ string) (*campaign.Page, error) {
	return d.round(d.Target.List(ctx, r, campaign.ListOptions{Lines: 2}))
}

// An audit of a list that leads back to an earlier page ends, too.
func TestAnAuditOfAListWithoutEndEnds(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 6)
	s.Load()
	s.IngressOptions.Target = &roundTarget{Target: s.IngressOptions.Target}
	s.Ingress = ingress.New(s.IngressOptions)
	s.Register()
	in := activities.AuditInput{Table: s.Table, Run: "contacts-audit"}
	activitytest.Call[activities.OpenAuditResult](s, s.Ingress.OpenAudit, in)
	var err error
	for n := 0; err == nil; n++ {
		require.Less(t, n, 10, "it reads on for ever")
		_, err = s.Env.ExecuteActivity(s.Ingress.AuditPages, in)
	}
	fail, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok)
	require.Equal(t, apierr.ReasonLinkRepeated, fail.Type())
	require.True(t, fail.NonRetryable())
}
