package optout_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/optout"
)

// A worker reads the settings as a start sent them. Their durations are readable for
// people.
func TestSettingsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	want := optout.Settings{
		Mode: optout.Bidirectional, Pairs: []optout.PairSetting{{Campaign: "denyListEmail", Dynamics: "donotbulkemail"}}, AttributeLevel: true, Source: optout.SourceREST,
		Skew: 5 * time.Second, CampaignEvery: 2 * time.Minute, ModifiedSince: optout.FilterSetting{Filter: "byModifiedSince"},
		Export:   optout.ExportSetting{Workflow: "WKF17", CheckEvery: 30 * time.Minute, StaleAfter: 26 * time.Hour, AutoRestart: true},
		Profiles: "contacts", SFTP: true,
	}
	written, err := json.Marshal(want)
	require.NoError(t, err)
	for _, text := range []string{`"skew":"5s"`, `"campaign_every":"2m0s"`, `"check_every":"30m0s"`, `"stale_after":"26h0m0s"`} {
		require.Contains(t, string(written), text)
	}
	var got optout.Settings
	require.NoError(t, json.Unmarshal(written, &got))
	require.Equal(t, want, got)
	require.Error(t, json.Unmarshal([]byte(`{"skew": 5000000000}`), &got))
	require.Error(t, json.Unmarshal([]byte(`{"export": {"check_every": "often"}}`), &got))
}
