package histories_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"

	"causeway.dev/internal/histories"
)

func written(t testing.TB, h *historypb.History) []byte {
	t.Helper()
	var out bytes.Buffer
	w := histories.NewWriter(&out)
	for _, e := range h.Events {
		require.NoError(t, w.Add(e))
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// An exported history can be read again, also in the form of Temporal's HTTP API.
func TestWhatIsWrittenCanBeRead(t *testing.T) {
	t.Parallel()
	h := recorded(t, "audit.json")
	data := written(t, h)
	got, err := histories.Read(bytes.NewReader(data))
	require.NoError(t, err)
	require.True(t, proto.Equal(h, got))

	wrapped, err := json.Marshal(map[string]json.RawMessage{"history": data})
	require.NoError(t, err)
	got, err = histories.Read(bytes.NewReader(wrapped))
	require.NoError(t, err)
	require.True(t, proto.Equal(h, got))
}

func TestWhatIsNoHistoryIsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, says string }{
		"nothing":        {"", "it is not a JSON object"},
		"another object": {`{"events": [{"eventId": true}]}`, "it is not a history"},
		"an empty one":   {string(written(t, &historypb.History{})), "it holds no events"},
		"a page of many": {`{"history": {"events": []}, "nextPageToken": "abc"}`, "one page of a longer history"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := histories.Read(strings.NewReader(tc.text))
			require.ErrorContains(t, err, tc.says)
		})
	}
	h := recorded(t, "audit.json")
	for name, part := range map[string][]*historypb.HistoryEvent{
		"the end of one":  h.Events[4:],
		"one with a hole": append(h.Events[:4:4], h.Events[9:]...),
	} {
		_, err := histories.Verify(&historypb.History{Events: part}, "", product)
		require.Error(t, err, name)
	}
}

// Whatever a file holds, reading it returns a history or an error, and verifying that
// history returns an answer.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"events": [{"eventId": "1", "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"}]}`))
	f.Add([]byte(`{"history": {"events": []}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := histories.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		var s histories.Summary
		for _, e := range h.Events {
			s.Add(e)
		}
		require.EqualValues(t, len(h.Events), s.Events)
		histories.PointOf(h)
	})
}
