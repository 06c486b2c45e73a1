package readable_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/internal/readable"
)

func TestADurationIsWrittenAsPeopleReadIt(t *testing.T) {
	t.Parallel()
	type payload struct {
		Wait readable.Duration `json:"wait"`
		Poll readable.Duration `json:"poll,omitempty"`
	}
	written, err := json.Marshal(payload{Wait: readable.Duration(90 * time.Second)})
	require.NoError(t, err)
	require.JSONEq(t, `{"wait": "1m30s"}`, string(written))

	var read payload
	require.NoError(t, json.Unmarshal([]byte(`{"wait": "2s", "poll": "120h"}`), &read))
	require.Equal(t, payload{Wait: readable.Duration(2 * time.Second), Poll: readable.Duration(120 * time.Hour)}, read)
	require.ErrorContains(t, json.Unmarshal([]byte(`{"wait": "2 seconds"}`), &read), "2 seconds")
	require.Error(t, json.Unmarshal([]byte(`{"wait": 2000000000}`), &read))
}

// Nothing is lost between two workers.
func TestADurationIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := readable.Duration(rapid.Int64().Draw(t, "duration"))
		text, err := want.MarshalText()
		require.NoError(t, err)
		var got readable.Duration
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, want, got)
	})
}
