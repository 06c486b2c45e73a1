package egress

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// docs/protocol/dynamics.md §5.5: a request begins with 10 rows; more while the service is
// quick, half as many when it is slow or fails.
func TestRowsPerRequestFollowTheService(t *testing.T) {
	t.Parallel()
	s := newBatchSizer(50)
	require.Equal(t, 10, s.size())
	for range 30 {
		s.answered(s.size(), 100*time.Millisecond)
	}
	require.Equal(t, 50, s.size(), "never above the configured number")
	s.answered(50, 5*time.Second)
	require.Equal(t, 25, s.size())
	s.failed(25)
	require.Equal(t, 12, s.size())
	s.answered(3, time.Millisecond)
	require.Equal(t, 12, s.size(), "a small request tells nothing of large ones")
	s.answered(12, 1500*time.Millisecond)
	require.Equal(t, 12, s.size(), "neither quick nor slow")
	for range 10 {
		s.failed(s.size())
	}
	require.Equal(t, 1, s.size())
	small := newBatchSizer(1)
	small.answered(1, time.Millisecond)
	require.Equal(t, 1, small.size())
}

// A contact that lost to another, which lost to a third: events go to the last
// one that is there, and nowhere when it is gone.
func TestMergesAreFollowedToTheirEnd(t *testing.T) {
	t.Parallel()
	into := map[string]string{"a": "b", "b": "c", "c": "c", "x": "gone", "y": "z", "z": "y"}
	require.Equal(t, "c", followMerges(into, "a"))
	require.Equal(t, "c", followMerges(into, "c"))
	require.Empty(t, followMerges(into, "x"))
	require.Empty(t, followMerges(into, "unknown"))
	require.Empty(t, followMerges(into, "y"), "a circle ends")
}
