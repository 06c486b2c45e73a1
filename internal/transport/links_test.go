package transport_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

func TestSameOrigin(t *testing.T) {
	t.Parallel()
	base, err := url.Parse("https://mc.example.test/acme")
	require.NoError(t, err)
	for link, want := range map[string]bool{
		"https://mc.example.test/acme/campaign/x//byY?_lineStart=@a": true,
		"https://MC.example.test:443/other":                          true,
		"https://mc.example.test.evil.test/acme":                     false,
		"https://user@mc.example.test/acme":                          false,
		"https://mc.example.test:8443/acme":                          false,
		"http://mc.example.test/acme":                                false,
		"//mc.example.test/acme":                                     false,
		"/acme/campaign":                                             false,
		"https:mc.example.test":                                      false,
		"https://mc.example.test/\x7f":                               false,
	} {
		u, err := transport.SameOrigin(base, link)
		if want {
			require.NoError(t, err, link)
			require.Equal(t, link, u.String())
			continue
		}
		require.Equal(t, apierr.ReasonForeignLink, apierr.ReasonOf(err), link)
		require.NotContains(t, err.Error(), "evil")
	}
}
