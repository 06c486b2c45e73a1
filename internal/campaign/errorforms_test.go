package campaign_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/transport"
	sandbox "causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/stack"
)

// Row ACS-E1 of docs/protocol/campaign-rows.md: whatever form an error has, it means the same.
func TestEveryFormOfAnErrorMeansTheSame(t *testing.T) {
	t.Parallel()
	profile := campaign.Resource{API: "profileAndServicesExt", Name: "profile"}
	for _, form := range sandbox.ErrorBodies {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			s, err := stack.Start(t.Context(), stack.Options{Dir: t.TempDir(), NoSFTP: true, ErrorBody: form})
			require.NoError(t, err)
			t.Cleanup(func() { _ = s.Close(t.Context()) })
			c, err := campaign.New(campaign.Options{BaseURL: s.CampaignURL, APIKey: s.CampaignClientID, Transport: transport.New(wire(t, s))})
			require.NoError(t, err)
			require.NoError(t, c.Create(t.Context(), profile, []byte(`{"externalId":"a-1"}`)))
			patch := func(key, body string) error { return c.Patch(t.Context(), profile, key, []byte(body)) }
			for name, tt := range map[string]struct {
				err    error
				reason string
				field  string
			}{
				"a key that exists":    {c.Create(t.Context(), profile, []byte(`{"externalId":"a-1"}`)), apierr.ReasonExists, ""},
				"a key that does not":  {patch("a-2", `{"firstName":"Ann"}`), apierr.ReasonNotFound, ""},
				"a deletion of it":     {c.Delete(t.Context(), profile, "a-2"), apierr.ReasonNotFound, ""},
				"no such value":        {patch("a-1", `{"gender":"x"}`), apierr.ReasonInvalidValue, "gender"},
				"no such field":        {patch("a-1", `{"shoe":"x"}`), apierr.ReasonSchema, "shoe"},
				"a read-only field":    {patch("a-1", `{"age":5}`), apierr.ReasonSchema, "age"},
				"a text that is long":  {patch("a-1", `{"firstName":"`+strings.Repeat("x", 31)+`"}`), apierr.ReasonTooLong, ""},
				"another type":         {patch("a-1", `{"birthDate":"soon"}`), apierr.ReasonInvalidValue, ""},
				"a key that is moved":  {patch("a-1", `{"externalId":"a-3"}`), apierr.ReasonConflict, ""},
				"no JSON":              {patch("a-1", `{`), apierr.ReasonRefused, ""},
				"a link to nothing":    {patch("a-1", `{"orgUnit":{"PKey":"none"}}`), apierr.ReasonNotFound, ""},
				"an unreadable number": {patch("a-1", `{"isExternal":"maybe"}`), apierr.ReasonInvalidValue, ""},
			} {
				e, ok := errors.AsType[*apierr.Error](tt.err)
				require.True(t, ok, "%s: %v", name, tt.err)
				require.Equal(t, apierr.Rejected, e.Class, name)
				require.Equal(t, tt.reason, e.Reason, name)
				require.Equal(t, tt.field, e.Field, name)
			}
		})
	}
}
