package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

// A certificate near its end is told of in the status, and one that ended; any other is
// for scripts only.
func TestStatusTellsWhenACertificateEnds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ends time.Duration
		want string
	}{
		"soon":  {10 * 24 * time.Hour, "dynamics.client_certificate ends 20"},
		"ended": {-time.Hour, "dynamics.client_certificate ended 20"},
		"later": {90 * 24 * time.Hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.on("Query "+contactsFlow+" Status", contacts(nil))
			w.on("Run "+activities.Meter, activities.MeterResult{Credentials: []activities.CredentialEnd{{Setting: "dynamics.client_certificate", Ends: noon.Add(tc.ends)}}})
			_, out, _ := w.run(t, "status", "contacts")
			if tc.want == "" {
				require.NotContains(t, out, "client_certificate")
			} else {
				require.Contains(t, out, tc.want)
				require.Contains(t, out, "register a new certificate and replace the file")
			}
			_, out, _ = w.run(t, "status", "contacts", "-o", "json")
			require.Contains(t, out, `"setting": "dynamics.client_certificate"`)
		})
	}
}
