package phrase

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestSpans(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 s", 1600 * time.Millisecond: "2 s", 59 * time.Second: "59 s", time.Minute: "1 min", 119 * time.Minute: "1 h 59 min",
		3 * time.Hour: "3 h", 47 * time.Hour: "47 h", 48 * time.Hour: "2 d", 4000 * 24 * time.Hour: "4,000 d",
	} {
		require.Equal(t, want, Span(d))
	}
	require.Equal(t, "never", Age(noon, time.Time{}))
	require.Equal(t, "just now", Age(noon, noon.Add(time.Minute)), "clocks differ")
}

func TestTimesInSentences(t *testing.T) {
	t.Parallel()
	require.Equal(t, "2026-03-02 11:00:00 UTC (1 h ago)", Moment(noon, noon.Add(-time.Hour)))
	require.Equal(t, "never", Moment(noon, time.Time{}))
	require.Equal(t, "-", Until(noon, time.Time{}))
	require.Equal(t, "due", Until(noon, noon.Add(-time.Hour)))
	require.Equal(t, "in 2 h", Until(noon, noon.Add(2*time.Hour)))
}

func TestCountsAndLines(t *testing.T) {
	t.Parallel()
	require.Equal(t, "1 problem", Count(1, "problem"))
	require.Equal(t, "10,000 records", Count(10_000, "record"))
	require.Equal(t, "a b", OneLine(" a\n\tb "))
}
