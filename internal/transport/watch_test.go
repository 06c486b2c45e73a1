package transport_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/transport"
)

// While a service answers oddly, the metric says since when, long before a flow fails of
// it, and the log says what was answered. Both end with it.
func TestAWatchTellsSinceWhenAServiceAnswersOddly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		scope := tally.NewTestScope("", nil)
		w := transport.NewWatch(scope, slog.New(slog.NewTextHandler(&log, nil)), "campaign", "ims")
		since := func(service string) float64 {
			g, ok := scope.Snapshot().Gauges()["odd_answers_since_timestamp_seconds+service="+service]
			require.True(t, ok, "also while all is well")
			return g.Value()
		}
		require.Zero(t, since("campaign"))
		var p transport.Patience
		p.ToldTo(w, "campaign")
		began := float64(time.Now().Unix())
		require.False(t, p.Lasts("update profile", "got status 302"))
		time.Sleep(30 * time.Second)
		require.False(t, p.Lasts("list profile", "got status 302"))
		require.Equal(t, began, since("campaign"))
		require.Zero(t, since("ims"))
		require.Contains(t, log.String(), "got status 302")
		require.Equal(t, 1, strings.Count(log.String(), "\n"), "once")
		p.Ends("update profile")
		require.Equal(t, began+30, since("campaign"), "of what still lasts")
		p.Ends("list profile")
		require.Zero(t, since("campaign"))
		require.Contains(t, log.String(), "as it should again")

		p.Lasts("update profile", "got status 302")
		w.Refresh()
		require.NotZero(t, since("campaign"))
		time.Sleep(6 * time.Minute)
		w.Refresh()
		require.Zero(t, since("campaign"), "nobody has asked for long")
	})
	var none *transport.Watch
	none.Refresh()
}
