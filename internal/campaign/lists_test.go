package campaign_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
)

func TestListAsksForPagingAndEncodesSpacesAsPercent20(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(200, `{"content":[{"PKey":"@a"},{"PKey":"@b"}],"next":{"href":"https://h/next"}}`))
	page, err := rec.client(t, nil).List(t.Context(), profile, campaign.ListOptions{
		Filter: "byExternalId", Params: map[string]string{"externalId_parameter": "a b+c&d", "b": "2"}, Order: "email desc", Lines: 100})
	require.NoError(t, err)
	require.Equal(t, "/acme/campaign/profileAndServicesExt/profile/byExternalId?_forcePagination=true&_lineCount=100&_order=email%20desc&b=2&externalId_parameter=a%20b%2Bc%26d", rec.all()[0].URI)
	require.Equal(t, [][]byte{[]byte(`{"PKey":"@a"}`), []byte(`{"PKey":"@b"}`)}, page.Records)
	require.Equal(t, "https://h/next", page.Next)
}

func TestFollowPassesTheLinkBackAsItCame(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(200, `{"content":[]}`))
	c := rec.client(t, nil)
	for path, want := range map[string]string{
		"/acme/x/profile//byY?_lineStart=@Qy2..qc&a=%20b%2c":   "/acme/x/profile//byY?_lineStart=@Qy2..qc&a=%20b%2c&_forcePagination=true",
		"/acme/x/profile/?_forcePagination=true&_lineStart=@z": "/acme/x/profile/?_forcePagination=true&_lineStart=@z",
		"/acme/x/profile/@a%2Fb/subscriptions/":                "/acme/x/profile/@a%2Fb/subscriptions/?_forcePagination=true",
	} {
		page, err := c.Follow(t.Context(), profile, rec.url+path)
		require.NoError(t, err)
		require.Empty(t, page.Next)
		sent := rec.all()
		require.Equal(t, want, sent[len(sent)-1].URI)
	}
}

func TestFollowRefusesAnotherHost(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(200, `{"content":[]}`))
	_, err := rec.client(t, nil).Follow(t.Context(), profile, "https://elsewhere.example.test/acme?x=1")
	e := failure(t, err)
	require.Equal(t, apierr.ReasonForeignLink, e.Reason)
	require.Equal(t, "campaign", e.Service)
	require.Empty(t, rec.all())
}

func TestAListWithoutContentIsABadResponse(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `{"content":{}}`, `<html>`, `{"content":[`} {
		_, err := record(t, answer(http.StatusOK, body)).client(t, nil).List(t.Context(), profile, campaign.ListOptions{})
		require.Equal(t, apierr.ReasonBadResponse, apierr.ReasonOf(err), body)
	}
}
