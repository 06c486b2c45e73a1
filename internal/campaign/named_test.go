package campaign_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
)

// The answer to a write is about the record that was written. Hosts and what stands before
// the resource may be rewritten on the way; a PKey is another text in each context.
func TestAnAnswerAboutAnotherRecordConfirmsNothing(t *testing.T) {
	t.Parallel()
	const ours, other = "6f1d0000-0000-4000-8000-00000000000a", "6f1d0000-0000-4000-8000-00000000000b"
	profile := campaign.Resource{API: "profileAndServicesExt", Name: "profile", Key: "externalId"}
	for name, tt := range map[string]struct {
		href string
		fits bool
	}{
		"as sent by Campaign":             {"https://mc.adobe.io/acme/campaign/profileAndServicesExt/profile/@aZ..9w", true},
		"another PKey":                    {"https://mc.adobe.io/acme/campaign/profileAndServicesExt/profile/@bY..3k", true},
		"a PKey of an older instance":     {"https://mc.adobe.io/acme/campaign/profileAndServicesExt/profile/O5iXX0", true},
		"by business key":                 {"https://mc.adobe.io/acme/campaign/profileAndServicesExt/profile/" + ours, true},
		"by business key in capitals":     {"https://mc.adobe.io/acme/campaign/profileAndServicesExt/profile/" + strings.ToUpper(ours), true},
		"at a gateway's host":             {"http://gateway.internal:8080/x/y/profile/@aZ..9w", true},
		"with a slash at the end":         {"https://h/acme/campaign/profileAndServicesExt/profile/@aZ..9w/", true},
		"with two slashes":                {"https://h/acme/campaign/profileAndServicesExt/profile//@aZ..9w", true},
		"with a query":                    {"https://h/acme/campaign/profileAndServicesExt/profile/@aZ..9w?x=/y/z", true},
		"escaped":                         {"https://h/acme/campaign/profileAndServicesExt/profile/%40aZ..9w", true},
		"escaped in small letters":        {"https://h/acme/campaign/profileAndServicesExt/pro%66ile/%40aZ%2f9w%3d", true},
		"without a host":                  {"/profileAndServicesExt/profile/@aZ..9w", true},
		"another resource":                {"https://h/acme/campaign/profileAndServicesExt/service/@aZ..9w", false},
		"the collection":                  {"https://h/acme/campaign/profileAndServicesExt/profile/", false},
		"what belongs to the record":      {"https://h/acme/campaign/profileAndServicesExt/profile/@aZ..9w/subscriptions/", false},
		"another record, by business key": {"https://h/acme/campaign/profileAndServicesExt/profile/" + other, false},
		"a page of the gateway":           {"https://h/maintenance", false},
		"no address":                      {"%zz", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for of, write := range map[string]func(*campaign.Client) error{
				"patch": func(c *campaign.Client) error { return c.Patch(t.Context(), profile, ours, []byte(`{"a":1}`)) },
				"create": func(c *campaign.Client) error {
					return c.Create(t.Context(), profile, []byte(`{"externalId":"`+ours+`"}`))
				},
			} {
				status := map[string]int{"patch": 200, "create": 201}[of]
				err := write(record(t, answer(status, `{"PKey":"@aZ..9w","href":"`+tt.href+`"}`)).client(t, nil))
				if tt.fits {
					require.NoError(t, err, of)
					continue
				}
				e := failure(t, err)
				require.Equal(t, apierr.Retryable, e.Class, of)
				require.Equal(t, apierr.ReasonBadResponse, e.Reason)
				require.True(t, e.Ambiguous)
				require.NotContains(t, e.Error(), other)
			}
		})
	}
	create := func(answered string) error {
		return record(t, answer(201, answered)).client(t, nil).Create(t.Context(), profile, []byte(`{"externalId":"`+ours+`"}`))
	}
	require.NoError(t, create(`{"PKey":"@x","externalId":"`+strings.ToUpper(ours)+`"}`))
	require.True(t, failure(t, create(`{"PKey":"@x","externalId":"`+other+`"}`)).Ambiguous)
}
